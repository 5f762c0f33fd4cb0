//! `GET /v1/fleets` and `GET /v1/fleets/{key}/proxies`: which proxies there are, what each was sent,
//! and what it accepted or refused. Who is connected is known elsewhere; here it is asked for and shown.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::request::Name;
use crate::auth::Role;
use crate::model::Key;
use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use http::request::Parts;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many things a page has where nobody says.
const DEFAULT_LIMIT: usize = 100;
/// The most that a page has.
pub(super) const MAX_LIMIT: usize = 1_000;

/// Who knows the proxies.
pub trait ProxyStatus: Send + Sync + 'static {
    /// A fleet's targets and its connected proxies, by node.
    fn fleet(&self, fleet: &Key) -> FleetState;

    /// The fleets that are described, and those that connected proxies say they are in.
    fn fleets(&self) -> BTreeSet<Key>;
}

/// A fleet as it is right now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FleetState {
    /// What its proxies should have: those in no slice first, then by slice. Empty where nothing
    /// describes the fleet and no proxy is in it.
    pub snapshots: Vec<SnapshotState>,
    /// Its connected proxies.
    pub proxies: Vec<ProxyState>,
}

impl FleetState {
    /// The version that proxies in no slice should have; empty for none.
    pub(super) fn version(&self) -> String {
        let rest = self.snapshots.iter().find(|it| it.slice.is_none());
        rest.and_then(|it| it.version.clone()).unwrap_or_default()
    }
}

/// What the proxies of a fleet, or of one slice of it, should have.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
pub struct SnapshotState {
    /// The slice; `null` for proxies in none.
    pub slice: Option<Key>,
    /// The version that they should have; `null` where nothing describes the fleet.
    pub version: Option<String>,
    /// The last version that all of them had accepted at one time, since the control plane started.
    pub accepted_by_all: Option<Accepted>,
}

/// A version that was accepted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Accepted {
    /// The version.
    pub version: String,
    /// When.
    pub at: Timestamp,
}

/// One proxy as it is right now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyState {
    /// Its `node.id`.
    pub node: String,
    /// The slice of the fleet that it is in.
    pub slice: Option<Key>,
    /// Since when it is connected.
    pub connected_since: Timestamp,
    /// The last version of which it has accepted all that it asks for.
    pub version: Option<String>,
    /// The version that was made ready for it last.
    pub sent: Option<String>,
    /// Whether it has accepted all that its newest version means for it.
    pub in_sync: bool,
    /// Its refusal of anything we sent, where it has not accepted something newer since.
    pub refusal: Option<Refusal>,
    /// Where it stands, by type; a proxy with a stream for each type has more than one of a type.
    pub types: Vec<TypeState>,
}

/// Where a proxy stands with one type on one stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TypeState {
    /// `CDS`, `EDS`, `LDS`, `RDS` or `ECDS`.
    pub r#type: &'static str,
    /// The version of what it asked for.
    pub target: Option<String>,
    /// The version that it was sent last.
    pub sent: Option<String>,
    /// When.
    pub sent_at: Option<Timestamp>,
    /// The version that it accepted last.
    pub acknowledged: Option<String>,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
    /// Whether it accepted its target.
    pub in_sync: bool,
    /// How often it accepted, on this stream.
    pub acks: u64,
    /// How often it refused, on this stream.
    pub nacks: u64,
    /// Its last refusal, healed or not.
    pub last_refusal: Option<Refusal>,
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

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Paging {
    /// The most things on the page: 1 to 1000, 100 where not given.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Which page of which proxies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProxyQuery {
    /// The most proxies on the page: 1 to 1000, 100 where not given.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only proxies that have (or have not) accepted their newest version.
    in_sync: Option<bool>,
}

/// A page of things in order, and where the next one begins.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
struct Page<T> {
    items: Vec<T>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct FleetSummary {
    key: Key,
    /// Whether any service names it. If not, its proxies are sent nothing: look for a typing error.
    described: bool,
    connected: usize,
    in_sync: usize,
    refused: usize,
    snapshots: Vec<SnapshotState>,
}

#[derive(Serialize, JsonSchema)]
struct ProxyDetail {
    node: String,
    slice: Option<Key>,
    connected_since: Timestamp,
    /// The last version of which it has accepted all that it asks for.
    version: Option<String>,
    in_sync: bool,
    types: Vec<TypeDetail>,
}

#[derive(Serialize, JsonSchema)]
struct TypeDetail {
    r#type: &'static str,
    target: Option<String>,
    sent: Option<String>,
    sent_at: Option<Timestamp>,
    acknowledged: Option<String>,
    acknowledged_at: Option<Timestamp>,
    /// How long it has had what it acknowledged last, in seconds.
    age_seconds: Option<i64>,
    in_sync: bool,
    acks: u64,
    nacks: u64,
    /// Its last refusal, healed or not.
    last_refusal: Option<Refusal>,
}

/// The fleets and their proxies.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/v1/fleets", Role::Viewer, list)
            .says("fleets", "list_fleets", "Every fleet, and how far it is")
            .query::<Paging>()
            .answers::<Page<FleetSummary>>(200, "The fleets, by key."),
        Endpoint::new(Verb::Get, "/v1/fleets/{key}/proxies", Role::Viewer, proxies)
            .says(
                "fleets",
                "list_proxies",
                "What each connected proxy was sent, accepted and refused",
            )
            .query::<ProxyQuery>()
            .answers::<Page<ProxyDetail>>(200, "The proxies, by node."),
    ]
}

