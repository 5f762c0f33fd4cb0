//! What must hold between the things of a model: what one names exists, what is used is not taken
//! away, and no two claim the same requests or buckets.

use super::fault::Faults;
use super::key::Key;
use super::lifecycle::State;
use super::service::Listener;
use super::{Experiment, Kind, Model, Service, cycle, fleet_slice, reference};
use std::collections::BTreeMap;
use thiserror::Error;

/// Two things of a model that cannot both be.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum Conflict {
    /// Two services claim the same requests; the filter would only ever see the first.
    #[error(
        "services `{first}` and `{second}` both take host `{host}` with path prefix `{path}` in fleet `{fleet}`"
    )]
    Requests {
        /// The service that comes first by key.
        first: Key,
        /// The other one.
        second: Key,
        /// The fleet that serves both.
        fleet: Key,
        /// The host pattern that both have.
        host: String,
        /// The path prefix that both have.
        path: String,
    },
    /// Experiments of two layers would both pick the cluster of a request.
    #[error(
        "experiments `{first}` (layer `{first_layer}`) and `{second}` (layer `{second_layer}`) both route service `{service}`; routing experiments of one service must share a layer"
    )]
    Routes {
        /// The experiment that comes first by key.
        first: Key,
        /// Its layer.
        first_layer: Key,
        /// The other one.
        second: Key,
        /// Its layer.
        second_layer: Key,
        /// The service that both route.
        service: Key,
    },
    /// Experiments of one layer would hash different units of one request, and then the layer could
    /// not keep them apart.
    #[error(
        "experiments `{first}` and `{second}` share layer `{layer}` and service `{service}` but read their unit from different sources; give one of them another layer"
    )]
    Units {
        /// The experiment that comes first by key.
        first: Key,
        /// The other one.
        second: Key,
        /// Their layer.
        layer: Key,
        /// A service whose requests are in both.
        service: Key,
    },
    /// Two experiments own one bucket.
    #[error("experiments `{first}` and `{second}` both own bucket {bucket} of layer `{layer}`")]
    Buckets {
        /// The experiment whose range begins first.
        first: Key,
        /// The other one.
        second: Key,
        /// Their layer.
        layer: Key,
        /// The first bucket that both own.
        bucket: u16,
    },
    /// Things of one kind name one another in a circle.
    #[error("{kind}s lead back to themselves: {}", circle(.path))]
    Cycle {
        /// What they are.
        kind: Kind,
        /// From one of them back to itself.
        path: Vec<Key>,
    },
    /// A sticky experiment has nobody to sign its cookie.
    #[error(
        "experiment `{experiment}` is sticky, and its cookie is signed; the settings have no signing key"
    )]
    Unsigned {
        /// The experiment.
        experiment: Key,
    },
    /// One Envoy would have to bind addresses of which one contains the other.
    #[error(
        "services `{first}` ({first_listener}) and `{second}` ({second_listener}) listen on overlapping addresses in fleet `{fleet}`"
    )]
    Listeners {
        /// The service that was there, or the changed one.
        first: Key,
        /// Its listener.
        first_listener: Listener,
        /// The changed service.
        second: Key,
        /// Its listener.
        second_listener: Listener,
        /// The fleet that serves both.
        fleet: Key,
    },
    /// Each slice is another configuration of the filter, for the control plane to make.
    #[error(
        "fleet `{fleet}` would have {count} slices named by experiments that are served, and at most {} are kept apart",
        fleet_slice::MAX_OF_FLEET
    )]
    Slices {
        /// The fleet.
        fleet: Key,
        /// How many there would be.
        count: usize,
    },
    /// Something is named that is not there.
    #[error("{kind} `{key}` refers to what does not exist: {faults}")]
    Dangling {
        /// What names it.
        kind: Kind,
        /// Its name.
        key: Key,
        /// The fields that name it.
        faults: Faults,
    },
}

