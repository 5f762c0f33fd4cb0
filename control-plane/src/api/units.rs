//! `DELETE /v1/units/{type}/{unit}`: a person's right to be forgotten. That it was asked for stays in the
//! audit, whom it was about does not.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::keys::{tail, unkept};
use super::outcomes::{desk, unanswered};
use super::request::Terms;
use crate::auth::Role;
use crate::evidence::report::MAX_UNIT;
use crate::model::Key;
use crate::store::audit::Event;
use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

/// What was forgotten.
#[derive(Serialize, JsonSchema)]
struct Forgotten {
    /// Raw exposures.
    exposures: u64,
    /// Outcomes.
    outcomes: u64,
    /// Experiments that it was in.
    experiments: u64,
}

pub(super) fn endpoint() -> Endpoint {
    let path = "/v1/units/{type}/{unit}";
    Endpoint::new(Verb::Delete, path, Role::Admin, forget)
        .says(
            "evidence",
            "forget_unit",
            "Forgets a unit: its exposures, outcomes and sums; counts of requests stay",
        )
        .acts()
        .answers::<Forgotten>(200, "What there was of it.")
}

async fn forget(
    State(api): State<AppState>,
    terms: Terms,
    Path((kind, unit)): Path<(String, String)>,
) -> Result<Json<Forgotten>, Problem> {
    let kind = Key::try_new(&kind);
    let kind = kind.map_err(|bad| Problem::malformed(format!("in the path, {bad}")))?;
    if unit.is_empty() || unit.len() > MAX_UNIT {
        let detail = format!("in the path, the unit is not of 1 to {MAX_UNIT} bytes");
        return Err(Problem::malformed(detail));
    }
    let desk = desk(&api)?;
    let key = desk.units.key(kind.as_str(), &unit);
    if terms.dry_run {
        let known = desk.store.unit(key).await.map_err(unanswered)?;
        let experiments = u64::try_from(known.len()).unwrap_or(u64::MAX);
        return Ok(Json(Forgotten {
            exposures: 0,
            outcomes: 0,
            experiments,
        }));
    }
    let forgotten = desk.store.forget(key).await.map_err(unanswered)?;
    let event = Event {
        at: (api.clock)(),
        author: terms.author,
        action: "forget".to_owned(),
        kind: "unit".to_owned(),
        key: kind.to_string(),
        revision: None,
        at_revision: api.control.model().revision,
        detail: Some(json!({"experiments": forgotten.experiments})),
        tail: tail()?,
    };
    api.store.record(&event).await.map_err(|it| unkept(&it))?;
    Ok(Json(Forgotten {
        exposures: forgotten.exposures,
        outcomes: forgotten.outcomes,
        experiments: forgotten.experiments,
    }))
}
