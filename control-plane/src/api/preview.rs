//! `?dry_run=true`: what a change would do to the model and to what proxies get, with nothing kept.

use super::difference::{MAX_OPERATIONS, Operation, between};
use super::error::Problem;
use crate::control;
use crate::model::change::Edit;
use crate::model::entry::Entry;
use crate::model::{Key, Kind};
use crate::resources::ResourceChanges;
use axum::Json;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What a change would do.
#[derive(Serialize, JsonSchema)]
pub(super) struct Preview {
    /// Always true: nothing was kept.
    dry_run: bool,
    /// The documents that would be different; none where everything is so already.
    documents: Vec<DocumentPreview>,
    /// The resources that proxies would get differently, by fleet (`fleet/slice` where a slice gets something else) and by
    /// type.
    resources: ResourceChanges,
}

/// A document that would be different.
#[derive(Serialize, JsonSchema)]
struct DocumentPreview {
    kind: Kind,
    key: Key,
    /// What the audit would call it: `create`, `update`, `weights`, …
    action: &'static str,
    /// The revision it has; absent where it would be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_before: Option<u64>,
    /// Place by place, what is there and what would be.
    changes: Vec<Operation>,
    /// Whether more would be different than is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    truncated: bool,
}

/// The answer to a change that was only tried.
pub(super) fn show(preview: control::Preview) -> Result<Response, Problem> {
    let documents = preview.edit.map(document).transpose()?;
    Ok(answer(documents, preview.resources))
}

/// The answer to a wish that is good, but would not change the model.
pub(super) fn nothing() -> Response {
    answer(None, ResourceChanges::new())
}

fn answer(document: Option<DocumentPreview>, resources: ResourceChanges) -> Response {
    let preview = Preview {
        dry_run: true,
        documents: document.into_iter().collect(),
        resources,
    };
    Json(preview).into_response()
}

fn document(edit: Edit) -> Result<DocumentPreview, Problem> {
    let body = |entry: &Option<Entry>| -> Result<Option<Value>, Problem> {
        let body = entry
            .as_ref()
            .map(|entry| serde_json::to_value(entry.body()));
        body.transpose().map_err(|_| Problem::internal())
    };
    let changes = between(body(&edit.before)?.as_ref(), body(&edit.after)?.as_ref());
    Ok(DocumentPreview {
        kind: edit.kind,
        key: edit.key,
        action: edit.action,
        revision_before: edit.before.map(|entry| entry.meta().revision),
        truncated: changes.len() >= MAX_OPERATIONS,
        changes,
    })
}