fn circle(path: &[Key]) -> String {
    let names: Vec<String> = path.iter().map(|key| format!("`{key}`")).collect();
    names.join(" → ")
}

/// Everything that must hold in a model, whoever made it.
///
/// # Errors
/// The first [`Conflict`].
pub fn check(model: &Model) -> Result<(), Box<Conflict>> {
    references(model)?;
    cycles(model)?;
    signed(model)?;
    buckets(model)?;
    requests(model)?;
    routes(model)?;
    units(model)?;
    slices(model)
}

fn slices(model: &Model) -> Result<(), Box<Conflict>> {
    for fleet in model.fleets() {
        let count = model.slices_of(fleet).len();
        if count > fleet_slice::MAX_OF_FLEET {
            let fleet = fleet.clone();
            return Err(Box::new(Conflict::Slices { fleet, count }));
        }
    }
    Ok(())
}

fn references(model: &Model) -> Result<(), Box<Conflict>> {
    match reference::dangling(model) {
        None => Ok(()),
        Some((entry, faults)) => Err(Box::new(Conflict::Dangling {
            kind: entry.kind(),
            key: entry.key().clone(),
            faults,
        })),
    }
}

/// Segments and experiments can be evaluated in some order.
fn cycles(model: &Model) -> Result<(), Box<Conflict>> {
    let segments = model.segments.values();
    let named = segments.map(|it| (&it.key, it.design.rule.segments()));
    let experiments = model.experiments.values();
    let required = experiments
        .filter(|it| it.state != State::Archived)
        .map(|it| {
            let requires = it.design.requires.iter();
            (&it.key, requires.map(|r| &r.experiment).collect())
        });
    let found = [
        (Kind::Segment, cycle::find(&named.collect())),
        (Kind::Experiment, cycle::find(&required.collect())),
    ];
    match found
        .into_iter()
        .find_map(|(kind, path)| path.map(|path| (kind, path)))
    {
        None => Ok(()),
        Some((kind, path)) => Err(Box::new(Conflict::Cycle { kind, path })),
    }
}

/// A cookie that nobody signs would keep nobody.
fn signed(model: &Model) -> Result<(), Box<Conflict>> {
    if !model.settings().signing_keys.is_empty() {
        return Ok(());
    }
    let mut experiments = model.experiments.values();
    match experiments.find(|it| it.state != State::Archived && it.design.sticky.is_some()) {
        None => Ok(()),
        Some(sticky) => Err(Box::new(Conflict::Unsigned {
            experiment: sticky.key.clone(),
        })),
    }
}

/// An Envoy binds each address once, and one that takes every address leaves none for another. Only
/// asked when a service changes: a model from before this rule must still load.
///
/// # Errors
/// [`Conflict::Listeners`] where one of the service's listeners overlaps another of its fleets.
pub(super) fn listeners(model: &Model, changed: &Key) -> Result<(), Box<Conflict>> {
    let Some(service) = model.services.get(changed) else {
        return Ok(());
    };
    let shared = |other: &Service| {
        let mut fleets = service.design.fleets.iter();
        fleets
            .find(|fleet| other.design.fleets.contains(fleet))
            .cloned()
    };
    for other in model.services.values() {
        let Some(fleet) = shared(other) else { continue };
        let pairs = pairs(&other.design.listeners, &service.design.listeners);
        let mut overlapping = pairs.filter(|(theirs, ours)| theirs.overlaps(ours));
        if let Some((theirs, ours)) = overlapping.next() {
            return Err(Box::new(Conflict::Listeners {
                first: other.key.clone(),
                first_listener: *theirs,
                second: changed.clone(),
                second_listener: *ours,
                fleet,
            }));
        }
    }
    Ok(())
}

