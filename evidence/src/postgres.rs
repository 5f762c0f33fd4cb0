//! The evidence in a PostgreSQL that several replicas share: the log ([`log`]) and what is folded from it
//! ([`units`], asked in [`answers`] and [`winsorized`]), in tables of their own (`schema.sql`).
//!
//! Two rows are the locks between replicas. Whoever appends holds that of `evidence_head` until the commit,
//! so numbers of the log become visible in their order; whoever folds holds that of `evidence_progress`,
//! and another one that comes meanwhile has nothing to do ([`StoreError::Raced`]).

mod answers;
mod error;
mod log;
mod sums;
#[cfg(test)]
mod tests;
mod units;
mod winsorized;

use crate::Micros;
use crate::batch::Batch;
use crate::fold::{Layout, Names};
use crate::measure::Measures;
use crate::store::{
    Appended, Cursor, EvidenceStore, Folded, Forgotten, Minute, Page, Retained, Retention, Scan,
    Span, StoreError, Sufficient, Summary, UnitRecord,
};
use crate::unit::UnitKey;
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool, Row as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const SCHEMA: &str = include_str!("postgres/schema.sql");
/// 2: what units that strayed contribute, and values by the day since the first exposure.
const VERSION: i64 = 2;

/// One appends, one folds, the others answer.
const CONNECTIONS: u32 = 6;
/// How long a connection may take.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long anything but a fold or a removal may take. Only a server that hangs needs as long; what was
/// sent to it is sent again.
const PATIENCE: Duration = Duration::from_secs(30);
/// A client that hangs does not keep the others waiting.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '120s'";
/// How long reading all units of an experiment may take: some 10 seconds for ten million.
const SCAN_PATIENCE: Duration = Duration::from_secs(600);
/// One moment of the whole database, for all statements of an answer.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The evidence in PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    /// What was known by heart when we folded last; nothing where that did not end well.
    known: Mutex<Option<ByHeart>>,
}

/// What a fold needs besides the log, and what it follows from.
#[derive(Clone, Debug)]
struct ByHeart {
    measures: Measures,
    names: Names,
    /// How many of the names are kept.
    kept: usize,
    layout: Layout,
}

impl PostgresStore {
    /// Opens the database, and makes the tables that are not there.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be reached or was written by a newer version.
    pub async fn open(options: PgConnectOptions) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SESSION).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        migrate(&pool).await?;
        Ok(Self(Arc::new(Shared {
            pool,
            known: Mutex::new(None),
        })))
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }
}

/// Two replicas that start at once may make the same table: one of them is told that it is there.
async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    // The table that came last: what has no number is there as soon as all tables are.
    let there: bool = sqlx::query_scalar("SELECT to_regclass('evidence_bookmarks') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    if !there {
        let mut attempts = 0;
        while let Err(fault) = pool.execute(SCHEMA).await {
            attempts += 1;
            if attempts == 5 || !error::made_meanwhile(&fault) {
                return Err(fault.into());
            }
        }
    }
    let found: i64 = sqlx::query_scalar("SELECT version FROM evidence_schema")
        .fetch_one(pool)
        .await?;
    if found > VERSION {
        return Err(StoreError::NewerSchema {
            found,
            known: VERSION,
        });
    }
    if found < VERSION {
        units::make_anew(pool, found, VERSION).await?;
    }
    Ok(())
}

/// Gives up where the server hangs.
async fn patiently<T>(
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    within(PATIENCE, work).await
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let hangs = || StoreError::Unavailable(format!("no answer in {} s", patience.as_secs()));
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(hangs()))
}

