//! `GET /v1/experiments/{key}/results`: what an experiment's evidence comes to. It is asked for and shown
//! here; what goes into it is [`crate::results`]'s, and the numbers are the statistics'.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::keys::unreadable;
use super::outcomes::{desk, unanswered};
use super::request::{Asked, Name};
use crate::auth::Role;
use crate::evidence::desk::Desk;
use crate::model::{Key, Kind};
use crate::results::{self, Found, LeftOut, Seen, UNITS, Wanted, phases};
use crate::store::Store;
use crate::store::audit::{Filter, Record};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watershed_evidence::StoreError;
use watershed_stats::results::{Method, Plan, Results, Telemetry, View};

/// The most changes of an experiment that are read.
const MOST_CHANGES: u32 = 10_000;

/// Unknown parameters are refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResultsQuery {
    /// The level over both sides and over all comparisons; 0.05 where not given.
    alpha: Option<f64>,
    /// How results are tested; `sequential`, which one may look at at any time, where not given.
    method: Option<Tested>,
    /// Units that are planned, over all variants.
    planned_units: Option<f64>,
}

/// How results are tested.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Tested {
    /// Confidence sequences: one may look at any time.
    Sequential,
    /// Mixture sequential probability ratio tests, tuned to each metric's `minimum_effect`: one may look at any time.
    Msprt,
    /// Welch's t, to be looked at once, when the planned units are in.
    Fixed,
}

/// The answer.
#[derive(Serialize, JsonSchema)]
struct Shown {
    experiment: Key,
    /// When it was computed.
    at: Timestamp,
    /// Entries that were kept and are not counted yet.
    behind: u64,
    /// Units by the variant that they were first given.
    units: BTreeMap<String, u64>,
    /// Units that were seen in another variant as well.
    contaminated: BTreeMap<String, u64>,
    /// What became of entries and outcomes.
    #[schemars(schema_with = "object")]
    counts: watershed_evidence::store::Counts,
    /// Units of which a request was given another variant, or answered by another cluster than the variant's.
    strayed: BTreeMap<String, u64>,
    /// What is not in the results, and why.
    left_out: LeftOut,
    /// Trust first, then metrics and guardrails; nothing before anybody was assigned.
    #[schemars(schema_with = "object_or_null")]
    results: Option<Results>,
    /// The second view, per protocol: the same without units that strayed. It does not decide, as who strays is
    /// not left to chance. Nothing where no unit strayed.
    served: Option<Served>,
}

/// The second view.
#[derive(Serialize, JsonSchema)]
struct Served {
    /// What is not in it, and why.
    left_out: LeftOut,
    /// As the results.
    #[schemars(schema_with = "object")]
    results: Results,
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

fn object_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["object", "null"]})
}

pub(super) fn endpoint() -> Endpoint {
    let path = "/v1/experiments/{key}/results";
    Endpoint::new(Verb::Get, path, Role::Viewer, get)
        .says(
            "evidence",
            "get_results",
            "What an experiment came to: trust, effects, intervals and verdicts",
        )
        .query::<ResultsQuery>()
        .answers::<Shown>(200, "Results as of now.")
}

async fn get(
    State(api): State<AppState>,
    Name(key): Name,
    Asked(query): Asked<ResultsQuery>,
) -> Result<Json<Shown>, Problem> {
    let plan = query.plan(api.accounts.threshold());
    let model = api.control.model();
    let experiment = model.experiments.get(&key);
    let experiment = experiment.ok_or_else(|| missing(Kind::Experiment, &key))?;
    let desk = desk(&api)?;
    desk.catch_up(&model).await.map_err(unanswered)?;
    let mut left_out = LeftOut::default();
    let wanted = results::wanted(&model, experiment, &mut left_out);
    let mut found = found(&desk, &key, &wanted).await.map_err(unanswered)?;
    let settled = api.accounts.settled(key.as_str());
    found.telemetry = settled.map(|it| Telemetry {
        counted: it.told,
        arrived: it.arrived,
    });
    let stretches = phases::stretches(&changes(&api.store, &key).await?);
    let now = (api.clock)();
    let of_view = |view, found: &Found, left_out: &mut LeftOut| {
        let seen = Seen {
            stretches: &stretches,
            view,
            now,
        };
        let asked = (plan.clone(), wanted.as_slice());
        let evidence = results::evidence(experiment, asked, seen, found, left_out);
        watershed_stats::results::of(&evidence).map_err(|it| Problem::malformed(it.to_string()))
    };
    let (mut results, mut served) = (None, None);
    if !stretches.is_empty() {
        results = Some(of_view(View::IntentToTreat, &found, &mut left_out)?);
        if let Some(found) = results::served(&found) {
            let mut left_out = LeftOut::default();
            let results = of_view(View::Served, &found, &mut left_out)?;
            served = Some(Served { left_out, results });
        }
    }
    let summary = found.summary;
    Ok(Json(Shown {
        experiment: key,
        at: now,
        behind: summary.behind,
        units: summary.units,
        contaminated: summary.contaminated,
        counts: summary.counts,
        strayed: summary.strayed,
        left_out,
        results,
        served,
    }))
}

async fn found(desk: &Desk, key: &Key, wanted: &[Wanted]) -> Result<Found, StoreError> {
    let mut sums = BTreeMap::new();
    let measures = wanted.iter().map(|it| it.key.as_str()).chain([UNITS]);
    for measure in measures {
        match desk.store.sufficient(key.as_str(), measure).await {
            Ok(sufficient) => drop(sums.insert(measure.to_owned(), sufficient)),
            // Said of the metric.
            Err(StoreError::UnknownMeasure(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Found {
        summary: desk.store.summary(key.as_str()).await?,
        sums,
        telemetry: None,
    })
}

/// The record of an experiment's changes, newest first.
async fn changes(store: &Store, key: &Key) -> Result<Vec<Record>, Problem> {
    let filter = Filter {
        kind: Some(Kind::Experiment.as_str().to_owned()),
        key: Some(key.to_string()),
        limit: MOST_CHANGES,
        ..Filter::default()
    };
    store.audit(&filter).await.map_err(unreadable)
}

impl ResultsQuery {
    fn plan(&self, telemetry_threshold: f64) -> Plan {
        let standard = Plan::default();
        Plan {
            alpha: self.alpha.unwrap_or(standard.alpha),
            method: match self.method {
                Some(Tested::Fixed) => Method::Fixed,
                Some(Tested::Msprt) => Method::Msprt,
                Some(Tested::Sequential) | None => Method::Sequential,
            },
            planned_units: self.planned_units,
            telemetry_threshold,
            ..standard
        }
    }
}
