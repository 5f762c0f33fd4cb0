//! Parts of a fleet: its proxies that say they are in a slice, and those in none. Which slices a model
//! names; what a proxy says of itself is read by `ads`.

use super::{Experiment, Key, Model};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The most slices that an experiment names.
pub const MAX_NAMED: usize = 8;
/// The most slices that a fleet has: each is another configuration of the filter.
pub const MAX_OF_FLEET: usize = 16;

/// The proxies of a fleet, or of one slice of it.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct FleetSlice {
    /// The fleet: `node.cluster`.
    pub fleet: Key,
    /// `node.metadata.watershed.slice`; `None` for proxies in no slice.
    pub slice: Option<Key>,
}

impl FleetSlice {
    /// The proxies of a fleet that are in no slice, or in one that nothing names.
    #[must_use]
    pub fn rest_of(fleet: Key) -> Self {
        Self { fleet, slice: None }
    }
}

/// `fleet` or `fleet/slice`.
impl fmt::Display for FleetSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fleet.fmt(f)?;
        match &self.slice {
            Some(slice) => write!(f, "/{slice}"),
            None => Ok(()),
        }
    }
}

impl Model {
    /// The slices of `fleet` that get something else than its other proxies: those named by experiments
    /// that are served, and are in a service of the fleet or in what such a one requires.
    #[must_use]
    pub fn slices_of(&self, fleet: &Key) -> BTreeSet<&Key> {
        let named = |it: &Arc<Experiment>| !it.design.slices.is_empty();
        if !self.experiments.values().any(named) {
            return BTreeSet::new();
        }
        let here = self.services_of(fleet.as_str());
        let here: Vec<&Key> = here.map(|service| &service.key).collect();
        let all = self.experiments.values();
        let covers = all.filter(|it| here.iter().any(|service| it.design.covers(service)));
        let mut next: Vec<&Key> = covers.map(|it| &it.key).collect();
        let mut seen = BTreeSet::new();
        let mut slices = BTreeSet::new();
        while let Some(key) = next.pop() {
            if let Some(experiment) = self.experiments.get(key)
                && experiment.state.is_served()
                && seen.insert(key)
            {
                slices.extend(&experiment.design.slices);
                let required = experiment.design.requires.iter();
                next.extend(required.map(|it| &it.experiment));
            }
        }
        slices
    }
}
