//! PostgreSQL, and what speaks its protocol: opening it, telling other replicas of a commit, and
//! hearing of theirs. What is not plain SQL is here and in [`super::leader`]; a database that lacks
//! it is found out when it is opened, and does without.

use super::open::migrate;
use super::{Backend, PostgresUrl, Store, StoreError};
use sqlx::any::AnyPoolOptions;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use std::time::Duration;

/// The channel that commits are told on. The payload is the revision.
const CHANNEL: &str = "watershed";

/// Writes come one after the other; the others are for readiness, the audit and the keys.
const CONNECTIONS: u32 = 5;

/// How long a write waits for a connection before it says that there is no database.
const ACQUIRE: Duration = Duration::from_secs(3);

/// How long opening waits: long enough for a database that is being started beside us.
const OPEN: Duration = Duration::from_secs(10);

/// A client that hangs does not keep the others waiting: neither by a statement, nor by a transaction
/// that it forgot.
const SESSION: &str =
    "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";

/// One moment of the whole database, for all statements of a transaction.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A database that others may write to as well.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) url: PostgresUrl,
    /// Whether it can tell of commits. One that cannot is asked from time to time.
    pub(super) notifies: bool,
}

/// Hears of the commits of all replicas.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// The next revision that somebody committed; nothing where some may have been missed. What came
    /// meanwhile is one: only the newest counts.
    ///
    /// # Errors
    /// [`StoreError`] where the connection is gone and there is no other.
    pub async fn heard(&mut self) -> Result<Option<u64>, StoreError> {
        let Some(mut told) = self.0.try_recv().await? else {
            return Ok(None);
        };
        while let Some(newer) = self.0.next_buffered() {
            told = newer;
        }
        Ok(told.payload().parse().ok())
    }
}

impl Store {
    /// Hears of commits from now on. Nothing where nobody else commits, or where the database cannot
    /// tell.
    ///
    /// # Errors
    /// [`StoreError`] where there is no connection to be had.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Backend::Postgres(Shared {
            url,
            notifies: true,
        }) = &self.backend
        else {
            return Ok(None);
        };
        // One connection, for as long as it lives.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(url.options())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        Ok(Some(Listener(listener)))
    }
}

#[cfg(test)]
impl Store {
    /// The same on a database that cannot tell of commits.
    pub(crate) fn unheard(mut self) -> Self {
        if let Backend::Postgres(shared) = &mut self.backend {
            shared.notifies = false;
        }
        self
    }
}

/// Tells every replica of `revision`, once the transaction is committed.
pub(super) async fn notify(
    connection: &mut AnyConnection,
    revision: u64,
) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(revision.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Waits until no other transaction writes the model. Without it a replica that writes much would
/// always be first, and one that writes little would never be.
pub(super) async fn queue(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT holder FROM leases WHERE name = 'writer' FOR UPDATE")
        .execute(connection)
        .await?;
    Ok(())
}

impl Backend {
    /// How a transaction begins that reads one moment of everything.
    pub(super) fn snapshot(&self) -> &'static str {
        match self {
            // Every transaction of SQLite does.
            Self::Sqlite => "BEGIN",
            Self::Postgres(_) => SNAPSHOT,
        }
    }
}

/// Checks and migrates over one connection of its own: a pool would try again where the URL is simply
/// wrong. Returns whether the database can tell of commits.
pub(super) async fn prepare(url: &PostgresUrl, locks: bool) -> Result<bool, StoreError> {
    let unreachable = |source: sqlx::Error| unreachable(url, &source);
    let connecting = AnyConnection::connect(url.secret());
    let mut connection = tokio::time::timeout(OPEN, connecting)
        .await
        .map_err(|_| StoreError::Timeout)?
        .map_err(unreachable)?;
    migrate(&mut connection, locks).await?;
    let told = notify(&mut connection, 0).await;
    if let Err(fault) = &told {
        tracing::warn!(%fault, "the database cannot tell of changes; it is asked from time to time");
    }
    connection.close().await.map_err(unreachable)?;
    Ok(told.is_ok())
}

/// Connections for everything but listening.
pub(super) async fn pool(url: &PostgresUrl) -> Result<AnyPool, StoreError> {
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        })
        .connect(url.secret())
        .await
        .map_err(|source| unreachable(url, &source))
}

fn unreachable(url: &PostgresUrl, source: &sqlx::Error) -> StoreError {
    StoreError::Unreachable {
        url: url.to_string(),
        reason: source.to_string(),
    }
}
