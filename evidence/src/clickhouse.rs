//! The evidence in ClickHouse, for more of it than one machine takes: rows of exposures and outcomes ([`log`]),
//! and what materialized views fold from them as they come in (`schema.sql`). Questions are answered by SQL
//! over that ([`answers`]); what comes back is sums.
//!
//! Nothing waits to be folded, so [`EvidenceStore::fold`] only tells what was, answers are never behind, and what
//! is measured may change without anything being made anew. There are no transactions: a batch is one
//! insert with a token, and one that is sent again is known by it.

mod answers;
mod error;
mod http;
mod log;
mod options;
mod removal;
mod row_binary;
mod schema;
#[cfg(test)]
mod tests;

pub use options::{BadClickHouseUrl, ClickHouseOptions};

use crate::Micros;
use crate::batch::Batch;
use crate::measure::Measures;
use crate::store::{
    Appended, Cursor, EvidenceStore, Folded, Forgotten, Minute, Page, Retained, Retention, Scan,
    Span, StoreError, Sufficient, Summary, UnitRecord,
};
use crate::unit::UnitKey;
use answers::Asked;
use async_trait::async_trait;
use http::{Client, Statement};
use row_binary::{Reader, Writer, rows};
use schema::{Table, Tables};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const VERSION: i64 = 1;

/// The evidence in ClickHouse.
#[derive(Clone, Debug)]
pub struct ClickHouseStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    tables: Tables,
    /// Entries that were kept and that nobody was told of as folded.
    untold: AtomicU64,
}

impl ClickHouseStore {
    /// Opens the database, which is there, and makes the tables that are not.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be reached, does not let us, or was written by a newer version.
    pub async fn open(options: ClickHouseOptions) -> Result<Self, StoreError> {
        let tables = Tables::of(&options);
        let raw = options.retention.map(|it| it.raw);
        let client = Client::new(options)?;
        for statement in tables.schema(raw) {
            // A cluster makes them on all its servers before it answers.
            client.run(Statement::new(statement).long()).await?;
        }
        let store = Self(Arc::new(Shared {
            client,
            tables,
            untold: AtomicU64::new(0),
        }));
        match store.setting("schema").await? {
            None => store.keep_setting("schema", &VERSION.to_string()).await?,
            Some(found) => {
                let found = found.parse().unwrap_or(i64::MAX);
                let known = VERSION;
                if found > known {
                    return Err(StoreError::NewerSchema { found, known });
                }
            }
        }
        Ok(store)
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let question = Statement::new(format!(
            "SELECT value FROM {} FINAL WHERE name = {{name:String}}",
            self.0.tables.all(Table::Settings)
        ))
        .with("name", name);
        Ok(rows(&self.0.client.ask(question).await?, Reader::text)?.pop())
    }

    async fn keep_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let insert = Statement::new(format!(
            "INSERT INTO {} SELECT {{name:String}}, {{value:String}}, toUnixTimestamp64Micro(now64(6))",
            self.0.tables.all(Table::Settings)
        ))
        .with("name", name)
        .with("value", value)
        // The same again is something new: it may be what it was before the last.
        .set("insert_deduplicate", 0)
        .set("distributed_foreground_insert", 1);
        self.0.client.run(insert).await
    }

    /// A server's tables, and what is measured.
    async fn asked(&self) -> Result<Asked<'_>, StoreError> {
        Ok(Asked {
            client: &self.0.client,
            tables: &self.0.tables,
            measures: self.measures().await?,
        })
    }

    async fn measures(&self) -> Result<Measures, StoreError> {
        let Some(text) = self.setting("measures").await? else {
            return Ok(Measures::default());
        };
        serde_json::from_str(&text).map_err(|fault| {
            StoreError::Database(format!("table evidence_settings, measures: {fault}"))
        })
    }

    async fn secrets(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let question = Statement::new(format!(
            "SELECT secret FROM {} WHERE name = 'units'",
            self.0.tables.all(Table::Secrets)
        ));
        let answer = self.0.client.ask(question).await?;
        Ok(rows(&answer, Reader::fixed)?.pop())
    }
}

/// Under which name a reader's place is a setting.
fn bookmark(reader: &str) -> String {
    format!("bookmark {reader}")
}

#[async_trait]
impl EvidenceStore for ClickHouseStore {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        let appended = log::append(&self.0.client, &self.0.tables, batch).await?;
        let again = u64::try_from(appended.duplicate_outcomes.len()).unwrap_or(0);
        let new = batch.entries().saturating_sub(again);
        self.0.untold.fetch_add(new, Ordering::Relaxed);
        Ok(appended)
    }

    async fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        if self.measures().await? == *measures {
            return Ok(());
        }
        let text = serde_json::to_string(measures);
        let text = text.map_err(|fault| StoreError::Database(format!("measures: {fault}")))?;
        self.keep_setting("measures", &text).await
    }

    async fn fold(&self) -> Result<Folded, StoreError> {
        // The views did it, when it was kept.
        Ok(Folded {
            entries: self.0.untold.swap(0, Ordering::Relaxed),
            more: false,
        })
    }

    async fn sufficient(&self, experiment: &str, measure: &str) -> Result<Sufficient, StoreError> {
        self.asked().await?.sufficient(experiment, measure).await
    }

    async fn summary(&self, experiment: &str) -> Result<Summary, StoreError> {
        self.asked().await?.summary(experiment).await
    }

    async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        self.asked().await?.timeline(experiment, span).await
    }

    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError> {
        log::exposures(&self.0.client, &self.0.tables, scan).await
    }

    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError> {
        let name = bookmark(reader);
        let Some(text) = self.setting(&name).await? else {
            return Ok(Cursor::default());
        };
        text.parse().map(Cursor).map_err(|_| {
            StoreError::Database(format!("table evidence_settings, {name}: not a place"))
        })
    }

    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError> {
        if self.bookmark(reader).await? >= place {
            return Ok(());
        }
        self.keep_setting(&bookmark(reader), &place.0.to_string())
            .await
    }

    async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        self.asked().await?.unit(key).await
    }

    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        removal::forget(&self.0.client, &self.0.tables, key).await
    }

    async fn retain(&self, retention: &Retention, now: Micros) -> Result<Retained, StoreError> {
        removal::retain(&self.0.client, &self.0.tables, retention, now).await
    }

    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        if let Some(secret) = self.secrets().await? {
            return Ok(secret);
        }
        let mut row = Writer::default();
        row.text("units");
        row.fixed(candidate);
        let into = self.0.tables.all(Table::Secrets);
        let insert = Statement::new(format!("INSERT INTO {into} FORMAT RowBinary"))
            .set("insert_deduplicate", 1)
            .set("insert_deduplication_token", "units")
            .set("distributed_foreground_insert", 1)
            .set("async_insert", 0);
        self.0.client.insert(insert, row.finish()).await?;
        let secret = self.secrets().await?;
        secret.ok_or_else(|| StoreError::Database("the secret of units was not kept".to_owned()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.client.run(Statement::new("SELECT 1")).await
    }
}
