//! `/v1/keys`: who may use the API. A key is shown once, when it is made; afterwards it is known by its
//! name, and can be revoked.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::preview;
use super::request::{Terms, Write};
use crate::auth::key::RANDOM_BYTES;
use crate::auth::{KeyRecord, NewKey, Role};
use crate::model::duration::Seconds;
use crate::model::secret::Secret;
use crate::model::{Faults, Key};
use crate::store::audit::Event;
use crate::store::{Author, Store, StoreError};
use anyhow::Context as _;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most keys that count at the same time.
const MAX_KEYS: usize = 1_000;
/// The longest life of a key that has an end.
const MAX_LIFE: Seconds = Seconds::days(3_650);
/// What the audit calls these things.
const KIND: &str = "api_key";
/// The name of the key that is made where there is none.
const BOOTSTRAP: &str = "bootstrap";

/// A key as it is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    /// What to call it. A name is never given twice, not even after the key was revoked.
    name: String,
    /// What its bearer may do.
    role: Role,
    /// How long it counts, as `90d`; until it is revoked where not given.
    expires: Option<String>,
}

/// A key as it is shown.
#[derive(Serialize, JsonSchema)]
struct ShownKey {
    /// What names it in its own text, after `wsk_`.
    id: String,
    name: Key,
    role: Role,
    created_at: Timestamp,
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// The key itself, once: when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Every key.
#[derive(Serialize, JsonSchema)]
struct KeyList {
    items: Vec<ShownKey>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/v1/keys", Role::Admin, list)
            .says(
                "keys",
                "list_keys",
                "Every key that there is or was, by name",
            )
            .answers::<KeyList>(200, "What is known of them; not the keys themselves."),
        Endpoint::new(Verb::Post, "/v1/keys", Role::Admin, create)
            .says("keys", "create_key", "Makes a key")
            .acts()
            .body::<KeyRequest>()
            .answers::<ShownKey>(201, "The key; it is not shown again."),
        Endpoint::new(Verb::Delete, "/v1/keys/{key}", Role::Admin, revoke)
            .says(
                "keys",
                "revoke_key",
                "Revokes the key of that name, for good",
            )
            .acts()
            .answers_empty("It counts no more."),
    ]
}

/// `GET /v1/keys`
async fn list(State(api): State<AppState>) -> Result<Json<KeyList>, Problem> {
    let keys = api.store.keys().await.map_err(unreadable)?;
    Ok(Json(KeyList {
        items: keys.into_iter().map(ShownKey::from).collect(),
    }))
}

/// `POST /v1/keys`
async fn create(
    State(api): State<AppState>,
    terms: Terms,
    Input(request): Input<KeyRequest>,
) -> Result<Response, Problem> {
    let now = (api.clock)();
    let keys = api.store.keys().await.map_err(unreadable)?;
    let (name, expires_at) = request.validate(now).map_err(Problem::invalid)?;
    if keys.iter().any(|key| key.name == name) {
        let detail = format!("there is, or was, a key `{name}`");
        return Err(Problem::exists(detail));
    }
    let counting = |key: &&KeyRecord| key.revoked_at.is_none();
    if keys.iter().filter(counting).count() >= MAX_KEYS {
        let detail = format!("there are {MAX_KEYS} keys; revoke one first");
        return Err(Problem::exists(detail));
    }
    if terms.dry_run {
        return Ok(preview::nothing());
    }
    let revision = api.control.model().revision;
    let (record, text) = make(name, request.role, &terms.author, now, expires_at)?;
    let event = event(&record, "create", terms.author, now, revision)?;
    match api.store.add_key(&record, &event).await {
        Ok(()) => {}
        Err(StoreError::Raced) => {
            let detail = format!("there is a key `{}`", record.name);
            return Err(Problem::exists(detail));
        }
        Err(fault) => return Err(unkept(&fault)),
    }
    api.gate.reload().await;
    let shown = ShownKey {
        key: Some(text.reveal().to_owned()),
        ..ShownKey::from(record)
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(shown)).into_response())
}

