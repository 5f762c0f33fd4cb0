//! Kill switches: `disable` and `enable` of an experiment, of a layer, and of the installation.

use super::AppState;
use super::documents::change_document;
use super::error::Problem;
use super::request::{Terms, Write};
use super::settings::settings_key;
use crate::model::Kind;
use crate::model::change::Change;
use crate::model::switch::Switch;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;

/// `POST {kind}/disable` and `POST {kind}/enable`, wherever there is a switch.
pub(super) fn routes() -> Router<AppState> {
    [Switch::Disable, Switch::Enable]
        .into_iter()
        .fold(Router::new(), |router, switch| {
            let word = switch.as_str();
            let one = |kind| {
                post(move |api: State<AppState>, write: Write| async move {
                    let change = Change::Switch(kind, write.key, switch);
                    change_document(&api, write.terms, change).await
                })
            };
            let all = move |api: State<AppState>, terms: Terms| all(api, terms, switch);
            router
                .route(
                    &format!("/v1/experiments/{{key}}/{word}"),
                    one(Kind::Experiment),
                )
                .route(&format!("/v1/layers/{{key}}/{word}"), one(Kind::Layer))
                .route(&format!("/v1/settings/{word}"), post(all))
        })
}

async fn all(
    State(api): State<AppState>,
    terms: Terms,
    switch: Switch,
) -> Result<Response, Problem> {
    let change = Change::Switch(Kind::Settings, settings_key()?, switch);
    change_document(&api, terms, change).await
}
