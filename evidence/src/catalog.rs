//! What the model says of variants, as far as evidence has to know it: which cluster is whose, and who
//! gets copies. Plain data, made anew by the control plane with every change of the model.

use std::collections::HashMap;

/// The variants of all experiments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Catalog {
    experiments: HashMap<String, Vec<Variant>>,
}

/// One variant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Variant {
    /// Its key.
    pub key: String,
    /// Its cluster; nothing where the experiment does not route.
    pub cluster: Option<String>,
    /// The cluster that gets copies of its requests.
    pub mirror: Option<String>,
}

impl Catalog {
    /// Adds an experiment.
    pub fn insert(&mut self, experiment: impl Into<String>, variants: Vec<Variant>) {
        self.experiments.insert(experiment.into(), variants);
    }

    /// The variant `key` of `experiment`.
    #[must_use]
    pub fn variant(&self, experiment: &str, key: &str) -> Option<&Variant> {
        self.variants(experiment).iter().find(|it| it.key == key)
    }

    /// The variant of `experiment` that has this cluster; the first where several share it.
    #[must_use]
    pub fn by_cluster(&self, experiment: &str, cluster: &str) -> Option<&Variant> {
        let mut variants = self.variants(experiment).iter();
        variants.find(|it| it.cluster.as_deref() == Some(cluster))
    }

    fn variants(&self, experiment: &str) -> &[Variant] {
        self.experiments.get(experiment).map_or(&[], Vec::as_slice)
    }
}
