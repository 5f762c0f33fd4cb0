//! Tests of the model as a whole: what is refused and how, what a change does, and the laws that
//! hold whatever is changed.

mod changes;
mod documents;
mod experiments;
mod laws;
mod life;
mod metrics;
mod moving_in;
mod relations;
mod rich;
mod slices;
mod specs;
mod upstreams;

use super::change::{self, Applied, Change, ModelError, Precondition, Spec};
use super::experiment_spec::ExperimentSpec;
use super::lifecycle::Action;
use super::weights::WeightsSpec;
use super::{Experiment, Faults, Key, Kind, Model};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn now() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

fn cluster(name: &str) -> Change {
    let spec = yaml("endpoints: [{address: 10.0.0.1, port: 80}]");
    Change::Put(key(name), Spec::Cluster(spec))
}

fn layer(name: &str) -> Change {
    Change::Put(key(name), Spec::Layer(yaml("{}")))
}

fn service(name: &str, spec: &str) -> Change {
    Change::Put(key(name), Spec::Service(yaml(spec)))
}

fn experiment(name: &str, spec: ExperimentSpec) -> Change {
    Change::Put(key(name), Spec::Experiment(Box::new(spec)))
}

/// A stamping experiment on the layer `models` with that much traffic.
fn stamping(traffic: u64) -> ExperimentSpec {
    let mut spec: ExperimentSpec = yaml(
        "
layer: models
owner: somebody
decision_date: 2026-03-31
unit: {type: user, sources: [{header: x-user}]}
variants: [{key: control, weight: 5000}, {key: candidate, weight: 5000}]
",
    );
    spec.traffic = traffic;
    spec
}

/// An experiment that routes the service `chat`.
fn routing(layer: &str, traffic: u64) -> ExperimentSpec {
    let mut spec = stamping(traffic);
    spec.layer = layer.to_owned();
    spec.services = vec!["chat".to_owned()];
    spec.variants[0].cluster = Some("stable-a".to_owned());
    spec.variants[1].cluster = Some("candidate-b".to_owned());
    spec
}

fn act(name: &str, action: Action) -> Change {
    Change::Act(key(name), action)
}

fn weights(name: &str, control: u64, candidate: u64) -> Change {
    let weights = WeightsSpec::from_iter([("control", control), ("candidate", candidate)]);
    Change::Weights(key(name), weights)
}

fn try_apply(model: &Model, change: &Change) -> Result<Applied, ModelError> {
    change::apply(model, change, Precondition::None, now())
}

fn apply(model: &Model, change: &Change) -> Model {
    try_apply(model, change).unwrap().model
}

fn refusal(model: &Model, change: &Change) -> ModelError {
    try_apply(model, change).unwrap_err()
}

fn faults(model: &Model, change: &Change) -> Vec<String> {
    match refusal(model, change) {
        ModelError::Invalid { faults, .. }
        | ModelError::Frozen { faults, .. }
        | ModelError::Unready { faults, .. } => lines(&faults),
        other => panic!("{other}"),
    }
}

fn lines(faults: &Faults) -> Vec<String> {
    let line = |fault: &super::Fault| {
        let super::Fault {
            pointer,
            message,
            expected,
        } = fault;
        format!("{pointer}: {message} (expected {expected})")
    };
    faults.iter().map(line).collect()
}

/// Two clusters, two layers and a service.
fn world() -> Model {
    [
        cluster("stable-a"),
        cluster("candidate-b"),
        layer("models"),
        layer("prompts"),
        service("chat", "default_cluster: stable-a"),
    ]
    .iter()
    .fold(Model::default(), |model, change| apply(&model, change))
}

fn get<'a>(model: &'a Model, name: &str) -> &'a Experiment {
    &model.experiments[&key(name)]
}