/// `DELETE /v1/keys/{name}`: also where it was revoked already, so that it can be repeated.
async fn revoke(State(api): State<AppState>, write: Write) -> Result<Response, Problem> {
    let keys = api.store.keys().await.map_err(unreadable)?;
    let Some(record) = keys.into_iter().find(|key| key.name == write.key) else {
        let detail = format!("there is no key `{}`", write.key);
        return Err(Problem::not_found(detail));
    };
    if write.terms.dry_run {
        return Ok(preview::nothing());
    }
    let revision = api.control.model().revision;
    let event = event(
        &record,
        "revoke",
        write.terms.author,
        (api.clock)(),
        revision,
    )?;
    let revoked = api.store.revoke_key(&record.id, &event).await;
    revoked.map_err(|fault| unkept(&fault))?;
    api.gate.reload().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Makes an admin key where there never was a key; gives it to be shown. Nothing where there was one,
/// or another process was first.
///
/// # Errors
/// The store fails, or there is no chance to be had.
pub async fn bootstrap(store: &Store, now: Timestamp) -> anyhow::Result<Option<Secret>> {
    if !store.keys().await?.is_empty() {
        return Ok(None);
    }
    let author = Author {
        actor: BOOTSTRAP.to_owned(),
        ..Author::default()
    };
    let name = Key::try_new(BOOTSTRAP)?;
    let (record, text) = make(name, Role::Admin, &author, now, None).context("make a key")?;
    let event = event(&record, "create", author, now, 0).context("make a key")?;
    match store.add_key(&record, &event).await {
        Ok(()) => Ok(Some(text)),
        Err(StoreError::Raced) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn make(
    name: Key,
    role: Role,
    author: &Author,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<(KeyRecord, Secret), NoChance> {
    let NewKey { id, hash, text } = NewKey::from_random(&random::<RANDOM_BYTES>()?);
    let record = KeyRecord {
        id,
        name,
        role,
        hash,
        created_at: now,
        created_by: author.actor.clone(),
        expires_at,
        revoked_at: None,
    };
    Ok((record, text))
}

fn event(
    key: &KeyRecord,
    action: &str,
    author: Author,
    at: Timestamp,
    at_revision: u64,
) -> Result<Event, NoChance> {
    Ok(Event {
        at,
        author,
        action: action.to_owned(),
        kind: KIND.to_owned(),
        key: key.name.to_string(),
        revision: None,
        at_revision,
        detail: Some(json!({"id": key.id, "role": key.role, "expires_at": key.expires_at})),
        tail: tail()?,
    })
}

/// The operating system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub(super) struct NoChance(getrandom::Error);

/// What orders the events of one moment, and what tells those of several processes apart.
pub(super) fn tail() -> Result<u64, NoChance> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(u64::from(count) << 32 | u64::from(u32::from_be_bytes(random()?)))
}

fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoChance)?;
    Ok(bytes)
}

impl From<NoChance> for Problem {
    fn from(fault: NoChance) -> Self {
        tracing::error!(%fault, "no key, no token");
        Self::internal()
    }
}

pub(super) fn unkept(fault: &StoreError) -> Problem {
    tracing::error!(%fault, "a change could not be kept");
    Problem::unavailable("the change could not be kept; see the server's log")
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(super) fn unreadable(fault: StoreError) -> Problem {
    tracing::error!(%fault, "the store could not be read");
    Problem::unavailable("the database does not answer; see the server's log")
}

impl KeyRequest {
    fn validate(&self, now: Timestamp) -> Result<(Key, Option<Timestamp>), Faults> {
        let mut faults = Faults::default();
        let name = Key::try_new(&self.name);
        if let Err(bad) = &name {
            faults.add("/name", bad.to_string(), crate::model::key::KEY_RULE);
        }
        let bounds = Seconds::new(1)..=MAX_LIFE;
        let expires_at = match &self.expires {
            Some(text) => Seconds::within(text, &bounds, "/expires", &mut faults).map(|life| {
                let life = SignedDuration::from_secs(life.get().into());
                now.saturating_add(life).ok()
            }),
            None => Some(None),
        };
        faults.or(name.ok().zip(expires_at))
    }
}

impl From<KeyRecord> for ShownKey {
    fn from(key: KeyRecord) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            key: None,
        }
    }
}
