//! Which services a proxy or one of its listeners serves, in the order in which the first match wins,
//! and which clusters each may send requests to.

use super::detour::{self, Detour};
use crate::model::key::Key;
use crate::model::lifecycle::State;
use crate::model::service::{Listener, ServiceDesign};
use crate::model::{Experiment, Model};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A service with all that its routes need.
pub(super) struct Scope<'a> {
    /// The service's key.
    pub(super) key: &'a Key,
    /// The service.
    pub(super) service: &'a ServiceDesign,
    /// The clusters that an experiment or a routing rule may choose for it, and its default cluster.
    pub(super) clusters: BTreeSet<&'a str>,
    /// Where requests go beside or after those; in the order of experiments and variants.
    pub(super) detours: Vec<Detour<'a>>,
}

impl Scope<'_> {
    /// The cluster of requests that no experiment routes.
    pub(super) fn default_cluster(&self) -> &str {
        self.service.default_cluster.as_str()
    }

    /// Every cluster of the model's that its requests may reach.
    pub(super) fn reached(&self) -> impl Iterator<Item = &str> {
        let detours = self.detours.iter();
        let beside = detours.flat_map(|it| it.detours.clusters().map(Key::as_str));
        self.clusters.iter().copied().chain(beside)
    }
}

/// The services of `fleet`, those with the more specific host first, then those with the longer path
/// prefix. A service with several hosts or paths counts by its most specific one.
pub(super) fn scopes<'a>(model: &'a Model, fleet: &'a Key) -> Vec<Scope<'a>> {
    let mut routing: BTreeMap<&Key, Vec<&Experiment>> = BTreeMap::new();
    for experiment in model.experiments.values() {
        if experiment.state != State::Archived {
            for service in &experiment.design.services {
                routing.entry(service).or_default().push(experiment);
            }
        }
    }
    let mut scopes: Vec<Scope<'a>> = model
        .services_of(fleet.as_str())
        .map(|service| {
            let experiments = routing.get(&service.key).map_or(&[][..], Vec::as_slice);
            scope(&service.key, &service.design, experiments)
        })
        .collect();
    scopes.sort_by_key(|s| {
        (
            Reverse(host_rank(s.service)),
            Reverse(path_rank(s.service)),
            s.key,
        )
    });
    scopes
}

/// Those of `scopes` that listen on `listener`, in the same order.
pub(super) fn on<'a, 'b>(scopes: &'b [Scope<'a>], listener: &Listener) -> Vec<&'b Scope<'a>> {
    scopes
        .iter()
        .filter(|s| s.service.listeners.contains(listener))
        .collect()
}

/// An experiment counts in every state but the last: its routes are there before it starts, so that a
/// start or a resume changes nothing but the filter's configuration.
fn scope<'a>(
    key: &'a Key,
    service: &'a ServiceDesign,
    experiments: &[&'a Experiment],
) -> Scope<'a> {
    let experiments = experiments.iter().copied();
    let chosen = experiments.clone();
    let chosen = chosen.flat_map(|experiment| experiment.design.clusters());
    let detours = experiments.flat_map(|it| detour::of(&it.key, &it.design));
    let clusters = chosen.chain(service.clusters()).map(Key::as_str).collect();
    Scope {
        key,
        service,
        clusters,
        detours: detours.collect(),
    }
}

/// Exact names before wildcards, longer ones before shorter.
fn host_rank(service: &ServiceDesign) -> (bool, usize) {
    service
        .hosts
        .iter()
        .map(|host| (!host.starts_with('*'), host.len()))
        .max()
        .unwrap_or_default()
}

fn path_rank(service: &ServiceDesign) -> usize {
    service
        .path_prefixes
        .iter()
        .map(String::len)
        .max()
        .unwrap_or_default()
}

/// Whether every host that matches `inner` matches `outer` too.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    if outer == "*" || outer == inner {
        return true;
    }
    let Some(suffix) = outer.strip_prefix('*') else {
        return false;
    };
    let inner = inner.strip_prefix('*').unwrap_or(inner);
    inner.len() > suffix.len() && inner.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_is_more_specific() {
        assert!(covers("*", "api.example.com"));
        assert!(covers("*", "*.example.com"));
        assert!(covers("*.example.com", "api.example.com"));
        assert!(covers("*.example.com", "*.eu.example.com"));
        assert!(covers("*.example.com", "*.example.com"));
        assert!(covers("api.example.com", "api.example.com"));
    }

    #[test]
    fn a_pattern_does_not_cover_what_is_wider_or_beside_it() {
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("*.example.com", "*"));
        assert!(!covers("*.eu.example.com", "*.example.com"));
        assert!(!covers("*.example.com", "api.badexample.com"));
        assert!(!covers("api.example.com", "*.example.com"));
    }
}
