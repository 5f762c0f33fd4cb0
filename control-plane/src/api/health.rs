//! Whether the server lives, whether it can take changes, and what it has counted.

use super::AppState;
use super::error::Problem;
use crate::metrics::CONTENT_TYPE;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

/// `GET /healthz`: the process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers too. The model was loaded before there was an API.
pub(super) async fn ready(State(api): State<AppState>) -> Result<&'static str, Problem> {
    match api.control.ready().await {
        Ok(()) => Ok("ready\n"),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            Err(Problem::unavailable("the database does not answer"))
        }
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<AppState>) -> Result<Response, Problem> {
    let text = api.metrics.encode().map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
