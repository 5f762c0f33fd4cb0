//! The table of API keys. A key is made and revoked, with a record in the audit, and never removed.

use super::audit::{self, Event};
use super::error::RowError;
use super::{Store, StoreError};
use crate::auth::{KeyHash, KeyRecord};
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

impl Store {
    /// Every key that there ever was, by name.
    ///
    /// # Errors
    /// [`StoreError`] where the database fails or a row cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, role, hash, created_at, created_by, expires_at, revoked_at \
             FROM api_keys ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(key).collect()
    }

    /// Keeps a key and the record of its making, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Raced`] where there is, or was, a key of this name.
    pub async fn add_key(&self, key: &KeyRecord, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        match insert(&mut transaction, key).await {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return Err(StoreError::Raced);
            }
            other => other?,
        }
        audit::insert(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Revokes the key of this id and keeps the record of that. False where there is none, or it was
    /// revoked already; then nothing is kept.
    ///
    /// # Errors
    /// [`StoreError`] where the database fails.
    pub async fn revoke_key(&self, id: &str, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let revoked =
            sqlx::query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
                .bind(event.at.to_string())
                .bind(id.to_owned())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        if revoked == 0 {
            return Ok(false);
        }
        audit::insert(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Keeps those of `keys` whose id and name are new here. Returns the names of the others.
pub(super) async fn import(
    connection: &mut AnyConnection,
    keys: &[KeyRecord],
) -> Result<Vec<String>, StoreError> {
    let mut kept = Vec::new();
    for key in keys {
        let known = sqlx::query("SELECT 1 FROM api_keys WHERE id = $1 OR name = $2")
            .bind(key.id.clone())
            .bind(key.name.to_string())
            .fetch_optional(&mut *connection)
            .await?;
        match known {
            Some(_) => kept.push(key.name.to_string()),
            None => insert(connection, key).await?,
        }
    }
    Ok(kept)
}

async fn insert(connection: &mut AnyConnection, key: &KeyRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO api_keys (id, name, role, hash, created_at, created_by, expires_at, \
         revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key.id.clone())
    .bind(key.name.to_string())
    .bind(key.role.as_str())
    .bind(key.hash.to_string())
    .bind(key.created_at.to_string())
    .bind(key.created_by.clone())
    .bind(key.expires_at.map(|at| at.to_string()))
    .bind(key.revoked_at.map(|at| at.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

fn key(row: &AnyRow) -> Result<KeyRecord, StoreError> {
    read(row).map_err(|fault| StoreError::KeyRow {
        id: row.try_get("id").unwrap_or_else(|_| "?".to_owned()),
        fault: Box::new(fault),
    })
}

fn read(row: &AnyRow) -> Result<KeyRecord, RowError> {
    let time = |column| -> Result<Option<Timestamp>, RowError> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.as_deref().map(str::parse).transpose()?)
    };
    let created_at: String = row.try_get("created_at")?;
    let text = |column| row.try_get::<String, _>(column);
    Ok(KeyRecord {
        id: text("id")?,
        name: text("name")?.try_into().map_err(|_| RowError::Name)?,
        role: text("role")?.parse().map_err(|_| RowError::Role)?,
        hash: KeyHash::read(&text("hash")?).ok_or(RowError::Hash)?,
        created_at: created_at.parse()?,
        created_by: text("created_by")?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
    })
}
