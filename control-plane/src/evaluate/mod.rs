//! What would become of a request: described by a person, evaluated by the engine on the very
//! configuration that proxies get. Pure. Here are the choice of fleet and the answer; how a request
//! is written is in `request_spec`, what the engine asks of it in `described`, and what it brings
//! along in `brought`.

mod brought;
mod described;
mod request_spec;
mod simulate;
#[cfg(test)]
mod tests;

pub use request_spec::RequestSpec;
pub use simulate::{Outside, Share, Simulation, SimulationSpec, simulate};

use crate::model::key::{KEY_RULE, Key};
use crate::model::service::{DEFAULT_FLEET, Listener};
use crate::model::{Experiment, Faults, Model};
use crate::resources;
use brought::Brought;
use described::Described;
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;
use watershed_engine::explain::Explanation;
use watershed_engine::{CompileError, Plan, Request, Service};

/// What becomes of a request, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The fleet whose proxies decide so.
    pub fleet: Key,
    /// The slice of it, where those are of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<Key>,
    /// The version of the configuration that decides.
    pub config_version: String,
    /// The time that the request is at.
    pub time: Timestamp,
    /// The request's host.
    pub host: Option<String>,
    /// The request's path and query.
    pub path: String,
    /// What the engine saw. Its `service` is empty where no service takes the request.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// What else explains it: experiments that are not served, tokens that are ignored.
    pub notes: Vec<String>,
}

/// Why a request is not evaluated.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// It is not described well.
    #[error(transparent)]
    Invalid(#[from] Faults),
    /// The model makes no configuration: a fault of ours, since it was checked.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Evaluates the request that `spec` describes, at the time `now` where it names no other.
///
/// # Errors
/// [`EvaluateError`], with every fault of the description.
pub fn evaluate(
    model: &Model,
    spec: &RequestSpec,
    now: Timestamp,
) -> Result<Evaluation, EvaluateError> {
    let mut faults = Faults::default();
    let experiment = experiment(model, spec, &mut faults);
    let fleet = fleet(model, spec, experiment, &mut faults);
    let slice = slice(spec, experiment, &mut faults);
    let listener = listener(spec, &mut faults);
    let described = spec.describe(model, experiment, now, &mut faults);
    let ((fleet, slice), (listener, described)) =
        faults.or(fleet.zip(slice).zip(listener.zip(described)))?;
    let part = (fleet, slice.as_ref());
    let config = resources::filter_config_of(model, part, listener.as_ref());
    let plan = Plan::compile(&config)?;
    let mut evaluation = Evaluation {
        fleet: fleet.clone(),
        slice,
        config_version: plan.version().to_owned(),
        time: described.time,
        host: described.host.clone(),
        path: described.path.clone(),
        explanation: Explanation::default(),
        notes: Vec::new(),
    };
    let pairs = described.pairs();
    let headers = watershed_engine::Headers::new(&pairs);
    if let Some(service) = plan.service_of(headers) {
        evaluation.explain(model, &plan, service, &described, headers);
    }
    Ok(evaluation)
}

impl Evaluation {
    fn explain(
        &mut self,
        model: &Model,
        plan: &Plan,
        service: &Service,
        described: &Described,
        headers: watershed_engine::Headers<'_>,
    ) {
        let now_ms = described.time.as_millisecond();
        let brought = Brought::read(plan, service, headers, now_ms);
        let around = described.around(plan, &brought.pins);
        let request = Request::within(headers, plan.attributes(), &around);
        self.explanation = plan.explain(service, &request, now_ms);
        self.notes = brought.ignored;
        self.notes.extend(around.notes());
        self.notes
            .extend(absent(model, service, self.slice.as_ref()));
    }
}

/// The experiments of the service that no proxy knows, and those that are sent switched off.
fn absent(model: &Model, service: &Service, slice: Option<&Key>) -> Vec<String> {
    let covers = |it: &&Experiment| it.design.services.iter().any(|key| *key == *service.key());
    let all = model.experiments.values().map(AsRef::as_ref);
    let here = all.filter(|it: &&Experiment| it.design.services.is_empty() || covers(it));
    here.filter_map(|it| {
        let key = &it.key;
        if !it.state.is_served() {
            return Some(format!(
                "experiment `{key}` is {}: no proxy knows it",
                it.state
            ));
        }
        if !it.design.is_on(slice) {
            let slices: Vec<&str> = it.design.slices.iter().map(Key::as_str).collect();
            let slices = slices.join(", ");
            return Some(format!(
                "experiment `{key}` is on proxies of other slices: {slices}"
            ));
        }
        let requires = it.design.requires.iter().filter(|r| !r.not);
        let mut required = requires.filter_map(|r| model.experiments.get(&r.experiment));
        let unserved = required.find(|required| !required.is_served_on(slice))?;
        let why = match unserved.state.is_served() {
            true => "on proxies of other slices".to_owned(),
            false => unserved.state.to_string(),
        };
        Some(format!(
            "experiment `{key}` is off: it requires `{}`, which is {why}",
            unserved.key
        ))
    })
    .collect()
}

fn experiment<'a>(
    model: &'a Model,
    spec: &RequestSpec,
    faults: &mut Faults,
) -> Option<&'a Experiment> {
    let name = spec.experiment.as_deref()?;
    let found = model.experiments.get(name);
    if found.is_none() {
        let shown: String = name.escape_debug().take(64).collect();
        let message = format!("there is no experiment `{shown}`");
        faults.add("/experiment", message, "an experiment that exists");
    }
    found.map(AsRef::as_ref)
}