#[async_trait]
impl EvidenceStore for PostgresStore {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        patiently(log::append(self.pool(), batch)).await
    }

    async fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        let mut known = self.0.known.lock().await;
        *known = None;
        units::define(self.pool(), measures).await
    }

    async fn fold(&self) -> Result<Folded, StoreError> {
        let mut known = self.0.known.lock().await;
        // What a fold that failed numbered may not be kept: it is read again then.
        let by_heart = known.take();
        let (folded, by_heart) = units::fold(self.pool(), by_heart).await?;
        *known = Some(by_heart);
        Ok(folded)
    }

    async fn sufficient(&self, experiment: &str, measure: &str) -> Result<Sufficient, StoreError> {
        let (mut moment, mut answer) = patiently(async {
            let mut moment = self.pool().begin_with(SNAPSHOT).await?;
            let answer = answers::sufficient(&mut moment, experiment, measure).await?;
            Ok((moment, answer))
        })
        .await?;
        if answer.measure.winsorize.is_some() {
            let clipped = winsorized::winsorize(&mut moment, experiment, measure, &mut answer);
            within(SCAN_PATIENCE, clipped).await?;
        }
        Ok(answer)
    }

    async fn summary(&self, experiment: &str) -> Result<Summary, StoreError> {
        patiently(async {
            let mut moment = self.pool().begin_with(SNAPSHOT).await?;
            answers::summary(&mut moment, experiment).await
        })
        .await
    }

    async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        patiently(answers::timeline(self.pool(), experiment, span)).await
    }

    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError> {
        patiently(log::exposures(self.pool(), scan)).await
    }

    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError> {
        patiently(log::bookmark(self.pool(), reader)).await
    }

    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError> {
        patiently(log::keep_bookmark(self.pool(), reader, place)).await
    }

    async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        patiently(answers::unit(self.pool(), key)).await
    }

    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let by_heart = units::by_heart(&mut transaction).await?;
        let experiments = units::forget(&mut transaction, &by_heart.layout, key).await?;
        let (exposures, outcomes) = log::forget(&mut transaction, key).await?;
        transaction.commit().await?;
        Ok(Forgotten {
            exposures,
            outcomes,
            experiments,
        })
    }

    async fn retain(&self, retention: &Retention, now: Micros) -> Result<Retained, StoreError> {
        let before = |age: Duration| {
            now.saturating_sub(Micros::try_from(age.as_micros()).unwrap_or(Micros::MAX))
        };
        let mut transaction = self.pool().begin().await?;
        let by_heart = units::by_heart(&mut transaction).await?;
        let blocks = log::retain(&mut transaction, before(retention.raw)).await?;
        let units =
            units::retain(&mut transaction, &by_heart.layout, before(retention.units)).await?;
        transaction.commit().await?;
        Ok(Retained { blocks, units })
    }

    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        patiently(async {
            sqlx::query("INSERT INTO evidence_secrets VALUES ('units', $1) ON CONFLICT DO NOTHING")
                .bind(candidate.as_slice())
                .execute(self.pool())
                .await?;
            let row = sqlx::query("SELECT secret FROM evidence_secrets WHERE name = 'units'")
                .fetch_one(self.pool())
                .await?;
            let secret: Vec<u8> = row.try_get(0)?;
            let length = secret.len();
            secret.try_into().map_err(|_| {
                StoreError::Database(format!(
                    "table evidence_secrets, row units: {length} bytes, 32 are expected"
                ))
            })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        patiently(async {
            self.pool().execute("SELECT 1").await?;
            Ok(())
        })
        .await
    }
}

/// Numbers of names are below [`crate::fold::MAX_NAMES`].
fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Back again.
fn number(integer: i32) -> u32 {
    u32::try_from(integer).unwrap_or(u32::MAX)
}

/// Counts as the database has them.
fn big(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Back again.
fn count(big: i64) -> u64 {
    u64::try_from(big).unwrap_or(0)
}

fn unit_key(bytes: &[u8]) -> Result<UnitKey, StoreError> {
    let key = bytes.try_into().map(UnitKey);
    key.map_err(|_| StoreError::Database(format!("a unit of {} bytes, not 16", bytes.len())))
}
