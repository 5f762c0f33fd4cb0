//! `GET /v1/experiments/{key}/status`: what each proxy of each fleet has accepted. Who is connected
//! is known elsewhere; here it is asked for and shown.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::request::Name;
use crate::auth::Role;
use crate::model::decision::Decision;
use crate::model::lifecycle::State as Life;
use crate::model::{Experiment, Key, Kind, Model};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Who knows the proxies.
pub trait ProxyStatus: Send + Sync + 'static {
    /// The fleet's target and its proxies, by node.
    fn fleet(&self, fleet: &str) -> FleetState;
}

/// A fleet as it is right now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FleetState {
    /// The version of the filter configuration that its proxies should have; empty for none.
    pub version: String,
    /// Its proxies, connected or known from before.
    pub proxies: Vec<ProxyState>,
}

/// One proxy as it is right now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProxyState {
    /// Its `node.id`.
    pub node: String,
    /// Since when it is connected; absent where it is not.
    pub connected_since: Option<Timestamp>,
    /// The last version of the fleet's that it has accepted all of.
    pub version: Option<String>,
    /// The version it was sent last.
    pub sent: Option<String>,
    /// Whether it has accepted all that the fleet's version means for it.
    pub in_sync: bool,
    /// Its refusal of anything we sent, where it has not accepted something newer since.
    pub refusal: Option<Refusal>,
}

/// A version that a proxy did not take.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Refusal {
    /// What it was of: `CDS`, `EDS`, `LDS`, `RDS` or `ECDS`.
    pub r#type: String,
    /// The version.
    pub version: String,
    /// What the proxy said.
    pub message: String,
    /// When it said so.
    pub at: Timestamp,
}

/// The answer.
#[derive(Serialize, JsonSchema)]
struct Status {
    experiment: Key,
    revision: u64,
    state: Life,
    /// What was decided, once it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    /// The day by which it shall be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_date: Option<Date>,
    /// Whether that day is past, in UTC, and nothing is decided.
    overdue: bool,
    weights: BTreeMap<Key, u32>,
    fleets: BTreeMap<Key, FleetReport>,
}

#[derive(Serialize, JsonSchema)]
struct FleetReport {
    version: String,
    connected: usize,
    acknowledged: usize,
    refused: usize,
    in_sync: bool,
    proxies: Vec<ProxyReport>,
}

#[derive(Serialize, JsonSchema)]
struct ProxyReport {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_since: Option<Timestamp>,
    version: Option<String>,
    sent: Option<String>,
    in_sync: bool,
    refusal: Option<Refusal>,
}

/// How far an experiment has come.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Get, "/v1/experiments/{key}/status", Role::Viewer, get)
        .says(
            "experiments",
            "get_experiment_status",
            "What each proxy has accepted of an experiment",
        )
        .answers::<Status>(200, "Its state, and its fleets.")
}

/// `GET /v1/experiments/{key}/status`
async fn get(State(api): State<AppState>, Name(key): Name) -> Result<Json<Status>, Problem> {
    let model = api.control.model();
    let experiment = model.experiments.get(&key);
    let experiment = experiment.ok_or_else(|| missing(Kind::Experiment, &key))?;
    let fleets = fleets(&model, experiment)
        .into_iter()
        .map(|fleet| (fleet.clone(), report(api.proxies.fleet(fleet.as_str()))));
    let weights = experiment
        .variants()
        .map(|v| (v.design.key.clone(), v.design.weight));
    Ok(Json(Status {
        experiment: key,
        revision: experiment.meta.revision,
        state: experiment.state,
        decision: experiment.decision.clone(),
        decision_date: experiment.design.decision_date,
        overdue: experiment.is_overdue((api.clock)()),
        weights: weights.collect(),
        fleets: fleets.collect(),
    }))
}

/// The fleets of the services that the experiment is in.
fn fleets<'a>(model: &'a Model, experiment: &Experiment) -> BTreeSet<&'a Key> {
    let covered = model
        .services
        .values()
        .filter(|service| experiment.design.covers(&service.key));
    covered.flat_map(|service| &service.design.fleets).collect()
}

/// A fleet is in sync when it has proxies and each connected one accepted the fleet's version.
/// Nobody there proves nothing.
fn report(fleet: FleetState) -> FleetReport {
    let proxies: Vec<ProxyReport> = fleet
        .proxies
        .into_iter()
        .map(|proxy| ProxyReport {
            in_sync: proxy.in_sync,
            node: proxy.node,
            connected_since: proxy.connected_since,
            version: proxy.version,
            sent: proxy.sent,
            refusal: proxy.refusal,
        })
        .collect();
    let here = || proxies.iter().filter(|p| p.connected_since.is_some());
    let connected = here().count();
    let acknowledged = here().filter(|proxy| proxy.in_sync).count();
    FleetReport {
        version: fleet.version,
        connected,
        acknowledged,
        refused: here().filter(|proxy| proxy.refusal.is_some()).count(),
        in_sync: connected > 0 && acknowledged == connected,
        proxies,
    }
}
