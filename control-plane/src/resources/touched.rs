//! Which fleets a change can mean anything for, so that the others are not built anew. Says too much
//! rather than too little: a law holds it to what building everything gives.

use crate::model::{Experiment, Key, Model};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The fleets whose proxies may get something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Touched {
    /// All of them.
    Everybody,
    /// These.
    Fleets(BTreeSet<Key>),
}

impl Touched {
    /// Those for which `after` may mean something else than `before`. Things that both share are known to
    /// be the same; a change leaves all others shared.
    #[must_use]
    pub fn between(before: &Model, after: &Model) -> Self {
        let shared = same(&before.settings, &after.settings)
            && same(&before.clusters, &after.clusters)
            && same(&before.segments, &after.segments)
            && same(&before.layers, &after.layers)
            && same(&before.holdouts, &after.holdouts);
        if !shared {
            return Self::Everybody;
        }
        let services = different(&before.services, &after.services);
        let services = services.iter().flat_map(|service| &service.design.fleets);
        let mut fleets: BTreeSet<Key> = services.cloned().collect();
        for experiment in concerned(before, after) {
            for model in [before, after] {
                let all = model.services.values();
                let covered = all.filter(|service| experiment.design.covers(&service.key));
                fleets.extend(covered.flat_map(|service| &service.design.fleets).cloned());
            }
        }
        Self::Fleets(fleets)
    }

    /// Whether `fleet` is one of them.
    #[must_use]
    pub fn has(&self, fleet: &Key) -> bool {
        match self {
            Self::Everybody => true,
            Self::Fleets(fleets) => fleets.contains(fleet),
        }
    }
}

/// The experiments that are different, as they were and as they are, and those that require one of them,
/// however indirectly: they are served where those are.
fn concerned<'a>(before: &'a Model, after: &'a Model) -> Vec<&'a Experiment> {
    let mut found: Vec<&Experiment> = Vec::new();
    let mut next = different(&before.experiments, &after.experiments);
    let mut names = BTreeSet::new();
    while !next.is_empty() {
        names.extend(next.iter().map(|experiment| &experiment.key));
        found.extend(&next);
        let requires = |experiment: &&Experiment| {
            let mut required = experiment.design.requires.iter();
            !names.contains(&experiment.key) && required.any(|it| names.contains(&it.experiment))
        };
        let all = after.experiments.values().map(AsRef::as_ref);
        next = all.filter(requires).collect();
    }
    found
}

fn same<T>(before: &BTreeMap<Key, Arc<T>>, after: &BTreeMap<Key, Arc<T>>) -> bool {
    let mut pairs = before.values().zip(after.values());
    before.len() == after.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
}

/// What is in one and not, or not the same, in the other.
fn different<'a, T>(
    before: &'a BTreeMap<Key, Arc<T>>,
    after: &'a BTreeMap<Key, Arc<T>>,
) -> Vec<&'a T> {
    let beside = |one: &'a BTreeMap<Key, Arc<T>>, other: &'a BTreeMap<Key, Arc<T>>| {
        one.iter().filter_map(|(key, it)| {
            let shared = other.get(key).is_some_and(|its| Arc::ptr_eq(it, its));
            (!shared).then_some(it.as_ref())
        })
    };
    beside(before, after).chain(beside(after, before)).collect()
}

#[cfg(test)]
mod tests;
