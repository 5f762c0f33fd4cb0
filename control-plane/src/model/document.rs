//! Documents: the things of a model as they are shown to people and kept by the store, and how a
//! kept one is read back. A document is `{kind, key, revision, created_at, updated_at}` and a body:
//! the `spec`, and for an experiment its state and buckets.

use super::cluster::ClusterSpec;
use super::experiment_spec::ExperimentSpec;
use super::layer::LayerSpec;
use super::lifecycle::State;
use super::placement::{Placement, PlacementError};
use super::service::ServiceSpec;
use super::{Cluster, Experiment, Faults, Key, Kind, Layer, Meta, Model, Named, Service, key};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;
use watershed_engine::{RangeError, Ranges};

/// One thing of a model, whatever its kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// A cluster.
    Cluster(Arc<Cluster>),
    /// A service.
    Service(Arc<Service>),
    /// A layer.
    Layer(Arc<Layer>),
    /// An experiment.
    Experiment(Arc<Experiment>),
}

/// An entry as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub key: Key,
    /// The model's revision that last changed it; its ETag.
    pub revision: u64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The rest.
    #[serde(flatten)]
    pub body: Body,
}

/// The part of a document that the store keeps as one text.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// A cluster's.
    Cluster(SpecBody<ClusterSpec>),
    /// A service's.
    Service(SpecBody<ServiceSpec>),
    /// A layer's.
    Layer(SpecBody<LayerSpec>),
    /// An experiment's.
    Experiment(Box<ExperimentBody>),
}

/// A body that is only what people wrote, with defaults filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecBody<S> {
    /// What people wrote.
    pub spec: S,
}

/// An experiment's body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentBody {
    /// What people wrote, with defaults filled in.
    pub spec: ExperimentSpec,
    /// Where it is in its life.
    pub state: State,
    /// The buckets of the layer it owns, as `[first, last]` pairs.
    pub allocation: Vec<(u16, u16)>,
    /// The buckets of the variant hash that each variant owns.
    pub variants: Vec<VariantBody>,
}

/// The buckets of one variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantBody {
    /// The variant.
    pub key: String,
    /// `[first, last]` pairs.
    pub buckets: Vec<(u16, u16)>,
}

/// Why a kept document cannot be read back.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The name is not one.
    #[error(transparent)]
    Key(#[from] key::BadKey),
    /// The body is not JSON, or not of its kind's shape.
    #[error("the body cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The body's spec is not valid.
    #[error("the spec is not valid: {0}")]
    Invalid(#[from] Faults),
    /// The buckets are not sets of buckets.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The buckets do not fit the spec.
    #[error(transparent)]
    Placement(#[from] PlacementError),
}

impl Entry {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Cluster(_) => Kind::Cluster,
            Self::Service(_) => Kind::Service,
            Self::Layer(_) => Kind::Layer,
            Self::Experiment(_) => Kind::Experiment,
        }
    }

    /// Its name.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Cluster(cluster) => &cluster.key,
            Self::Service(service) => &service.key,
            Self::Layer(layer) => &layer.key,
            Self::Experiment(experiment) => &experiment.key,
        }
    }

    /// Its revision and times.
    #[must_use]
    pub fn meta(&self) -> Meta {
        match self {
            Self::Cluster(cluster) => cluster.meta,
            Self::Service(service) => service.meta,
            Self::Layer(layer) => layer.meta,
            Self::Experiment(experiment) => experiment.meta,
        }
    }

    /// The same with another revision and other times.
    #[must_use]
    pub fn with_meta(mut self, meta: Meta) -> Self {
        match &mut self {
            Self::Cluster(cluster) => Arc::make_mut(cluster).meta = meta,
            Self::Service(service) => Arc::make_mut(service).meta = meta,
            Self::Layer(layer) => Arc::make_mut(layer).meta = meta,
            Self::Experiment(experiment) => Arc::make_mut(experiment).meta = meta,
        }
        self
    }

    /// The part that the store keeps as one text.
    #[must_use]
    pub fn body(&self) -> Body {
        match self {
            Self::Cluster(cluster) => Body::Cluster(SpecBody {
                spec: (&cluster.design).into(),
            }),
            Self::Service(service) => Body::Service(SpecBody {
                spec: (&service.design).into(),
            }),
            Self::Layer(layer) => Body::Layer(SpecBody {
                spec: (&layer.design).into(),
            }),
            Self::Experiment(experiment) => {
                Body::Experiment(Box::new(ExperimentBody::from(&**experiment)))
            }
        }
    }

    /// How it is shown.
    #[must_use]
    pub fn document(&self) -> Document {
        let meta = self.meta();
        Document {
            kind: self.kind(),
            key: self.key().clone(),
            revision: meta.revision,
            created_at: meta.created_at,
            updated_at: meta.updated_at,
            body: self.body(),
        }
    }

    /// Reads a kept body back.
    ///
    /// # Errors
    /// [`RestoreError`] for whatever [`Entry::body`] did not write.
    pub fn restore(kind: Kind, key: &str, meta: Meta, body: &str) -> Result<Self, RestoreError> {
        let key = Key::try_new(key)?;
        let mut faults = Faults::default();
        Ok(match kind {
            Kind::Cluster => {
                let design = read::<ClusterSpec>(body)?.validate(&mut faults);
                Self::Cluster(named(key, meta, faults.or(design)?))
            }
            Kind::Service => {
                let design = read::<ServiceSpec>(body)?.validate(&mut faults);
                Self::Service(named(key, meta, faults.or(design)?))
            }
            Kind::Layer => {
                let design = read::<LayerSpec>(body)?.validate(&key, &mut faults);
                Self::Layer(named(key, meta, faults.or(design)?))
            }
            Kind::Experiment => Self::Experiment(Arc::new(experiment(key, meta, body)?)),
        })
    }
}

