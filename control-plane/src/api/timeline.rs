//! `GET /v1/experiments/{key}/timeline`: what happened in each minute, by variant.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::outcomes::{desk, unanswered};
use super::request::{Asked, Name};
use crate::auth::Role;
use crate::model::{Key, Kind};
use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use watershed_evidence::sketch::Sketch;
use watershed_evidence::store::{Minute, Span};

/// What is shown where nothing is said.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The longest span.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Unknown parameters are refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimelineQuery {
    /// From the minute of this time; an hour before `to` where not given.
    from: Option<Timestamp>,
    /// Before this time; now where not given. At most seven days later.
    to: Option<Timestamp>,
}

/// The answer.
#[derive(Serialize, JsonSchema)]
struct Timeline {
    experiment: Key,
    from: Timestamp,
    to: Timestamp,
    /// By time, and for each minute by variant; a minute without requests is left out.
    minutes: Vec<ShownMinute>,
}

/// A minute of a variant.
#[derive(Serialize, JsonSchema)]
struct ShownMinute {
    at: Timestamp,
    /// The variant that requests were given.
    variant: String,
    /// Requests that reached an upstream.
    requests: u64,
    /// Those that failed.
    errors: u64,
    /// Their share.
    error_rate: f64,
    /// Requests that Envoy answered itself.
    execution_failures: u64,
    /// Durations in milliseconds.
    latency_ms: Quantiles,
    /// Times to the first byte in milliseconds.
    ttfb_ms: Quantiles,
}

/// Quantiles, to 1% of each; nothing where there is no value.
#[derive(Serialize, JsonSchema)]
struct Quantiles {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

pub(super) fn endpoint() -> Endpoint {
    let path = "/v1/experiments/{key}/timeline";
    Endpoint::new(Verb::Get, path, Role::Viewer, get)
        .says(
            "evidence",
            "get_timeline",
            "Requests, errors and latency of each minute, by variant",
        )
        .query::<TimelineQuery>()
        .answers::<Timeline>(200, "The minutes that had requests.")
}

async fn get(
    State(api): State<AppState>,
    Name(key): Name,
    Asked(query): Asked<TimelineQuery>,
) -> Result<Json<Timeline>, Problem> {
    let model = api.control.model();
    if !model.experiments.contains_key(&key) {
        return Err(missing(Kind::Experiment, &key));
    }
    let to = query.to.unwrap_or((api.clock)());
    let hour_before = || to.saturating_sub(HOUR).unwrap_or(Timestamp::MIN);
    let from = query.from.unwrap_or_else(hour_before);
    if from >= to || to.duration_since(from) > LONGEST {
        let detail = "in the query, `from` is not before `to`, or more than seven days before";
        return Err(Problem::malformed(detail));
    }
    let desk = desk(&api)?;
    desk.catch_up(&model).await.map_err(unanswered)?;
    let span = Span {
        from: from.as_microsecond(),
        to: to.as_microsecond(),
    };
    let minutes = desk.store.timeline(key.as_str(), span).await;
    let minutes = minutes.map_err(unanswered)?;
    Ok(Json(Timeline {
        experiment: key,
        from,
        to,
        minutes: minutes.iter().filter_map(ShownMinute::of).collect(),
    }))
}

impl ShownMinute {
    fn of(minute: &Minute) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "requests of a minute")]
        let error_rate = match minute.requests {
            0 => 0.0,
            requests => minute.errors as f64 / requests as f64,
        };
        Some(Self {
            at: Timestamp::from_microsecond(minute.at).ok()?,
            variant: minute.variant.clone(),
            requests: minute.requests,
            errors: minute.errors,
            error_rate,
            execution_failures: minute.execution_failures,
            latency_ms: Quantiles::of(&minute.latency),
            ttfb_ms: Quantiles::of(&minute.ttfb),
        })
    }
}

impl Quantiles {
    fn of(sketch: &Sketch) -> Self {
        Self {
            p50: sketch.quantile(0.5),
            p95: sketch.quantile(0.95),
            p99: sketch.quantile(0.99),
        }
    }
}
