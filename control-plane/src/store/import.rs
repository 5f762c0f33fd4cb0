//! Importing a whole model, into a database where nothing was ever changed: all of it or nothing.

use super::audit::{self, Event};
use super::{Author, Store, StoreError, bounded, changes, documents, keys};
use crate::auth::KeyRecord;
use crate::model::change::Edit;
use crate::model::{Kind, Model};
use jiff::Timestamp;
use serde_json::json;

/// What the audit calls it.
const ACTION: &str = "import";

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The model as it was, with the revisions that it had.
    pub model: Model,
    /// Who may use the API, beside those who may already.
    pub keys: Vec<KeyRecord>,
    /// Who imports it, and why.
    pub author: Author,
    /// When.
    pub at: Timestamp,
}

/// What became of an import.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imported {
    /// The model's revision now: the next after the imported one, so that none is used twice.
    pub revision: u64,
    /// The names of keys that are here already, and stayed as they are.
    pub keys_kept: Vec<String>,
}

impl Store {
    /// Keeps a whole model, and a record for each thing in it. When it returns, they are on disk.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] where anything was ever changed here: nothing was kept.
    pub async fn import(&self, import: &Import) -> Result<Imported, StoreError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            let revision = changes::last_revision(&mut transaction).await?;
            if revision != 0 {
                return Err(StoreError::NotEmpty { revision });
            }
            for edit in edits(import) {
                changes::insert(&mut transaction, &edit, &import.author).await?;
                let event = Event::of(&edit, &import.author);
                audit::insert(&mut transaction, &event).await?;
                if let Some(entry) = &edit.after {
                    documents::put(&mut transaction, entry).await?;
                }
            }
            let revision = import.model.revision.saturating_add(1);
            let said = json!({
                "revision": import.model.revision,
                "documents": edits(import).count(),
                "api_keys": import.keys.len(),
            });
            let event = Event {
                at: import.at,
                author: import.author.clone(),
                action: ACTION.to_owned(),
                kind: "model".to_owned(),
                key: "all".to_owned(),
                revision: Some(revision),
                at_revision: revision,
                detail: Some(said.clone()),
                tail: 0,
            };
            changes::mark(&mut transaction, &event, &said).await?;
            audit::insert(&mut transaction, &event).await?;
            let keys_kept = keys::import(&mut transaction, &import.keys).await?;
            self.tell(&mut transaction, revision).await?;
            transaction.commit().await?;
            Ok(Imported {
                revision,
                keys_kept,
            })
        })
        .await
    }
}

/// Everything in the model, as if each had just been made under the revision that it had.
fn edits(import: &Import) -> impl Iterator<Item = Edit> {
    let entries = Kind::ALL
        .into_iter()
        .flat_map(|kind| import.model.entries(kind));
    entries.map(|entry| Edit {
        revision: entry.meta().revision,
        at: import.at,
        action: ACTION,
        kind: entry.kind(),
        key: entry.key().clone(),
        before: None,
        after: Some(entry),
    })
}

#[cfg(test)]
mod tests;
