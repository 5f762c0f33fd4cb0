//! What only experiments have: weights, the steps of their life, and a new split on purpose.

use super::AppState;
use super::documents::change_document;
use super::error::Problem;
use super::input::Input;
use super::request::Write;
use crate::model::change::Change;
use crate::model::lifecycle::Action;
use crate::model::weights::WeightsSpec;
use axum::extract::State;
use axum::response::Response;

/// `PATCH /v1/experiments/{key}/weights`
pub(super) async fn weights(
    State(api): State<AppState>,
    write: Write,
    Input(weights): Input<WeightsSpec>,
) -> Result<Response, Problem> {
    let change = Change::Weights(write.key.clone(), weights);
    change_document(&api, write.terms, change).await
}

/// `POST /v1/experiments/{key}/start`
pub(super) async fn start(api: State<AppState>, write: Write) -> Result<Response, Problem> {
    act(&api, write, Action::Start).await
}

/// `POST /v1/experiments/{key}/pause`
pub(super) async fn pause(api: State<AppState>, write: Write) -> Result<Response, Problem> {
    act(&api, write, Action::Pause).await
}

/// `POST /v1/experiments/{key}/resume`
pub(super) async fn resume(api: State<AppState>, write: Write) -> Result<Response, Problem> {
    act(&api, write, Action::Resume).await
}

/// `POST /v1/experiments/{key}/rollback`
pub(super) async fn rollback(api: State<AppState>, write: Write) -> Result<Response, Problem> {
    act(&api, write, Action::Rollback).await
}

async fn act(api: &AppState, write: Write, action: Action) -> Result<Response, Problem> {
    let change = Change::Act(write.key.clone(), action);
    change_document(api, write.terms, change).await
}

/// `POST /v1/experiments/{key}/reshuffle`: another salt, and every unit gets its variant anew.
pub(super) async fn reshuffle(
    State(api): State<AppState>,
    write: Write,
) -> Result<Response, Problem> {
    let change = Change::Reshuffle(write.key);
    change_document(&api, write.terms, change).await
}
