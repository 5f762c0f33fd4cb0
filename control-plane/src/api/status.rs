//! `GET /v1/experiments/{key}/status`: what each proxy of each fleet has accepted. Who is connected
//! is known elsewhere (see [`super::fleets`]); here it is asked for and shown.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::fleets::{Accepted, FleetState, ProxyState, Refusal};
use super::request::Name;
use crate::auth::Role;
use crate::evidence::accounts::Telemetry;
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

/// The most proxies that are shown of a fleet.
const MAX_SHOWN: usize = 100;

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
    /// How much of its evidence arrived.
    telemetry: Telemetry,
}

#[derive(Serialize, JsonSchema)]
struct FleetReport {
    version: String,
    connected: usize,
    acknowledged: usize,
    refused: usize,
    in_sync: bool,
    /// The last version that all proxies had accepted at one time, those in no slice.
    accepted_by_all: Option<Accepted>,
    /// At most 100: first who refused, then who is behind. `/v1/fleets/{key}/proxies` has all.
    proxies: Vec<ProxyReport>,
}

#[derive(Serialize, JsonSchema)]
struct ProxyReport {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    slice: Option<Key>,
    connected_since: Timestamp,
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
        .map(|fleet| (fleet.clone(), report(api.proxies.fleet(fleet))));
    let weights = experiment
        .variants()
        .map(|v| (v.design.key.clone(), v.design.weight));
    let telemetry = api.accounts.telemetry(key.as_str());
    Ok(Json(Status {
        experiment: key,
        revision: experiment.meta.revision,
        state: experiment.state,
        decision: experiment.decision.clone(),
        decision_date: experiment.design.decision_date,
        overdue: experiment.is_overdue((api.clock)()),
        weights: weights.collect(),
        fleets: fleets.collect(),
        telemetry,
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

/// A fleet is in sync when it has proxies and each connected one accepted the newest version that is
/// meant for it. Nobody there proves nothing.
fn report(fleet: FleetState) -> FleetReport {
    let count =
        |counts: fn(&ProxyState) -> bool| fleet.proxies.iter().filter(|p| counts(p)).count();
    let connected = fleet.proxies.len();
    let acknowledged = count(|proxy| proxy.in_sync);
    let refused = count(|proxy| proxy.refusal.is_some());
    let version = fleet.version();
    let rest = fleet.snapshots.into_iter().find(|it| it.slice.is_none());
    let mut proxies = fleet.proxies;
    // Stable: within each, by node.
    proxies.sort_by_key(|proxy| (proxy.refusal.is_none(), proxy.in_sync));
    proxies.truncate(MAX_SHOWN);
    FleetReport {
        version,
        connected,
        acknowledged,
        refused,
        in_sync: connected > 0 && acknowledged == connected,
        accepted_by_all: rest.and_then(|it| it.accepted_by_all),
        proxies: proxies.into_iter().map(ProxyReport::from).collect(),
    }
}

impl From<ProxyState> for ProxyReport {
    fn from(proxy: ProxyState) -> Self {
        Self {
            node: proxy.node,
            slice: proxy.slice,
            connected_since: proxy.connected_since,
            version: proxy.version,
            sent: proxy.sent,
            in_sync: proxy.in_sync,
            refusal: proxy.refusal,
        }
    }
}