/// Experiments of a layer own different buckets.
fn buckets(model: &Model) -> Result<(), Box<Conflict>> {
    let mut layers: BTreeMap<&Key, Vec<(u16, u16, &Key)>> = BTreeMap::new();
    for (key, experiment) in &model.experiments {
        let owned = layers.entry(&experiment.design.layer).or_default();
        let ranges = experiment.allocation().iter();
        owned.extend(ranges.map(|(first, last)| (first, last, key)));
    }
    for (layer, mut owned) in layers {
        owned.sort_unstable();
        let mut neighbours = owned.iter().zip(owned.iter().skip(1));
        if let Some((left, right)) = neighbours.find(|(left, right)| right.0 <= left.1) {
            return Err(Box::new(Conflict::Buckets {
                first: left.2.clone(),
                second: right.2.clone(),
                layer: layer.clone(),
                bucket: right.0,
            }));
        }
    }
    Ok(())
}

/// The filter takes the first service that matches, so no two may have the same pattern. It knows
/// no listeners, so other ports do not tell two services apart.
fn requests(model: &Model) -> Result<(), Box<Conflict>> {
    let mut claims = BTreeMap::new();
    for service in model.services.values() {
        let design = &service.design;
        let any = ["/".to_owned()];
        let paths = match design.path_prefixes.as_slice() {
            [] => any.as_slice(),
            paths => paths,
        };
        for (fleet, host) in pairs(&design.fleets, &design.hosts) {
            for path in paths {
                let claim = (fleet, host.clone(), path.clone());
                if let Some(first) = claims.insert(claim, &service.key) {
                    return Err(Box::new(Conflict::Requests {
                        first: first.clone(),
                        second: service.key.clone(),
                        fleet: fleet.clone(),
                        host: host.clone(),
                        path: path.clone(),
                    }));
                }
            }
        }
    }
    Ok(())
}

fn pairs<'a, A, B>(left: &'a [A], right: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    left.iter()
        .flat_map(move |left| right.iter().map(move |right| (left, right)))
}

/// One request has one routing decision: the served experiments that route a service share a layer,
/// which makes them exclusive.
fn routes(model: &Model) -> Result<(), Box<Conflict>> {
    let mut routed: BTreeMap<&Key, &Experiment> = BTreeMap::new();
    for experiment in served(model).filter(|experiment| experiment.design.routes()) {
        for service in &experiment.design.services {
            let first = *routed.entry(service).or_insert(experiment);
            if first.design.layer != experiment.design.layer {
                return Err(Box::new(Conflict::Routes {
                    first: first.key.clone(),
                    first_layer: first.design.layer.clone(),
                    second: experiment.key.clone(),
                    second_layer: experiment.design.layer.clone(),
                    service: service.clone(),
                }));
            }
        }
    }
    Ok(())
}

/// One request has one unit in a layer: the served experiments of a layer that share a service read
/// it from the same sources.
fn units(model: &Model) -> Result<(), Box<Conflict>> {
    let mut layers: BTreeMap<&Key, Vec<&Experiment>> = BTreeMap::new();
    for experiment in served(model) {
        let layer = layers.entry(&experiment.design.layer).or_default();
        layer.push(experiment);
    }
    for (layer, members) in layers {
        let differ =
            |a: &Experiment, b: &Experiment| a.design.unit.sources != b.design.unit.sources;
        let mut neighbours = members.iter().zip(members.iter().skip(1));
        if !neighbours.any(|(a, b)| differ(a, b)) {
            continue;
        }
        for service in model.services.keys() {
            let mut sharing = members.iter().filter(|e| e.design.covers(service));
            let Some(first) = sharing.next() else {
                continue;
            };
            if let Some(second) = sharing.find(|second| differ(first, second)) {
                return Err(Box::new(Conflict::Units {
                    first: first.key.clone(),
                    second: second.key.clone(),
                    layer: layer.clone(),
                    service: service.clone(),
                }));
            }
        }
    }
    Ok(())
}

fn served(model: &Model) -> impl Iterator<Item = &Experiment> {
    let experiments = model.experiments.values().map(AsRef::as_ref);
    experiments.filter(|experiment: &&Experiment| experiment.state.is_served())
}
