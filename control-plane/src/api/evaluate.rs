//! `POST /v1/evaluate`: what would become of a request, and why. It changes nothing: who may
//! read may ask.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use crate::auth::Role;
use crate::evaluate::{EvaluateError, Evaluation, RequestSpec, evaluate};
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

/// What would become of a request.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(Verb::Post, "/v1/evaluate", Role::Viewer, post)
        .says(
            "evaluate",
            "evaluate",
            "What would become of a request, and why",
        )
        .body::<RequestSpec>()
        .answers::<Map<String, Value>>(200, "What the filter would do, step by step.")
}

/// `POST /v1/evaluate`
async fn post(
    State(api): State<AppState>,
    Input(spec): Input<RequestSpec>,
) -> Result<Json<Evaluation>, Problem> {
    let (model, now) = (api.control.model(), (api.clock)());
    // Compiling a large model takes a moment that other requests must not wait for.
    let evaluated = tokio::task::spawn_blocking(move || evaluate(&model, &spec, now)).await;
    match evaluated.map_err(|_| Problem::internal())? {
        Ok(evaluation) => Ok(Json(evaluation)),
        Err(EvaluateError::Invalid(faults)) => Err(Problem::invalid(faults)),
        Err(EvaluateError::Compile(fault)) => {
            tracing::error!(%fault, "the model makes no configuration");
            Err(Problem::internal())
        }
    }
}
