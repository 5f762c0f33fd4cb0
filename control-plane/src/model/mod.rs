//! The model: clusters, services, layers and experiments, validated, and the pure functions that
//! change them.
//!
//! A `FooSpec` is what people write and is not trusted; a `FooDesign` is validated and is what a
//! `Foo` of the model says. [`change::apply`] is the only way from one model to the next. No I/O,
//! clock or randomness here: the store keeps what changed, `resources` makes xDS of it.

pub mod attribute;
pub mod audience;
pub mod change;
mod check;
pub mod cluster;
pub mod document;
pub mod experiment;
mod experiment_change;
pub mod experiment_spec;
pub mod fault;
pub mod integrity;
pub mod key;
pub mod layer;
pub mod lifecycle;
pub mod placement;
pub mod service;
#[cfg(test)]
mod tests;
pub mod weights;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use cluster::ClusterDesign;
pub use experiment::{Experiment, ExperimentDesign};
pub use fault::{Fault, Faults};
pub use key::Key;
pub use layer::LayerDesign;
pub use service::ServiceDesign;

/// Everything the control plane knows of its users' wishes. Cheap to clone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Model {
    /// The revision of the last change; 0 for none. Each change has the next one, whatever it
    /// changes, so that no two states of anything ever share a revision.
    pub revision: u64,
    /// Who can serve.
    pub clusters: BTreeMap<Key, Arc<Cluster>>,
    /// What is served.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// Where experiments share units.
    pub layers: BTreeMap<Key, Arc<Layer>>,
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

/// A cluster of the model.
pub type Cluster = Named<ClusterDesign>;
/// A service of the model.
pub type Service = Named<ServiceDesign>;
/// A layer of the model.
pub type Layer = Named<LayerDesign>;

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

/// The four kinds of thing in a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Cluster`]
    Cluster,
    /// [`Service`]
    Service,
    /// [`Layer`]
    Layer,
    /// [`Experiment`]
    Experiment,
}

impl Kind {
    /// Every kind, in an order in which they can be made: a kind refers only to earlier ones.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Service, Self::Layer, Self::Experiment];

    /// The word for one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Service => "service",
            Self::Layer => "layer",
            Self::Experiment => "experiment",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Model {
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
