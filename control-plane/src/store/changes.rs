//! The table of changes: how the model came to be. Rows are added, never changed or removed.

use super::audit::Event;
use super::error::RowError;
use super::{Author, StoreError};
use crate::model::change::Edit;
use crate::model::entry::Entry;
use crate::model::{Key, Kind};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// The revision of the last change; 0 where there is none.
pub(super) async fn last_revision(connection: &mut AnyConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(revision), 0) FROM changes")
        .fetch_one(connection)
        .await?;
    let revision: i64 = row.try_get(0)?;
    Ok(u64::try_from(revision).unwrap_or(0))
}

/// What was taken away after `revision`, whether it came back or not.
pub(super) async fn removed_since(
    connection: &mut AnyConnection,
    revision: u64,
) -> Result<Vec<(Kind, Key)>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT kind, key FROM changes WHERE revision > $1 AND body_after IS NULL",
    )
    .bind(number(revision))
    .fetch_all(connection)
    .await?;
    let target = |row: &AnyRow| -> Result<(Kind, Key), StoreError> {
        let (kind, key): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let row = |fault| StoreError::Change {
            kind: kind.clone(),
            key: key.clone(),
            fault: Box::new(fault),
        };
        let read = Kind::named(&kind).ok_or_else(|| row(RowError::Kind))?;
        Ok((read, Key::try_new(&key).map_err(|_| row(RowError::Name))?))
    };
    rows.iter().map(target).collect()
}

/// Records `edit`.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    edit: &Edit,
    author: &Author,
) -> Result<(), StoreError> {
    let text = |entry: &Option<Entry>| {
        let body = entry.as_ref().map(Entry::body);
        body.map(|body| serde_json::to_string(&body)).transpose()
    };
    let before = edit.before.as_ref().map(|entry| entry.meta().revision);
    let inserted = sqlx::query(
        "INSERT INTO changes (revision, at, actor, action, kind, key, \
         revision_before, body_before, body_after, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(number(edit.revision))
    .bind(edit.at.to_string())
    .bind(author.actor.clone())
    .bind(edit.action)
    .bind(edit.kind.as_str())
    .bind(edit.key.to_string())
    .bind(before.map(number))
    .bind(text(&edit.before)?)
    .bind(text(&edit.after)?)
    .bind(author.reason.clone())
    .execute(connection)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Raced),
        Err(error) => Err(error.into()),
    }
}

/// Takes a revision for what changed more than one thing, which have their own records.
pub(super) async fn mark(
    connection: &mut AnyConnection,
    event: &Event,
    said: &Value,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO changes (revision, at, actor, action, kind, key, body_after, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(event.revision.map(number))
    .bind(event.at.to_string())
    .bind(event.author.actor.clone())
    .bind(event.action.clone())
    .bind(event.kind.clone())
    .bind(event.key.clone())
    .bind(said.to_string())
    .bind(event.author.reason.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// A revision as SQL's number. One that large is never reached.
pub(super) fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
