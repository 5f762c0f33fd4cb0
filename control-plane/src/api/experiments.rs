//! What only experiments have: weights, the steps of their life, and a new split on purpose.

use super::AppState;
use super::documents::change_document;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::request::{Parameters, Write};
use crate::auth::Role;
use crate::model::change::Change;
use crate::model::document::{Document, ExperimentBody};
use crate::model::lifecycle::Action;
use crate::model::weights::WeightsSpec;
use axum::extract::State;
use axum::response::Response;

/// What only experiments can do.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let steps = [
        (Action::Start, "Assigns units from now on"),
        (Action::Pause, "Assigns nobody until it is resumed"),
        (Action::Resume, "Assigns units again"),
        (Action::Rollback, "Gives everybody the fallback variant"),
    ];
    let mut endpoints: Vec<Endpoint> = steps.into_iter().map(step).collect();
    let path = "/v1/experiments/{key}/weights";
    let weigh = Endpoint::new(Verb::Patch, path, Role::Operator, weights).body::<WeightsSpec>();
    let says = "Gives the variants new weights; a variant that grows keeps its units";
    endpoints.push(documented(weigh, "weigh_experiment".to_owned(), says));
    let path = "/v1/experiments/{key}/reshuffle";
    let reshuffle = Endpoint::new(Verb::Post, path, Role::Operator, reshuffle);
    let says = "Gives every unit its variant anew, with another salt";
    endpoints.push(documented(
        reshuffle,
        "reshuffle_experiment".to_owned(),
        says,
    ));
    endpoints
}

fn documented(endpoint: Endpoint, id: String, summary: &'static str) -> Endpoint {
    endpoint
        .says("experiments", id, summary)
        .query::<Parameters>()
        .precondition()
        .answers_tagged::<Document<ExperimentBody>>(200, "The experiment as it is now.")
}

/// `POST /v1/experiments/{key}/{action}`
fn step((action, summary): (Action, &'static str)) -> Endpoint {
    let path = format!("/v1/experiments/{{key}}/{}", action.as_str());
    let act = move |State(api): State<AppState>, write: Write| async move {
        let change = Change::Act(write.key, action);
        change_document(&api, write.terms, change).await
    };
    let id = format!("{}_experiment", action.as_str());
    documented(
        Endpoint::new(Verb::Post, path, Role::Operator, act),
        id,
        summary,
    )
}

/// `PATCH /v1/experiments/{key}/weights`
async fn weights(
    State(api): State<AppState>,
    write: Write,
    Input(weights): Input<WeightsSpec>,
) -> Result<Response, Problem> {
    let change = Change::Weights(write.key, weights);
    change_document(&api, write.terms, change).await
}

/// `POST /v1/experiments/{key}/reshuffle`
async fn reshuffle(State(api): State<AppState>, write: Write) -> Result<Response, Problem> {
    let change = Change::Reshuffle(write.key);
    change_document(&api, write.terms, change).await
}
