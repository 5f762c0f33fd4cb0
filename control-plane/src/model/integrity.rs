//! What must hold between the things of a model: what one names exists, what is used is not taken
//! away, and no two claim the same requests or buckets.

use super::experiment_spec::ExperimentSpec;
use super::fault::Faults;
use super::key::Key;
use super::service::ServiceSpec;
use super::{Experiment, Kind, Model};
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

/// Notes a fault for each name in a service that is not in the model.
pub(super) fn service_refers(model: &Model, spec: &ServiceSpec, faults: &mut Faults) {
    exists(
        &model.clusters,
        Kind::Cluster,
        &spec.default_cluster,
        "/default_cluster",
        faults,
    );
}

/// Notes a fault for each name in an experiment that is not in the model.
pub(super) fn experiment_refers(model: &Model, spec: &ExperimentSpec, faults: &mut Faults) {
    exists(&model.layers, Kind::Layer, &spec.layer, "/layer", faults);
    for (index, service) in spec.services.iter().enumerate() {
        let at = format!("/services/{index}");
        exists(&model.services, Kind::Service, service, &at, faults);
    }
    for (index, variant) in spec.variants.iter().enumerate() {
        if let Some(cluster) = &variant.cluster {
            let at = format!("/variants/{index}/cluster");
            exists(&model.clusters, Kind::Cluster, cluster, &at, faults);
        }
    }
}

fn exists<T>(known: &BTreeMap<Key, T>, kind: Kind, name: &str, at: &str, faults: &mut Faults) {
    // What is no key at all is said by validation.
    if known.contains_key(name) || Key::try_new(name).is_err() {
        return;
    }
    let some: Vec<&str> = known.keys().take(10).map(Key::as_str).collect();
    let expected = match (some.is_empty(), known.len() > some.len()) {
        (true, _) => format!("a {kind} that exists; there is none yet"),
        (false, true) => format!("a {kind} that exists, as {}, …", some.join(", ")),
        (false, false) => format!("a {kind} that exists: {}", some.join(", ")),
    };
    faults.add(at, format!("there is no {kind} `{name}`"), expected);
}

/// Who uses the thing of that kind and name, as `service chat`, `experiment chat-model`, …
#[must_use]
pub fn users(model: &Model, kind: Kind, key: &Key) -> Vec<String> {
    let by_service = model
        .services
        .values()
        .filter(|service| kind == Kind::Cluster && service.design.default_cluster == *key)
        .map(|service| format!("service `{}`", service.key));
    let names = |experiment: &Experiment| match kind {
        Kind::Cluster => experiment.design.clusters().any(|cluster| cluster == key),
        Kind::Service => experiment.design.services.contains(key),
        Kind::Layer => experiment.design.layer == *key,
        Kind::Experiment => false,
    };
    let by_experiment = model
        .experiments
        .values()
        .filter(|experiment| names(experiment))
        .map(|experiment| format!("experiment `{}`", experiment.key));
    by_service.chain(by_experiment).collect()
}

/// Everything that must hold in a model, whoever made it.
///
/// # Errors
/// The first [`Conflict`].
pub fn check(model: &Model) -> Result<(), Box<Conflict>> {
    references(model)?;
    buckets(model)?;
    requests(model)?;
    routes(model)?;
    units(model)
}

fn references(model: &Model) -> Result<(), Box<Conflict>> {
    let cluster = |key: &Key| model.clusters.contains_key(key);
    for (key, service) in &model.services {
        if !cluster(&service.design.default_cluster) {
            let mut faults = Faults::default();
            service_refers(model, &(&service.design).into(), &mut faults);
            return Err(dangling(Kind::Service, key, faults));
        }
    }
    for (key, experiment) in &model.experiments {
        let design = &experiment.design;
        let mut services = design.services.iter();
        let complete = model.layers.contains_key(&design.layer)
            && services.all(|service| model.services.contains_key(service))
            && design.clusters().all(cluster);
        if !complete {
            let mut faults = Faults::default();
            experiment_refers(model, &design.into(), &mut faults);
            return Err(dangling(Kind::Experiment, key, faults));
        }
    }
    Ok(())
}

fn dangling(kind: Kind, key: &Key, faults: Faults) -> Box<Conflict> {
    let key = key.clone();
    Box::new(Conflict::Dangling { kind, key, faults })
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
