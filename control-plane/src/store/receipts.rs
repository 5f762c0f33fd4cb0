//! The table of receipts: what was answered to a write that carried an idempotency key. A receipt is
//! kept with its write, in one transaction, and for a day; the document that was answered is in
//! `changes`, under its revision.

use super::changes::number;
use super::error::RowError;
use super::{Store, StoreError};
use crate::model::Meta;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// How long a receipt counts.
pub const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// What somebody calls a write that they may send again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The key that they chose.
    pub key: String,
    /// The SHA-256, in hexadecimal digits, of all that they asked for.
    pub fingerprint: String,
}

/// What a write did to its document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It was made.
    Created,
    /// It was changed, or was so already.
    Changed,
    /// It is gone.
    Removed,
}

/// What was answered to a write.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Who wrote.
    pub actor: String,
    /// What they called it.
    pub claim: Claim,
    /// When.
    pub at: Timestamp,
    /// What it did.
    pub effect: Effect,
    /// The revision and times of the document that was answered, where one was.
    pub meta: Option<Meta>,
}

/// A receipt as it was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Of all that was asked for.
    pub fingerprint: String,
    /// What the write did.
    pub effect: Effect,
    /// The document that was answered, where one was.
    pub document: Option<KeptDocument>,
}

/// A document as it was when a write was answered.
#[derive(Clone, Debug)]
pub struct KeptDocument {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub key: String,
    /// Its revision and times.
    pub meta: Meta,
    /// What it said.
    pub body: Value,
}

impl Effect {
    /// Kept as the HTTP status that says so.
    fn number(self) -> i64 {
        match self {
            Self::Changed => 200,
            Self::Created => 201,
            Self::Removed => 204,
        }
    }

    fn of(number: i64) -> Option<Self> {
        let mut effects = [Self::Changed, Self::Created, Self::Removed].into_iter();
        effects.find(|effect| effect.number() == number)
    }
}

/// Keeps a receipt, and lets go of those that no longer count.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    let oldest = oldest(receipt.at);
    sqlx::query("DELETE FROM receipts WHERE at < $1")
        .bind(oldest.to_string())
        .execute(&mut *connection)
        .await?;
    let inserted = sqlx::query(
        "INSERT INTO receipts (actor, idempotency_key, fingerprint, at, status, revision, \
         document_created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(receipt.actor.clone())
    .bind(receipt.claim.key.clone())
    .bind(receipt.claim.fingerprint.clone())
    .bind(receipt.at.to_string())
    .bind(receipt.effect.number())
    .bind(receipt.meta.map(|meta| number(meta.revision)))
    .bind(receipt.meta.map(|meta| meta.created_at.to_string()))
    .execute(connection)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Raced),
        Err(error) => Err(error.into()),
    }
}

fn oldest(now: Timestamp) -> Timestamp {
    now.saturating_sub(RETENTION).unwrap_or(Timestamp::MIN)
}

impl Store {
    /// Keeps the receipt of a write that changed nothing.
    ///
    /// # Errors
    /// [`StoreError::Raced`] where another writer has answered a write of this name.
    pub async fn keep_receipt(&self, receipt: &Receipt) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        insert(&mut transaction, receipt).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What was answered to the write that `actor` called `key`, where it still counts at `now`.
    ///
    /// # Errors
    /// [`StoreError`] where the database fails or the row cannot be read.
    pub async fn receipt(
        &self,
        actor: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Kept>, StoreError> {
        let row = sqlx::query(
            "SELECT receipts.fingerprint, receipts.status, receipts.revision, \
             receipts.document_created_at, changes.kind, changes.key, changes.at, \
             changes.body_after \
             FROM receipts LEFT JOIN changes ON changes.revision = receipts.revision \
             WHERE receipts.actor = $1 AND receipts.idempotency_key = $2 AND receipts.at >= $3",
        )
        .bind(actor.to_owned())
        .bind(key.to_owned())
        .bind(oldest(now).to_string())
        .fetch_optional(&self.pool)
        .await?;
        let kept = row.as_ref().map(read).transpose();
        kept.map_err(|fault| StoreError::ReceiptRow {
            key: key.to_owned(),
            fault: Box::new(fault),
        })
    }
}

fn read(row: &AnyRow) -> Result<Kept, RowError> {
    let revision: Option<i64> = row.try_get("revision")?;
    Ok(Kept {
        fingerprint: row.try_get("fingerprint")?,
        effect: Effect::of(row.try_get("status")?).ok_or(RowError::Effect)?,
        document: revision
            .map(|revision| document(row, revision))
            .transpose()?,
    })
}

fn document(row: &AnyRow, revision: i64) -> Result<KeptDocument, RowError> {
    let text = |column| row.try_get::<String, _>(column);
    Ok(KeptDocument {
        kind: text("kind")?,
        key: text("key")?,
        meta: Meta {
            revision: u64::try_from(revision).map_err(|_| RowError::Revision)?,
            created_at: text("document_created_at")?.parse()?,
            updated_at: text("at")?.parse()?,
        },
        body: serde_json::from_str(&text("body_after")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestDatabase, on_both_stores};

    on_both_stores!(
        a_receipt_counts_for_a_day_and_is_then_gone,
        a_receipt_that_is_garbage_is_named,
    );

    fn receipt(at: &str) -> Receipt {
        Receipt {
            actor: "key:ci".to_owned(),
            claim: Claim {
                key: "k1".to_owned(),
                fingerprint: "f".to_owned(),
            },
            at: at.parse().unwrap(),
            effect: Effect::Removed,
            meta: None,
        }
    }

    async fn a_receipt_counts_for_a_day_and_is_then_gone(database: &TestDatabase) {
        let store = database.open().await;
        let first = receipt("2026-01-31T09:00:00Z");
        store.keep_receipt(&first).await.unwrap();
        let raced = store.keep_receipt(&first).await;
        assert!(matches!(raced, Err(StoreError::Raced)), "{raced:?}");
        let found = async |actor: &str, now: &str| {
            let now = now.parse().unwrap();
            store.receipt(actor, "k1", now).await.unwrap().is_some()
        };
        assert!(found("key:ci", "2026-02-01T08:59:59Z").await);
        assert!(!found("key:other", "2026-02-01T08:59:59Z").await);
        assert!(!found("key:ci", "2026-02-01T09:00:01Z").await);
        // The name is free again, and the old row makes room.
        let later = receipt("2026-02-01T09:00:01Z");
        store.keep_receipt(&later).await.unwrap();
        assert!(found("key:ci", "2026-02-01T09:00:02Z").await);
    }

    async fn a_receipt_that_is_garbage_is_named(database: &TestDatabase) {
        let store = database.open().await;
        let kept = receipt("2026-01-31T09:00:00Z");
        store.keep_receipt(&kept).await.unwrap();
        for (assignment, reason) in [
            ("status = 500", "there is no such status"),
            ("status = 200, revision = 7", "expected TEXT, got Null"),
        ] {
            let sql = format!("UPDATE receipts SET {assignment}");
            let sql = sqlx::AssertSqlSafe(sql);
            sqlx::query(sql).execute(&store.pool).await.unwrap();
            let fault = store.receipt("key:ci", "k1", kept.at).await.unwrap_err();
            let fault = fault.to_string();
            assert!(
                fault.starts_with("table receipts, row idempotency_key=k1"),
                "{fault}"
            );
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
