//! `POST /v1/evaluate`: what would become of a request, and why. It changes nothing, so it is open as
//! reading is.

use super::AppState;
use super::error::Problem;
use super::input::Input;
use crate::evaluate::{EvaluateError, Evaluation, RequestSpec, evaluate};
use axum::Json;
use axum::extract::State;

/// `POST /v1/evaluate`
pub(super) async fn post(
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
