//! The lock that makes one replica the leader, in two kinds. An advisory lock is free at once when its
//! session ends, but a session must last, which poolers that share sessions and some databases do not
//! give. A lease is a row that anybody may take over once it has expired by the database's own clock.

use super::{Backend, Store, StoreError};
use sqlx::{AnyConnection, Connection, Row};
use std::time::Duration;

/// What the advisory lock is named: `watershe` in ASCII, so that it is nobody else's.
const ADVISORY: i64 = 0x7761_7465_7273_6865;

/// How long a lease counts from when it was taken or renewed.
pub const LEASE: Duration = Duration::from_secs(6);

/// Takes the lease where it is free, expired, or ours already. Times are the database's.
const TAKE: &str = "INSERT INTO leases (name, holder, expires_at) \
    VALUES ('leader', $1, CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) + $2) \
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
    WHERE leases.holder = excluded.holder \
    OR leases.expires_at < CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)";

/// A session that holds, or tries to hold, the advisory lock.
#[derive(Debug)]
pub struct LeaderSession(AnyConnection);

impl LeaderSession {
    /// Whether we have the lock now. A session that has it keeps it until it ends.
    ///
    /// # Errors
    /// [`StoreError`] where the session is gone, and the lock with it.
    pub async fn try_lock(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT pg_try_advisory_lock($1)")
            .bind(ADVISORY)
            .fetch_one(&mut self.0)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Whether the session still lives.
    ///
    /// # Errors
    /// [`StoreError`] where it does not.
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        Ok(self.0.ping().await?)
    }
}

impl Store {
    /// Whether other replicas may share this database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }

    /// A session of its own for the advisory lock; nothing where the database is nobody else's.
    ///
    /// # Errors
    /// [`StoreError`] where there is no connection to be had.
    pub async fn leader_session(&self) -> Result<Option<LeaderSession>, StoreError> {
        match &self.backend {
            Backend::Sqlite => Ok(None),
            Backend::Postgres(shared) => {
                let connection = AnyConnection::connect(shared.url.secret()).await?;
                Ok(Some(LeaderSession(connection)))
            }
        }
    }

    /// Takes or renews the lease for `holder`. Whether it has it for [`LEASE`] from now.
    ///
    /// # Errors
    /// [`StoreError`] where the database fails.
    pub async fn take_lease(&self, holder: &str) -> Result<bool, StoreError> {
        let taken = sqlx::query(TAKE)
            .bind(holder.to_owned())
            .bind(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await?;
        Ok(taken.rows_affected() > 0)
    }
}
