//! `POST /v1/experiments/{key}/force`: a token that gives its bearer one variant, for testing. It
//! changes no model, and still is for those who may write.

use super::AppState;
use super::documents::missing;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::keys::{tail, unkept};
use super::preview;
use super::request::Write;
use crate::auth::Role;
use crate::model::duration::Seconds;
use crate::model::settings::{ForceSpec, SettingsDesign, SettingsSpec};
use crate::model::{Experiment, Faults, Key, Kind};
use crate::store::audit::Event;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use watershed_engine::{Force, Keys};

/// The longest life of a token.
const MAX_LIFE: Seconds = Seconds::days(30);

/// What is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForceRequest {
    /// The variant.
    variant: String,
    /// How long the token counts, as `1h`.
    #[serde(default = "an_hour")]
    expires: String,
}

fn an_hour() -> String {
    "1h".to_owned()
}

/// The token, and where to put it.
#[derive(Serialize, JsonSchema)]
struct Forced {
    token: String,
    experiment: Key,
    variant: String,
    expires_at: Timestamp,
    /// Where proxies read it: any of these.
    places: ForceSpec,
}

/// A token for one variant.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(
        Verb::Post,
        "/v1/experiments/{key}/force",
        Role::Editor,
        post,
    )
    .says(
        "experiments",
        "force_experiment",
        "Signs a token that gives its bearer one variant",
    )
    .acts()
    .body::<ForceRequest>()
    .answers::<Forced>(200, "The token, and where to put it.")
}

/// `POST /v1/experiments/{key}/force`
async fn post(
    State(api): State<AppState>,
    write: Write,
    Input(request): Input<ForceRequest>,
) -> Result<Response, Problem> {
    let model = api.control.model();
    let experiment = model.experiments.get(&write.key);
    let experiment = experiment.ok_or_else(|| missing(Kind::Experiment, &write.key))?;
    let life = request.validate(experiment).map_err(Problem::invalid)?;
    let settings = model.settings();
    let places = SettingsSpec::from(settings).force;
    let places = places.ok_or_else(|| {
        Problem::unready(
            "the settings say nowhere to read force tokens; put `force` into /v1/settings",
        )
    })?;
    let now = (api.clock)();
    let expires_at = now
        .saturating_add(SignedDuration::from_secs(life.get().into()))
        .map_err(|_| Problem::internal())?;
    let force = Force {
        experiment: write.key.to_string(),
        variant: request.variant,
        expires_s: expires_at.as_second(),
    };
    let token = keys(settings).and_then(|keys| force.seal(&keys));
    let token = token.ok_or_else(|| {
        Problem::unready("the settings have no signing key; put one into /v1/settings")
    })?;
    if write.terms.dry_run {
        return Ok(preview::nothing());
    }
    let event = Event {
        at: now,
        author: write.terms.author,
        action: "force".to_owned(),
        kind: Kind::Experiment.as_str().to_owned(),
        key: force.experiment.clone(),
        revision: None,
        at_revision: model.revision,
        detail: Some(json!({"variant": force.variant, "expires_at": expires_at})),
        tail: tail()?,
    };
    // First written down, then given away.
    api.store
        .record(&event)
        .await
        .map_err(|fault| unkept(&fault))?;
    let actor = event.author.actor;
    tracing::info!(actor, experiment = force.experiment, variant = force.variant, %expires_at, "a force token was signed");
    let forced = Json(Forced {
        token,
        experiment: write.key,
        variant: force.variant,
        expires_at,
        places,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], forced).into_response())
}

fn keys(settings: &SettingsDesign) -> Option<Keys> {
    let pairs = settings.signing_keys.iter();
    let pairs = pairs.map(|key| (key.id.as_str(), key.secret.reveal().as_bytes()));
    Keys::try_new(pairs).ok()
}

impl ForceRequest {
    fn validate(&self, experiment: &Experiment) -> Result<Seconds, Faults> {
        let mut faults = Faults::default();
        let variants = &experiment.design.variants;
        let known: Vec<&str> = variants
            .iter()
            .map(|variant| variant.key.as_str())
            .collect();
        if !known.contains(&self.variant.as_str()) {
            let shown: String = self.variant.escape_debug().take(64).collect();
            let message = format!("`{shown}` is not a variant");
            faults.add("/variant", message, format!("one of {}", known.join(", ")));
        }
        let bounds = Seconds::new(1)..=MAX_LIFE;
        let life = Seconds::within(&self.expires, &bounds, "/expires", &mut faults);
        faults.or(life)
    }
}