/// The fleet that is named, that of the experiment's first service, or the only one.
fn fleet<'a>(
    model: &'a Model,
    spec: &RequestSpec,
    experiment: Option<&Experiment>,
    faults: &mut Faults,
) -> Option<&'a Key> {
    let fleets = model.fleets();
    if let Some(name) = &spec.fleet {
        let found = fleets.iter().find(|key| *key.as_str() == **name).copied();
        if found.is_none() {
            let known: Vec<&str> = fleets.iter().map(|key| key.as_str()).collect();
            let expected = format!("a fleet of the model: {}", known.join(", "));
            faults.add("/fleet", "there is no such fleet", expected);
        }
        return found;
    }
    let service = experiment.and_then(|it| it.design.services.first());
    let service = service.and_then(|key| model.services.get(key));
    let of_service = service.and_then(|service| service.design.fleets.first());
    let usual = of_service.map_or(DEFAULT_FLEET, Key::as_str);
    let only = fleets.first().filter(|_| fleets.len() == 1);
    let usual = fleets.iter().find(|key| key.as_str() == usual);
    let found = usual.or(only).copied();
    if found.is_none() {
        let message = "is missing, and there is no fleet `default`";
        faults.add("/fleet", message, "the fleet that serves the request");
    }
    found
}

/// The slice that is named, else the first one of the experiment, else none.
fn slice(
    spec: &RequestSpec,
    experiment: Option<&Experiment>,
    faults: &mut Faults,
) -> Option<Option<Key>> {
    let Some(name) = &spec.slice else {
        let of_experiment = experiment.and_then(|it| it.design.slices.first());
        return Some(of_experiment.cloned());
    };
    let read = Key::try_new(name);
    if let Err(bad) = &read {
        let message = format!("`{}` is not a key", bad.shown);
        faults.add("/slice", message, KEY_RULE);
    }
    read.ok().map(Some)
}

fn listener(spec: &RequestSpec, faults: &mut Faults) -> Option<Option<Listener>> {
    let Some(text) = &spec.listener else {
        return Some(None);
    };
    let read = text.parse::<std::net::SocketAddr>().ok();
    if read.is_none() {
        let expected = "an address and a port, as `0.0.0.0:10000`";
        faults.add("/listener", "is not a listener", expected);
    }
    read.map(|read| {
        Some(Listener {
            address: read.ip(),
            port: read.port(),
        })
    })
}
