//! `/v1/settings`: the one document that is about the whole installation. It is always there: where
//! nobody has said anything, it says what is true then.

use super::AppState;
use super::documents::{change_document, show};
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::request::Terms;
use crate::auth::Role;
use crate::model::change::{Change, Spec};
use crate::model::document::{Document, SpecBody};
use crate::model::entry::Entry;
use crate::model::settings::{KEY, SettingsSpec};
use crate::model::{Key, Kind};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// The document of the whole installation.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let path = "/v1/settings";
    vec![
        Endpoint::new(Verb::Get, path, Role::Viewer, get)
            .says("settings", "get_settings", "The settings, without secrets")
            .answers_tagged::<Document<SpecBody<SettingsSpec>>>(200, "The document."),
        Endpoint::new(Verb::Put, path, Role::Admin, put)
            .says("settings", "put_settings", "Changes the settings")
            .changes()
            .body::<SettingsSpec>()
            .answers_tagged::<Document<SpecBody<SettingsSpec>>>(200, "They say this now.")
            .answers_tagged::<Document<SpecBody<SettingsSpec>>>(201, "They were said first."),
    ]
}

/// `GET /v1/settings`
async fn get(State(api): State<AppState>) -> Result<Response, Problem> {
    let key = settings_key()?;
    let said = api.control.model().entry(Kind::Settings, &key);
    let entry = said.unwrap_or_else(|| Entry::unset_settings(key));
    Ok(show(StatusCode::OK, &entry))
}

/// `PUT /v1/settings`
async fn put(
    State(api): State<AppState>,
    terms: Terms,
    Input(spec): Input<SettingsSpec>,
) -> Result<Response, Problem> {
    let change = Change::Put(settings_key()?, Spec::Settings(spec));
    change_document(&api, terms, change).await
}

/// The key of the one document.
pub(super) fn settings_key() -> Result<Key, Problem> {
    Key::try_new(KEY).map_err(|_| Problem::internal())
}
