//! `GET /v1/export` and `POST /v1/import`: the whole state, to keep and to restore. It has the secrets
//! that sign cookies and the hashes of keys in it, and is for admins only.

use super::AppState;
use super::endpoint::{Endpoint, Verb};
use super::error::Problem;
use super::input::Input;
use super::request::{Parameters, Terms};
use crate::auth::{KeyHash, KeyRecord, Role};
use crate::model::export::{Export, ExportedDocument, NotAModel};
use crate::model::{Faults, Key};
use crate::store::{Import, Imported};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most bytes of a backup.
const MAX_BACKUP: usize = 256 * 1024 * 1024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/v1/export", Role::Admin, export)
            .says(
                "backup",
                "export",
                "The whole state, secrets and hashes of keys among it",
            )
            .answers::<Backup>(200, "What `POST /v1/import` reads."),
        Endpoint::new(Verb::Post, "/v1/import", Role::Admin, import)
            .says(
                "backup",
                "import",
                "Restores a whole state where nothing was ever changed: all of it or nothing",
            )
            .query::<Parameters>()
            .body::<Backup>()
            .answers::<Restored>(201, "It is kept, and on its way to the proxies."),
    ]
}

/// The whole state.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Backup {
    /// `watershed/v1`.
    format: String,
    /// When it was made.
    exported_at: Timestamp,
    /// The model's revision.
    revision: u64,
    /// The model: by kind, what is referred to first, and by key.
    documents: Vec<ExportedDocument>,
    /// Who may use the API.
    #[serde(default)]
    api_keys: Vec<KeptKey>,
}

/// A key as it is kept: not the key, but the hash that knows it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeptKey {
    id: String,
    name: Key,
    role: Role,
    /// The SHA-256 of the key, in 64 hexadecimal digits.
    sha256: String,
    created_at: Timestamp,
    created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

/// What was restored.
#[derive(Serialize, JsonSchema)]
struct Restored {
    /// The model's revision now.
    revision: u64,
    /// How many things of the model were restored.
    documents: usize,
    /// How many keys were.
    api_keys: usize,
    /// The names of keys that were here already, and stayed as they were.
    api_keys_kept: Vec<String>,
}

/// `GET /v1/export`
async fn export(State(api): State<AppState>) -> Result<Response, Problem> {
    let keys = api.store.keys().await.map_err(|fault| {
        tracing::error!(%fault, "the API keys could not be read");
        Problem::unavailable("the database does not answer")
    })?;
    let export = Export::of(&api.control.model(), (api.clock)()).map_err(|fault| {
        tracing::error!(%fault, "the model could not be exported");
        Problem::internal()
    })?;
    let Export {
        format,
        exported_at,
        revision,
        documents,
    } = export;
    let backup = Backup {
        format,
        exported_at,
        revision,
        documents,
        api_keys: keys.into_iter().map(KeptKey::from).collect(),
    };
    let mut response = Json(backup).into_response();
    let private = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, private);
    Ok(response)
}

/// `POST /v1/import`
async fn import(
    State(api): State<AppState>,
    terms: Terms,
    Input(backup): Input<Backup, MAX_BACKUP>,
) -> Result<(StatusCode, Json<Restored>), Problem> {
    let keys = keys(&backup.api_keys)?;
    let export = Export {
        format: backup.format,
        exported_at: backup.exported_at,
        revision: backup.revision,
        documents: backup.documents,
    };
    let (documents, given) = (export.documents.len(), keys.len());
    let import = Import {
        model: export.model()?,
        keys,
        author: terms.author,
        at: (api.clock)(),
    };
    let Imported {
        revision,
        keys_kept,
    } = api.control.import(import).await?;
    api.gate.reload().await;
    let restored = Restored {
        revision,
        documents,
        api_keys: given.saturating_sub(keys_kept.len()),
        api_keys_kept: keys_kept,
    };
    Ok((StatusCode::CREATED, Json(restored)))
}

fn keys(given: &[KeptKey]) -> Result<Vec<KeyRecord>, Problem> {
    let mut faults = Faults::default();
    let mut keys = Vec::with_capacity(given.len());
    for (index, key) in given.iter().enumerate() {
        let Some(hash) = KeyHash::read(&key.sha256) else {
            let place = format!("/api_keys/{index}/sha256");
            faults.add(place, "is not a hash", "64 hexadecimal digits");
            continue;
        };
        if keys
            .iter()
            .any(|it: &KeyRecord| it.name == key.name || it.id == key.id)
        {
            let place = format!("/api_keys/{index}");
            faults.add(place, "its name or id is there twice", "each key once");
        }
        keys.push(KeyRecord {
            id: key.id.clone(),
            name: key.name.clone(),
            role: key.role,
            hash,
            created_at: key.created_at,
            created_by: key.created_by.clone(),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        });
    }
    faults.or(Some(keys)).map_err(Problem::invalid)
}

impl From<KeyRecord> for KeptKey {
    fn from(key: KeyRecord) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            sha256: key.hash.to_string(),
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

impl From<NotAModel> for Problem {
    fn from(error: NotAModel) -> Self {
        match error {
            NotAModel::Invalid(faults) => Self::invalid(faults),
            NotAModel::Conflict(conflict) => Self::invalid(Faults::one(
                "/documents",
                conflict.to_string(),
                "a sound model",
            )),
        }
    }
}
