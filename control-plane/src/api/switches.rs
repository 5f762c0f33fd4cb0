//! Kill switches: `disable` and `enable` of an experiment, of a layer, and of the installation.

use super::AppState;
use super::documents::change_document;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::request::{Terms, Write};
use super::settings::settings_key;
use crate::auth::Role;
use crate::model::Kind;
use crate::model::change::Change;
use crate::model::document::{Document, ExperimentBody, SpecBody};
use crate::model::layer::LayerSpec;
use crate::model::settings::SettingsSpec;
use crate::model::switch::Switch;
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;

/// `POST …/disable` and `POST …/enable`, wherever there is a switch.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let both = [Switch::Disable, Switch::Enable].into_iter();
    both.flat_map(|switch| {
        [
            one::<ExperimentBody>(Kind::Experiment, "experiments", switch),
            one::<SpecBody<LayerSpec>>(Kind::Layer, "layers", switch),
            everything(switch),
        ]
    })
    .collect()
}

fn one<B: JsonSchema>(kind: Kind, tag: &'static str, switch: Switch) -> Endpoint {
    let path = format!("/v1/{kind}s/{{key}}/{}", switch.as_str());
    let throw = move |State(api): State<AppState>, write: Write| async move {
        let change = Change::Switch(kind, write.key, switch);
        change_document(&api, write.terms, change).await
    };
    let least = match (kind, switch) {
        (Kind::Experiment, Switch::Disable) => Role::Editor,
        _ => Role::Operator,
    };
    let endpoint = Endpoint::new(Verb::Post, path, least, throw);
    documented::<B>(endpoint, kind, tag, switch)
}

fn everything(switch: Switch) -> Endpoint {
    let path = format!("/v1/settings/{}", switch.as_str());
    let throw = move |api: State<AppState>, terms: Terms| throw_all(api, terms, switch);
    let endpoint = Endpoint::new(Verb::Post, path, Role::Operator, throw);
    documented::<SpecBody<SettingsSpec>>(endpoint, Kind::Settings, "settings", switch)
        .answers_tagged::<Document<SpecBody<SettingsSpec>>>(201, "It is the first that they say.")
}

fn documented<B: JsonSchema>(
    endpoint: Endpoint,
    kind: Kind,
    tag: &'static str,
    switch: Switch,
) -> Endpoint {
    let summary = match switch {
        Switch::Disable => "Throws the kill switch: nobody is assigned",
        Switch::Enable => "Takes the kill switch back",
    };
    endpoint
        .says(tag, format!("{}_{kind}", switch.as_str()), summary)
        .changes()
        .answers_tagged::<Document<B>>(200, "The document as it is now.")
}

async fn throw_all(
    State(api): State<AppState>,
    terms: Terms,
    switch: Switch,
) -> Result<Response, Problem> {
    let change = Change::Switch(Kind::Settings, settings_key()?, switch);
    change_document(&api, terms, change).await
}
