//! The model: settings, clusters, segments, services, layers, holdouts, metrics and experiments,
//! validated,
//! and the pure functions that change them.
//!
//! A `FooSpec` is what people write and is not trusted; a `FooDesign` is validated and is what a
//! `Foo` of the model says. [`change::apply`] is the only way from one model to the next. No I/O,
//! clock or randomness here: the store keeps what changed, `resources` makes xDS of it.

pub mod attribute;
pub mod audience;
pub mod builtin_metric;
pub mod change;
mod check;
pub mod cluster;
pub mod comparison;
mod cycle;
pub mod decision;
pub mod detour;
pub mod document;
pub mod duration;
pub mod entry;
pub mod experiment;
mod experiment_change;
pub mod experiment_spec;
pub mod export;
pub mod fault;
pub mod fleet_slice;
mod frozen;
pub mod hash;
pub mod holdout;
pub mod integrity;
pub mod key;
pub mod layer;
pub mod layer_buckets;
pub mod lifecycle;
pub mod link;
pub mod metric;
mod network;
pub mod placement;
pub mod protection;
mod readiness;
mod reference;
pub mod requirement;
pub mod retry;
pub mod role;
pub mod routing_rule;
pub mod rule_spec;
pub mod secret;
pub mod segment;
pub mod service;
pub mod settings;
pub mod source;
pub mod sticky;
pub mod strategy;
pub mod switch;
#[cfg(test)]
mod tests;
pub mod unique;
pub mod upstream_tls;
pub mod variant;
pub mod weights;
pub mod winsorize;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use cluster::ClusterDesign;
pub use experiment::{Experiment, ExperimentDesign};
pub use fault::{Fault, Faults};
pub use fleet_slice::FleetSlice;
pub use holdout::HoldoutDesign;
pub use key::Key;
pub use layer::LayerDesign;
pub use metric::MetricDesign;
pub use segment::SegmentDesign;
pub use service::ServiceDesign;
pub use settings::SettingsDesign;

/// Everything the control plane knows of its users' wishes. Cheap to clone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Model {
    /// The revision of the last change; 0 for none. Each change has the next one, whatever it
    /// changes, so that no two states of anything ever share a revision.
    pub revision: u64,
    /// What is true of the whole installation: at most one, under [`settings::KEY`].
    pub settings: BTreeMap<Key, Arc<Settings>>,
    /// Who can serve.
    pub clusters: BTreeMap<Key, Arc<Cluster>>,
    /// Who is meant, by name.
    pub segments: BTreeMap<Key, Arc<Segment>>,
    /// What is served.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// Where experiments share units.
    pub layers: BTreeMap<Key, Arc<Layer>>,
    /// Who is left alone.
    pub holdouts: BTreeMap<Key, Arc<Holdout>>,
    /// What is measured.
    pub metrics: BTreeMap<Key, Arc<Metric>>,
    /// What is compared.
    pub experiments: BTreeMap<Key, Arc<Experiment>>,
}

/// A validated design under its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named<D> {
    /// Its name.
    pub key: Key,
    /// Its revision and times.
    pub meta: Meta,
    /// What it says.
    pub design: D,
}

/// The settings of the model.
pub type Settings = Named<SettingsDesign>;
/// A cluster of the model.
pub type Cluster = Named<ClusterDesign>;
/// A segment of the model.
pub type Segment = Named<SegmentDesign>;
/// A service of the model.
pub type Service = Named<ServiceDesign>;
/// A layer of the model.
pub type Layer = Named<LayerDesign>;
/// A holdout of the model.
pub type Holdout = Named<HoldoutDesign>;
/// A metric of the model.
pub type Metric = Named<MetricDesign>;

/// When something came to be what it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meta {
    /// The model's revision that last changed it.
    pub revision: u64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The kinds of thing in a model.
#[derive(
    Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Settings`]
    Settings,
    /// [`Cluster`]
    Cluster,
    /// [`Segment`]
    Segment,
    /// [`Service`]
    Service,
    /// [`Layer`]
    Layer,
    /// [`Holdout`]
    Holdout,
    /// [`Metric`]
    Metric,
    /// [`Experiment`]
    Experiment,
}

impl Kind {
    /// Every kind, in an order in which they can be made: a kind refers only to earlier ones and to
    /// itself.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Cluster,
        Self::Segment,
        Self::Service,
        Self::Layer,
        Self::Holdout,
        Self::Metric,
        Self::Experiment,
    ];

    /// The word for one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Cluster => "cluster",
            Self::Segment => "segment",
            Self::Service => "service",
            Self::Layer => "layer",
            Self::Holdout => "holdout",
            Self::Metric => "metric",
            Self::Experiment => "experiment",
        }
    }
}

impl Kind {
    /// The kind that this is the word for.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Model {
    /// What is true of the whole installation, said or not.
    #[must_use]
    pub fn settings(&self) -> &SettingsDesign {
        let said = self.settings.get(settings::KEY);
        said.map_or(const { &SettingsDesign::UNSET }, |said| &said.design)
    }

    /// The fleets that any service names.
    #[must_use]
    pub fn fleets(&self) -> std::collections::BTreeSet<&Key> {
        let services = self.services.values();
        services
            .flat_map(|service| &service.design.fleets)
            .collect()
    }

    /// The services that `fleet` serves.
    pub fn services_of<'a>(&'a self, fleet: &'a str) -> impl Iterator<Item = &'a Arc<Service>> {
        let served = move |service: &&Arc<Service>| {
            let mut fleets = service.design.fleets.iter();
            fleets.any(|key| key == fleet)
        };
        self.services.values().filter(served)
    }
}
