//! The table of documents: what the model is.

use super::error::RowError;
use super::{StoreError, changes};
use crate::model::entry::Entry;
use crate::model::{Key, Kind, Meta};
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// Every document.
pub(super) async fn all(connection: &mut AnyConnection) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, key, revision, created_at, updated_at, body FROM documents ORDER BY kind, key",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

/// Every document that changed after `revision`.
pub(super) async fn since(
    connection: &mut AnyConnection,
    revision: u64,
) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, key, revision, created_at, updated_at, body FROM documents \
         WHERE revision > $1 ORDER BY kind, key",
    )
    .bind(changes::number(revision))
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &AnyRow) -> Result<Entry, StoreError> {
    let name = |column| row.try_get(column).unwrap_or_else(|_| "?".to_owned());
    read(row).map_err(|fault| StoreError::Row {
        kind: name("kind"),
        key: name("key"),
        fault: Box::new(fault),
    })
}

fn read(row: &AnyRow) -> Result<Entry, RowError> {
    let kind: String = row.try_get("kind")?;
    let kind = Kind::named(&kind).ok_or(RowError::Kind)?;
    let key: String = row.try_get("key")?;
    let revision: i64 = row.try_get("revision")?;
    let time = |column| -> Result<Timestamp, RowError> {
        Ok(row.try_get::<String, _>(column)?.parse::<Timestamp>()?)
    };
    let meta = Meta {
        revision: u64::try_from(revision).map_err(|_| RowError::Revision)?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
    };
    let body: String = row.try_get("body")?;
    Ok(Entry::restore(kind, &key, meta, &body)?)
}

/// Puts a document in the place of the one with its kind and key.
pub(super) async fn put(connection: &mut AnyConnection, entry: &Entry) -> Result<(), StoreError> {
    let meta = entry.meta();
    sqlx::query(
        "INSERT INTO documents (kind, key, revision, created_at, updated_at, body) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, \
         updated_at = excluded.updated_at, body = excluded.body",
    )
    .bind(entry.kind().as_str())
    .bind(entry.key().to_string())
    .bind(changes::number(meta.revision))
    .bind(meta.created_at.to_string())
    .bind(meta.updated_at.to_string())
    .bind(entry.kept()?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a document away.
pub(super) async fn delete(
    connection: &mut AnyConnection,
    kind: Kind,
    key: &Key,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM documents WHERE kind = $1 AND key = $2")
        .bind(kind.as_str())
        .bind(key.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