fn read<S: for<'de> Deserialize<'de>>(body: &str) -> Result<S, serde_json::Error> {
    serde_json::from_str::<SpecBody<S>>(body).map(|body| body.spec)
}

/// A design under its name.
pub(super) fn named<D>(key: Key, meta: Meta, design: D) -> Arc<Named<D>> {
    Arc::new(Named { key, meta, design })
}

fn experiment(key: Key, meta: Meta, body: &str) -> Result<Experiment, RestoreError> {
    let body: ExperimentBody = serde_json::from_str(body)?;
    let mut faults = Faults::default();
    let design = body.spec.validate(&mut faults);
    let design = faults.or(design)?;
    let allocation = Ranges::try_new(body.allocation)?;
    let mut split = Vec::with_capacity(body.variants.len());
    for variant in body.variants {
        split.push((variant.key, Ranges::try_new(variant.buckets)?));
    }
    let placement = Placement::restore(&design, allocation, split)?;
    Ok(Experiment {
        key,
        meta,
        design,
        state: body.state,
        placement,
    })
}

impl From<&Experiment> for ExperimentBody {
    fn from(experiment: &Experiment) -> Self {
        let variant = |(key, ranges): &(String, Ranges)| VariantBody {
            key: key.clone(),
            buckets: ranges.iter().collect(),
        };
        Self {
            spec: (&experiment.design).into(),
            state: experiment.state,
            allocation: experiment.allocation().iter().collect(),
            variants: experiment.placement.split().iter().map(variant).collect(),
        }
    }
}

impl Model {
    /// The thing of that kind and name.
    #[must_use]
    pub fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        match kind {
            Kind::Cluster => self.clusters.get(key).cloned().map(Entry::Cluster),
            Kind::Service => self.services.get(key).cloned().map(Entry::Service),
            Kind::Layer => self.layers.get(key).cloned().map(Entry::Layer),
            Kind::Experiment => self.experiments.get(key).cloned().map(Entry::Experiment),
        }
    }

    /// Every thing of that kind, by key.
    #[must_use]
    pub fn entries(&self, kind: Kind) -> Vec<Entry> {
        match kind {
            Kind::Cluster => self
                .clusters
                .values()
                .cloned()
                .map(Entry::Cluster)
                .collect(),
            Kind::Service => self
                .services
                .values()
                .cloned()
                .map(Entry::Service)
                .collect(),
            Kind::Layer => self.layers.values().cloned().map(Entry::Layer).collect(),
            Kind::Experiment => {
                let experiments = self.experiments.values().cloned();
                experiments.map(Entry::Experiment).collect()
            }
        }
    }

    /// Puts an entry in the place of the one with its kind and name. Says nothing of whether the
    /// model is then sound: see [`super::integrity`].
    pub fn insert(&mut self, entry: Entry) {
        let key = entry.key().clone();
        match entry {
            Entry::Cluster(cluster) => drop(self.clusters.insert(key, cluster)),
            Entry::Service(service) => drop(self.services.insert(key, service)),
            Entry::Layer(layer) => drop(self.layers.insert(key, layer)),
            Entry::Experiment(experiment) => drop(self.experiments.insert(key, experiment)),
        }
    }

    /// Takes the thing of that kind and name away.
    pub(super) fn remove(&mut self, kind: Kind, key: &Key) {
        match kind {
            Kind::Cluster => drop(self.clusters.remove(key)),
            Kind::Service => drop(self.services.remove(key)),
            Kind::Layer => drop(self.layers.remove(key)),
            Kind::Experiment => drop(self.experiments.remove(key)),
        }
    }
}
