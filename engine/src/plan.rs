//! A compiled configuration. What lives here: the [`Plan`] and what it is made of, ready to be
//! walked. What does not: how it is checked and built (see [`compile`](crate::compile)) and how it
//! decides (see [`assign`](crate::assign)).

use crate::attribute::Attribute;
use crate::audience::Rule;
use crate::compile::{self, CompileError};
use crate::hash::Bucketer;
use crate::ranges::Ranges;
use crate::service::Service;
use watershed_proto::filter::v1::FilterConfig;

/// A configuration without a fault, ready to assign. The default is the empty one, which matches
/// no request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    pub(crate) version: Box<str>,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) services: Box<[Service]>,
    pub(crate) layers: Box<[Layer]>,
    pub(crate) experiments: Box<[Experiment]>,
}

impl Plan {
    /// Checks `config` whole and builds its plan.
    ///
    /// # Errors
    /// The first [`CompileError`]: which entry, which field, what is wrong with it.
    pub fn compile(config: &FilterConfig) -> Result<Self, CompileError> {
        compile::plan(config)
    }

    /// What the configuration calls itself; a content hash where the control plane sent it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every attribute that the plan may ask for, each once.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
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

    /// The first service that matches `host` (lower case, no port) and `path` (no query).
    #[must_use]
    pub fn service(&self, host: Option<&[u8]>, path: Option<&[u8]>) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.matches(host, path))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct LayerId(pub(crate) u32);

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct ExperimentId(pub(crate) u32);

/// 10,000 buckets that experiments share without overlap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    pub(crate) key: Box<str>,
    pub(crate) bucketer: Bucketer,
}

impl Layer {
    /// The layer's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// One experiment: who is in it, and which variant they get.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Experiment {
    pub(crate) key: Box<str>,
    pub(crate) layer: LayerId,
    pub(crate) unit_type: Box<str>,
    pub(crate) window: Window,
    pub(crate) allocation: Ranges,
    pub(crate) audience: Option<Rule>,
    pub(crate) bucketer: Bucketer,
    pub(crate) variants: Box<[Variant]>,
    /// Ascending, and together every bucket.
    pub(crate) shares: Box<[Share]>,
    pub(crate) fallback: u16,
    pub(crate) rolled_back: bool,
}

impl Experiment {
    /// The experiment's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is randomised, in the configuration's own word.
    #[must_use]
    pub fn unit_type(&self) -> &str {
        &self.unit_type
    }

    /// The buckets of its layer that the experiment owns.
    #[must_use]
    pub fn allocation(&self) -> &Ranges {
        &self.allocation
    }

    /// The variants, in the order of the configuration.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// Whether everybody gets the fallback variant.
    #[must_use]
    pub fn is_rolled_back(&self) -> bool {
        self.rolled_back
    }

    /// The variant that takes everybody in a rollback.
    #[must_use]
    pub fn fallback(&self) -> Option<&Variant> {
        self.variants.get(usize::from(self.fallback))
    }

    /// The variant that owns `bucket` of the variant hash.
    #[must_use]
    pub fn variant(&self, bucket: u16) -> Option<&Variant> {
        let following = self.shares.partition_point(|share| share.end < bucket);
        let share = self.shares.get(following)?;
        self.variants.get(usize::from(share.variant))
    }
}

/// Up to bucket `end` (and from the end of the share before), the variant's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Share {
    pub(crate) end: u16,
    pub(crate) variant: u16,
}

/// One arm of an experiment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variant {
    pub(crate) key: Box<str>,
    pub(crate) cluster: Option<Box<str>>,
    pub(crate) ordinal: u32,
}

impl Variant {
    /// The variant's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cluster that serves it, where the experiment routes.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// The variant's place among all variants of the plan: those of the first experiment, then
    /// those of the second, and so on.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        self.ordinal as usize
    }
}

/// When an experiment is active: `[start, end)` in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
}

impl Window {
    pub(crate) fn is_bounded(self) -> bool {
        self.start.is_some() || self.end.is_some()
    }

    pub(crate) fn has_started(self, now_ms: i64) -> bool {
        self.start.is_none_or(|start| start <= now_ms)
    }

    pub(crate) fn has_ended(self, now_ms: i64) -> bool {
        self.end.is_some_and(|end| end <= now_ms)
    }
}