async fn list(
    State(api): State<AppState>,
    Asked(asked): Asked<Paging>,
) -> Result<Json<Page<FleetSummary>>, Problem> {
    let keys = api.proxies.fleets().into_iter();
    let page = page(keys, &asked, |key| key.as_str())?;
    let model = api.control.model();
    let described = model.fleets();
    Ok(Json(Page {
        next: page.next,
        items: page
            .items
            .into_iter()
            .map(|key| {
                report(
                    described.contains(&key),
                    key.clone(),
                    api.proxies.fleet(&key),
                )
            })
            .collect(),
    }))
}

fn report(described: bool, key: Key, fleet: FleetState) -> FleetSummary {
    let count =
        |counts: fn(&ProxyState) -> bool| fleet.proxies.iter().filter(|p| counts(p)).count();
    FleetSummary {
        key,
        described,
        connected: fleet.proxies.len(),
        in_sync: count(|proxy| proxy.in_sync),
        refused: count(|proxy| proxy.refusal.is_some()),
        snapshots: fleet.snapshots,
    }
}

async fn proxies(
    State(api): State<AppState>,
    Name(key): Name,
    Asked(asked): Asked<ProxyQuery>,
) -> Result<Json<Page<ProxyDetail>>, Problem> {
    let fleet = api.proxies.fleet(&key);
    if fleet.snapshots.is_empty() {
        let detail = format!("no service names the fleet `{key}`, and no proxy is in it");
        return Err(Problem::not_found(detail));
    }
    let wanted = |proxy: &ProxyState| asked.in_sync.is_none_or(|wanted| proxy.in_sync == wanted);
    let paging = Paging {
        limit: asked.limit,
        cursor: asked.cursor,
    };
    let proxies = fleet.proxies.into_iter().filter(wanted);
    let page = page(proxies, &paging, |proxy| &proxy.node)?;
    let now = (api.clock)();
    let items = page.items.into_iter();
    Ok(Json(Page {
        next: page.next,
        items: items.map(|proxy| proxy_report(proxy, now)).collect(),
    }))
}

fn proxy_report(proxy: ProxyState, now: Timestamp) -> ProxyDetail {
    ProxyDetail {
        node: proxy.node,
        slice: proxy.slice,
        connected_since: proxy.connected_since,
        version: proxy.version,
        in_sync: proxy.in_sync,
        types: proxy
            .types
            .into_iter()
            .map(|state| type_report(state, now))
            .collect(),
    }
}

fn type_report(state: TypeState, now: Timestamp) -> TypeDetail {
    let age = |at: Timestamp| now.duration_since(at).as_secs().max(0);
    TypeDetail {
        r#type: state.r#type,
        target: state.target,
        sent: state.sent,
        sent_at: state.sent_at,
        age_seconds: state.acknowledged_at.map(age),
        acknowledged: state.acknowledged,
        acknowledged_at: state.acknowledged_at,
        in_sync: state.in_sync,
        acks: state.acks,
        nacks: state.nacks,
        last_refusal: state.last_refusal,
    }
}

/// The page that was asked for of `things`, which are in the order of their names. Things of one name
/// stay on one page.
fn page<T>(
    things: impl Iterator<Item = T>,
    asked: &Paging,
    name: impl Fn(&T) -> &str,
) -> Result<Page<T>, Problem> {
    let limit = match asked.limit {
        None => Some(DEFAULT_LIMIT),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit)),
    };
    let limit = limit
        .ok_or_else(|| Problem::malformed(format!("in the query, limit: not 1 to {MAX_LIMIT}")))?;
    let after = asked.cursor.as_deref();
    let mut rest = things
        .skip_while(|thing| after.is_some_and(|after| name(thing) <= after))
        .peekable();
    let mut items: Vec<T> = rest.by_ref().take(limit).collect();
    while let Some(twin) = rest.next_if(|thing| items.last().map(&name) == Some(name(thing))) {
        items.push(twin);
    }
    let more = rest.peek().is_some();
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| name(last).to_owned());
    Ok(Page { items, next })
}

/// The query, read strictly.
struct Asked<T>(T);

impl<T: for<'de> Deserialize<'de>, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = query
            .map_err(|error| Problem::malformed(format!("in the query, {}", error.body_text())))?;
        Ok(Self(asked))
    }
}
