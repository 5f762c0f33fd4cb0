//! A compiled configuration. What lives here: the [`Plan`] and what every request shares. What does
//! not: how it is checked and built (see [`compile`](crate::compile)) and how it decides (see
//! [`assign`](crate::assign)).

use crate::attribute::AttributeId;
use crate::attributes::Attributes;
use crate::audience::{ConditionId, Segment, SegmentId};
use crate::bucketer::Bucketer;
use crate::compile::{self, CompileError, DecodeError};
use crate::condition::{Check, Condition};
use crate::experiment::Experiment;
use crate::ranges::Ranges;
use crate::request::Headers;
use crate::service::{Service, ServiceIndex};
use crate::token::Keys;
use watershed_proto::filter::v1::{FilterConfig, Trust};

/// A configuration without a fault, ready to assign. The default is the empty one, which matches
/// no request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(crate) version: Box<str>,
    pub(crate) attributes: Attributes,
    pub(crate) conditions: Box<[Condition]>,
    /// Audiences that are lists of conditions, in short.
    pub(crate) checks: Box<[Box<[Check]>]>,
    pub(crate) segments: Box<[Segment]>,
    pub(crate) units: Box<[Unit]>,
    pub(crate) holdouts: Box<[Holdout]>,
    pub(crate) layers: Box<[Layer]>,
    pub(crate) experiments: Box<[Experiment]>,
    /// The experiments in the order of their keys.
    pub(crate) by_key: Box<[ExperimentId]>,
    pub(crate) services: Box<[Service]>,
    pub(crate) index: ServiceIndex,
    pub(crate) keys: Keys,
    pub(crate) force: ForceSources,
    pub(crate) trusts_stamps: bool,
    pub(crate) body_limit: usize,
}

impl Plan {
    /// Checks `config` whole and builds its plan.
    ///
    /// # Errors
    /// The first [`CompileError`]: which entry, which field, what is wrong with it.
    pub fn compile(config: &FilterConfig) -> Result<Self, CompileError> {
        compile::plan(config)
    }

    /// The plan of a [`FilterConfig`] in Protobuf, by a shorter way than to decode and then compile it:
    /// what many experiments say in the same words is read once.
    ///
    /// # Errors
    /// [`DecodeError`]: it is no Protobuf, or as [`Plan::compile`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        compile::decode(bytes)
    }

    /// What the configuration calls itself; a content hash where the control plane sent it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every attribute that the plan may ask for, each once.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The services, in the order in which they are matched.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The experiments, in the order of the configuration.
    #[must_use]
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    /// The experiment of this key.
    #[must_use]
    pub fn experiment(&self, key: &str) -> Option<&Experiment> {
        self.at(self.experiment_id(key)?)
    }

    /// The first service that matches `host` (lower case, no port) and `path`; a query behind it
    /// changes nothing.
    #[must_use]
    pub fn service(&self, host: Option<&[u8]>, path: Option<&[u8]>) -> Option<&Service> {
        self.index.find(&self.services, host, path)
    }

    /// The first service that matches the headers' host and path; reads neither where no service
    /// asks for it.
    #[must_use]
    pub fn service_of(&self, headers: Headers<'_>) -> Option<&Service> {
        let host = if self.index.asks_for_host() {
            headers.host()
        } else {
            None
        };
        self.service(host.as_deref(), headers.path_and_query())
    }

    /// The keys of sticky cookies and force tokens.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where force tokens are read.
    #[must_use]
    pub fn force(&self) -> &ForceSources {
        &self.force
    }

    /// What to believe of the assignments that a request brings along: `EDGE` or `MESH`.
    #[must_use]
    pub fn trust(&self) -> Trust {
        if self.trusts_stamps {
            Trust::Mesh
        } else {
            Trust::Edge
        }
    }

    /// How many bytes of a body may be buffered.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    pub(crate) fn at(&self, id: ExperimentId) -> Option<&Experiment> {
        self.experiments.get(id.0 as usize)
    }

    pub(crate) fn experiment_id(&self, key: &str) -> Option<ExperimentId> {
        let key_of = |id: &ExperimentId| self.at(*id).map(Experiment::key);
        let place = self
            .by_key
            .binary_search_by(|id| key_of(id).cmp(&Some(key)))
            .ok()?;
        self.by_key.get(place).copied()
    }

    pub(crate) fn condition(&self, id: ConditionId) -> Option<&Condition> {
        self.conditions.get(id.0 as usize)
    }

    /// The experiment's audience in short, where there is such a form.
    #[inline]
    pub(crate) fn checks(&self, experiment: &Experiment) -> Option<&[Check]> {
        let checks = self.checks.get(experiment.checks as usize)?;
        Some(checks)
    }

    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Segment> {
        self.segments.get(id.0 as usize)
    }

    pub(crate) fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id.0 as usize)
    }

    pub(crate) fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.layers.get(id.0 as usize)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub(crate) struct LayerId(pub(crate) u32);

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct ExperimentId(pub(crate) u32);

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub(crate) struct UnitId(pub(crate) u32);

/// Where a unit is read, in order: experiments that say the same share one.
pub(crate) type Unit = Box<[AttributeId]>;

/// 10,000 buckets that experiments share without overlap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    pub(crate) key: Box<str>,
    pub(crate) bucketer: Bucketer,
    /// The places of the holdouts that cover it.
    pub(crate) holdouts: Box<[u32]>,
}

impl Layer {
    /// The layer's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Units that no experiment touches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holdout {
    pub(crate) key: Box<str>,
    pub(crate) bucketer: Bucketer,
    pub(crate) buckets: Ranges,
}

impl Holdout {
    /// The holdout's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The buckets that it holds out.
    #[must_use]
    pub fn buckets(&self) -> &Ranges {
        &self.buckets
    }
}

/// Where force tokens are read, in this order; `None` is nowhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ForceSources {
    /// A header, by its name in lower case.
    pub header: Option<Box<str>>,
    /// A query parameter.
    pub query: Option<Box<str>>,
    /// A cookie.
    pub cookie: Option<Box<str>>,
}
