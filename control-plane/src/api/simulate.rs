//! `POST /v1/simulate`: many made-up units through the plan that proxies have. It changes nothing: who
//! may read may ask.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use crate::auth::Role;
use crate::evaluate::{EvaluateError, Simulation, SimulationSpec, simulate};
use axum::Json;
use axum::extract::State;

/// How an experiment would split made-up units.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Post, "/v1/simulate", Role::Viewer, post)
        .says(
            "evaluate",
            "simulate",
            "How an experiment splits made-up units, beside how it should",
        )
        .body::<SimulationSpec>()
        .answers::<Simulation>(200, "How many got which variant.")
}

/// `POST /v1/simulate`
async fn post(
    State(api): State<AppState>,
    Input(spec): Input<SimulationSpec>,
) -> Result<Json<Simulation>, Problem> {
    let (model, now) = (api.control.model(), (api.clock)());
    let simulated = tokio::task::spawn_blocking(move || simulate(&model, &spec, now)).await;
    match simulated.map_err(|_| Problem::internal())? {
        Ok(simulation) => Ok(Json(simulation)),
        Err(EvaluateError::Invalid(faults)) => Err(Problem::invalid(faults)),
        Err(EvaluateError::Compile(fault)) => {
            tracing::error!(%fault, "the model makes no configuration");
            Err(Problem::internal())
        }
    }
}
