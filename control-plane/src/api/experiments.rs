//! What only experiments have: weights, the steps of their life, and a new split on purpose.

use super::AppState;
use super::documents::change_document;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::request::Write;
use crate::auth::Role;
use crate::model::change::Change;
use crate::model::decision::DecisionSpec;
use crate::model::document::{Document, ExperimentBody};
use crate::model::lifecycle::{self, Action};
use crate::model::weights::WeightsSpec;
use axum::extract::State;
use axum::response::Response;

/// What only experiments can do.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Action::ALL.into_iter().map(step).collect();
    let path = "/v1/experiments/{key}/weights";
    let weigh = Endpoint::new(Verb::Patch, path, Role::Editor, weights).body::<WeightsSpec>();
    let says = "Gives the variants new weights; a variant that grows keeps its units";
    endpoints.push(documented(weigh, "weigh_experiment".to_owned(), says));
    let path = "/v1/experiments/{key}/reshuffle";
    let reshuffle = Endpoint::new(Verb::Post, path, Role::Editor, reshuffle);
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
        .changes()
        .answers_tagged::<Document<ExperimentBody>>(200, "The experiment as it is now.")
}

/// `POST /v1/experiments/{key}/{action}`, for those who may take it from some state.
fn step(action: Action) -> Endpoint {
    let path = format!("/v1/experiments/{{key}}/{action}");
    let least = lifecycle::least_role(action);
    let endpoint = if action == Action::Decide {
        Endpoint::new(Verb::Post, path, least, decide).body::<DecisionSpec>()
    } else {
        let act = move |State(api): State<AppState>, write: Write| async move {
            let change = Change::Act(write.key, action);
            change_document(&api, write.terms, change).await
        };
        Endpoint::new(Verb::Post, path, least, act)
    };
    documented(endpoint, format!("{action}_experiment"), summary(action))
}

fn summary(action: Action) -> &'static str {
    match action {
        Action::Schedule => "Has a draft started at its `start`",
        Action::Unschedule => "Makes a scheduled experiment a draft again",
        Action::Internal => "Assigns units of the `internal` rule only",
        Action::Canary => "Assigns units of `canary_traffic` only",
        Action::Start => "Assigns units from now on",
        Action::Pause => "Assigns nobody until it is resumed",
        Action::Resume => "Goes on at the stage it was stopped at",
        Action::Rollback => "Gives everybody the fallback variant",
        Action::Decide => "Gives everybody one variant, and records that this was decided",
        Action::Archive => "Puts the experiment away for good and frees its buckets",
    }
}

/// `POST /v1/experiments/{key}/decide`
async fn decide(
    State(api): State<AppState>,
    write: Write,
    Input(decision): Input<DecisionSpec>,
) -> Result<Response, Problem> {
    let change = Change::Decide(write.key.clone(), decision);
    change_document(&api, write.terms, change).await
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
