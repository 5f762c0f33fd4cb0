//! Whether the server lives, whether it can take changes, and what it has counted.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use crate::auth::Role;
use crate::metrics::CONTENT_TYPE;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

/// Open, because what asks has no key: a kubelet, a Prometheus.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/healthz", Role::Viewer, live)
            .open()
            .says("about", "get_healthz", "Whether the process answers")
            .answers_text("text/plain", "It does."),
        Endpoint::new(Verb::Get, "/readyz", Role::Viewer, ready)
            .open()
            .says("about", "get_readyz", "Whether changes can be kept")
            .answers_text("text/plain", "They can."),
        Endpoint::new(Verb::Get, "/metrics", Role::Viewer, metrics)
            .open()
            .says("about", "get_metrics", "What was counted, for Prometheus")
            .answers_text("application/openmetrics-text", "The counters."),
    ]
}

/// `GET /healthz`: the process answers.
async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers too. The model was loaded before there was an API.
async fn ready(State(api): State<AppState>) -> Result<&'static str, Problem> {
    match api.control.ready().await {
        Ok(()) => Ok("ready\n"),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            Err(Problem::unavailable("the database does not answer"))
        }
    }
}

/// `GET /metrics`
async fn metrics(State(api): State<AppState>) -> Result<Response, Problem> {
    let text = api.metrics.encode().map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
