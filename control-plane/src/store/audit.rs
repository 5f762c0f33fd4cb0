//! The table of the audit: who did what, when, from where and why. Rows are added, never changed or
//! removed.

use super::changes::number;
use super::error::RowError;
use super::{Author, Store, StoreError};
use crate::model::change::Edit;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// Something that was done.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// By whom, from where and why.
    pub author: Author,
    /// What: a word, as `create` or `revoke`.
    pub action: String,
    /// To what kind of thing.
    pub kind: String,
    /// Its name.
    pub key: String,
    /// The revision of the model that it made; none where it changed nothing of the model.
    pub revision: Option<u64>,
    /// The revision of the model that it was done at, which is its own where it made one.
    pub at_revision: u64,
    /// What else there is to say; never a secret.
    pub detail: Option<Value>,
    /// Orders events of one millisecond and revision, and tells them apart.
    pub tail: u64,
}

/// An event as it was kept, with the document before and after.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place: ids sort by time.
    pub id: String,
    /// What was done.
    pub event: Event,
    /// The document's revision before.
    pub revision_before: Option<u64>,
    /// What the document said before.
    pub before: Option<Value>,
    /// What it said after.
    pub after: Option<Value>,
}

/// Which records are asked for: those for which all that is given is so.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// By whom.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To what kind of thing.
    pub kind: Option<String>,
    /// To the thing of that name.
    pub key: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Older than the record of this id.
    pub before_id: Option<String>,
    /// The most records.
    pub limit: u32,
}

impl Event {
    /// An edit of the model.
    pub(super) fn of(edit: &Edit, author: &Author) -> Self {
        Self {
            at: edit.at,
            author: author.clone(),
            action: edit.action.to_owned(),
            kind: edit.kind.as_str().to_owned(),
            key: edit.key.to_string(),
            revision: Some(edit.revision),
            at_revision: edit.revision,
            detail: None,
            tail: 0,
        }
    }

    /// The id that it is kept under: time, revision and chance, each of a fixed width.
    fn id(&self) -> String {
        let time = instant(self.at);
        format!("{time}-{:016}-{:016x}", self.at_revision, self.tail)
    }
}

/// A time as the ids have it: in UTC, to the millisecond.
fn instant(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    at.strftime("%Y%m%dT%H%M%S%3f").to_string()
}

/// Keeps an event.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    event: &Event,
) -> Result<(), StoreError> {
    let detail = event.detail.as_ref().map(Value::to_string);
    sqlx::query(
        "INSERT INTO audit (id, at, actor, peer, user_agent, action, kind, key, revision, reason, \
         detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(event.id())
    .bind(event.at.to_string())
    .bind(event.author.actor.clone())
    .bind(event.author.origin.peer.clone())
    .bind(event.author.origin.user_agent.clone())
    .bind(event.action.clone())
    .bind(event.kind.clone())
    .bind(event.key.clone())
    .bind(event.revision.map(number))
    .bind(event.author.reason.clone())
    .bind(detail)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Keeps an event that changes nothing else.
    ///
    /// # Errors
    /// [`StoreError`] where it could not be kept.
    pub async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        insert(&mut connection, event).await
    }

    /// The records that `filter` asks for, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] where the database fails or a row cannot be read.
    pub async fn audit(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let (sql, values) = query(filter);
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = values.into_iter().fold(query, sqlx::query::Query::bind);
        let rows = query.bind(i64::from(filter.limit)).fetch_all(&self.pool);
        rows.await?.iter().map(record).collect()
    }
}

/// The statement, and the values of its parameters but the last, which is the limit. Numbered as
/// PostgreSQL wants them; what the caller gave is only ever a value.
fn query(filter: &Filter) -> (String, Vec<String>) {
    let mut sql = String::from(
        "SELECT audit.id, audit.at, audit.actor, audit.peer, audit.user_agent, audit.action, \
         audit.kind, audit.key, audit.revision, audit.reason, audit.detail, \
         changes.revision_before, changes.body_before, changes.body_after \
         FROM audit LEFT JOIN changes ON changes.revision = audit.revision WHERE 1 = 1",
    );
    let mut values = Vec::new();
    for (condition, value) in [
        ("audit.actor =", filter.actor.clone()),
        ("audit.action =", filter.action.clone()),
        ("audit.kind =", filter.kind.clone()),
        ("audit.key =", filter.key.clone()),
        ("audit.id >=", filter.since.map(instant)),
        ("audit.id <", filter.until.map(instant)),
        ("audit.id <", filter.before_id.clone()),
    ] {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {condition} ${}", values.len()));
        }
    }
    sql.push_str(&format!(
        " ORDER BY audit.id DESC LIMIT ${}",
        values.len() + 1
    ));
    (sql, values)
}

fn record(row: &AnyRow) -> Result<Record, StoreError> {
    read(row).map_err(|fault| StoreError::Record {
        id: row.try_get("id").unwrap_or_else(|_| "?".to_owned()),
        fault: Box::new(fault),
    })
}

fn read(row: &AnyRow) -> Result<Record, RowError> {
    let json = |column| -> Result<Option<Value>, RowError> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.as_deref().map(serde_json::from_str).transpose()?)
    };
    let revision = |column| -> Result<Option<u64>, RowError> {
        let number: Option<i64> = row.try_get(column)?;
        let read = number.map(u64::try_from).transpose();
        read.map_err(|_| RowError::Revision)
    };
    let at: String = row.try_get("at")?;
    let event = Event {
        at: at.parse()?,
        author: Author {
            actor: row.try_get("actor")?,
            reason: row.try_get("reason")?,
            origin: super::Origin {
                peer: row.try_get("peer")?,
                user_agent: row.try_get("user_agent")?,
            },
        },
        action: row.try_get("action")?,
        kind: row.try_get("kind")?,
        key: row.try_get("key")?,
        revision: revision("revision")?,
        at_revision: 0,
        detail: json("detail")?,
        tail: 0,
    };
    Ok(Record {
        id: row.try_get("id")?,
        event,
        revision_before: revision("revision_before")?,
        before: json("body_before")?,
        after: json("body_after")?,
    })
}

#[cfg(test)]
mod tests;
