//! Entries: one thing of a model whatever its kind, and how a model holds them.

use super::{
    Cluster, Experiment, Holdout, Key, Kind, Layer, Meta, Metric, Model, Segment, Service, Settings,
};
use std::sync::Arc;

/// One thing of a model, whatever its kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// The settings.
    Settings(Arc<Settings>),
    /// A cluster.
    Cluster(Arc<Cluster>),
    /// A segment.
    Segment(Arc<Segment>),
    /// A service.
    Service(Arc<Service>),
    /// A layer.
    Layer(Arc<Layer>),
    /// A holdout.
    Holdout(Arc<Holdout>),
    /// A metric.
    Metric(Arc<Metric>),
    /// An experiment.
    Experiment(Arc<Experiment>),
}

/// Says the same of an entry of any kind.
macro_rules! whatever {
    ($entry:expr, $it:ident => $said:expr) => {
        match $entry {
            Entry::Settings($it) => $said,
            Entry::Cluster($it) => $said,
            Entry::Segment($it) => $said,
            Entry::Service($it) => $said,
            Entry::Layer($it) => $said,
            Entry::Holdout($it) => $said,
            Entry::Metric($it) => $said,
            Entry::Experiment($it) => $said,
        }
    };
}

/// Says the same of the model's collection of a kind, with the entry that its things make.
macro_rules! collection {
    ($model:expr, $kind:expr, ($things:ident, $entry:ident) => $said:expr) => {{
        match $kind {
            Kind::Settings => collection!($model.settings, Entry::Settings, $things, $entry, $said),
            Kind::Cluster => collection!($model.clusters, Entry::Cluster, $things, $entry, $said),
            Kind::Segment => collection!($model.segments, Entry::Segment, $things, $entry, $said),
            Kind::Service => collection!($model.services, Entry::Service, $things, $entry, $said),
            Kind::Layer => collection!($model.layers, Entry::Layer, $things, $entry, $said),
            Kind::Holdout => collection!($model.holdouts, Entry::Holdout, $things, $entry, $said),
            Kind::Metric => collection!($model.metrics, Entry::Metric, $things, $entry, $said),
            Kind::Experiment => {
                collection!(
                    $model.experiments,
                    Entry::Experiment,
                    $things,
                    $entry,
                    $said
                )
            }
        }
    }};
    ($field:expr, $variant:path, $things:ident, $entry:ident, $said:expr) => {{
        let $things = &$field;
        let $entry = $variant;
        $said
    }};
}

impl Entry {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Settings(_) => Kind::Settings,
            Self::Cluster(_) => Kind::Cluster,
            Self::Segment(_) => Kind::Segment,
            Self::Service(_) => Kind::Service,
            Self::Layer(_) => Kind::Layer,
            Self::Holdout(_) => Kind::Holdout,
            Self::Metric(_) => Kind::Metric,
            Self::Experiment(_) => Kind::Experiment,
        }
    }

    /// Its name.
    #[must_use]
    pub fn key(&self) -> &Key {
        whatever!(self, it => &it.key)
    }

    /// Its revision and times.
    #[must_use]
    pub fn meta(&self) -> Meta {
        whatever!(self, it => it.meta)
    }

    /// The same with another revision and other times.
    #[must_use]
    pub fn with_meta(mut self, meta: Meta) -> Self {
        whatever!(&mut self, it => Arc::make_mut(it).meta = meta);
        self
    }
}

impl Model {
    /// The thing of that kind and name.
    #[must_use]
    pub fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        collection!(self, kind, (things, entry) => things.get(key).cloned().map(entry))
    }

    /// Every thing of that kind, by key.
    #[must_use]
    pub fn entries(&self, kind: Kind) -> Vec<Entry> {
        collection!(self, kind, (things, entry) => things.values().cloned().map(entry).collect())
    }

    /// Whether there is a thing of that kind and name.
    #[must_use]
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        collection!(self, kind, (things, _entry) => things.contains_key(name))
    }

    /// The names of the things of that kind, in order.
    #[must_use]
    pub fn names(&self, kind: Kind) -> Vec<&str> {
        collection!(self, kind, (things, _entry) => things.keys().map(Key::as_str).collect())
    }

    /// Puts an entry in the place of the one with its kind and name. Says nothing of whether the
    /// model is then sound: see [`super::integrity`].
    pub fn insert(&mut self, entry: Entry) {
        let key = entry.key().clone();
        match entry {
            Entry::Settings(it) => drop(self.settings.insert(key, it)),
            Entry::Cluster(it) => drop(self.clusters.insert(key, it)),
            Entry::Segment(it) => drop(self.segments.insert(key, it)),
            Entry::Service(it) => drop(self.services.insert(key, it)),
            Entry::Layer(it) => drop(self.layers.insert(key, it)),
            Entry::Holdout(it) => drop(self.holdouts.insert(key, it)),
            Entry::Metric(it) => drop(self.metrics.insert(key, it)),
            Entry::Experiment(it) => drop(self.experiments.insert(key, it)),
        }
    }

    /// Takes the thing of that kind and name away. As [`Model::insert`], it checks nothing.
    pub fn remove(&mut self, kind: Kind, key: &Key) {
        match kind {
            Kind::Settings => drop(self.settings.remove(key)),
            Kind::Cluster => drop(self.clusters.remove(key)),
            Kind::Segment => drop(self.segments.remove(key)),
            Kind::Service => drop(self.services.remove(key)),
            Kind::Layer => drop(self.layers.remove(key)),
            Kind::Holdout => drop(self.holdouts.remove(key)),
            Kind::Metric => drop(self.metrics.remove(key)),
            Kind::Experiment => drop(self.experiments.remove(key)),
        }
    }
}
