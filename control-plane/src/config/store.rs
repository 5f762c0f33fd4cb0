//! The store's configuration.

use crate::leader::LeaderLock;
use crate::store::{Database, PostgresUrl};
use std::path::PathBuf;
use std::time::Duration;

/// Where the model is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct StoreConfig {
    /// The SQLite database file; made where there is none. Not used with --database-url.
    #[arg(long, value_name = "FILE", default_value = "watershed.db")]
    pub database: PathBuf,
    /// A PostgreSQL database instead, which several replicas can share:
    /// `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full`.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<PostgresUrl>,
    /// How often to look for changes of other replicas, in case that PostgreSQL's notification of
    /// one was lost.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub poll_interval: u64,
    /// How replicas agree on one that does timed work: `advisory`, a session's lock, free as soon as
    /// the session ends; `lease`, a row with an expiry, for poolers and databases without such locks.
    #[arg(long, value_enum, default_value_t = LeaderLock::Advisory)]
    pub leader_lock: LeaderLock,
}

impl StoreConfig {
    /// The database to open.
    #[must_use]
    pub fn target(&self) -> Database {
        match &self.database_url {
            Some(url) => Database::Postgres {
                url: url.clone(),
                locks: self.leader_lock == LeaderLock::Advisory,
            },
            None => Database::Sqlite(self.database.clone()),
        }
    }

    /// How often to look for changes of others.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_interval)
    }
}
