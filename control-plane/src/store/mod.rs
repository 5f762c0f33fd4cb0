//! The store: the model's documents, the record of every change, who may use the API and what they
//! did, in SQL. It keeps what it is
//! given and gives back what it kept; whether a change may be made is the model's to say.
//!
//! A change and its record are one transaction, and [`Store::commit`] returns after it is on disk.
//! The statements are plain SQL over sqlx's `Any` driver, for SQLite in a file of ours and for a
//! PostgreSQL that several replicas share; what only PostgreSQL has is in `postgres` and `leader`.

pub mod audit;
mod changes;
mod documents;
mod error;
mod hearsay;
mod import;
mod keys;
mod leader;
mod open;
mod postgres;
pub mod receipts;
mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod url;

pub use error::StoreError;
pub use hearsay::Said;
pub use import::{Import, Imported};
pub use leader::{LEASE, LeaderSession};
pub use open::Database;
pub use postgres::Listener;
pub use url::{BadUrl, PostgresUrl};

use crate::model::Model;
use crate::model::change::Edit;
use crate::model::integrity;
use receipts::Receipt;
use sqlx::{Any, AnyPool, Transaction};
use std::time::Duration;

/// How long the database may take for one of our transactions. Only one that hangs needs as long.
const PATIENCE: Duration = Duration::from_secs(15);

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    backend: Backend,
}

/// The right to commit before all others; see [`Store::turn`].
#[derive(Debug)]
pub struct Turn(Transaction<'static, Any>);

/// What kind of database it is.
#[derive(Clone, Debug)]
enum Backend {
    /// A file, and we are the only ones.
    Sqlite,
    /// A server, and there may be others.
    Postgres(postgres::Shared),
}

/// Who made a change, and why.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Author {
    /// Who: `key:NAME`, `oidc:SUBJECT`, `anonymous`, …
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The address that it came from, without port.
    pub peer: Option<String>,
    /// What the client calls itself; not to be trusted.
    pub user_agent: Option<String>,
}

impl Store {
    /// The model as it was last committed, checked as if it came from outside.
    ///
    /// # Errors
    /// [`StoreError`] naming the row that cannot be read, or the conflict between rows.
    pub async fn load(&self) -> Result<Model, StoreError> {
        bounded(async {
            let mut snapshot = self.snapshot().await?;
            let mut model = Model {
                revision: changes::last_revision(&mut snapshot).await?,
                ..Model::default()
            };
            for entry in documents::all(&mut snapshot).await? {
                model.insert(entry);
            }
            snapshot.commit().await?;
            integrity::check(&model).map_err(StoreError::Inconsistent)?;
            Ok(model)
        })
        .await
    }

    /// The model as it was last committed, read as what changed since `known`; nothing where that is
    /// it.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn catch_up(&self, known: &Model) -> Result<Option<Model>, StoreError> {
        let changed = bounded(async {
            let mut snapshot = self.snapshot().await?;
            let revision = changes::last_revision(&mut snapshot).await?;
            if revision <= known.revision {
                return Ok(Err(revision));
            }
            let mut model = known.clone();
            model.revision = revision;
            for (kind, key) in changes::removed_since(&mut snapshot, known.revision).await? {
                model.remove(kind, &key);
            }
            for entry in documents::since(&mut snapshot, known.revision).await? {
                model.insert(entry);
            }
            snapshot.commit().await?;
            Ok(Ok(model))
        })
        .await?;
        match changed {
            Err(revision) if revision == known.revision => Ok(None),
            // An older copy was restored under us.
            Err(_) => self.load().await.map(Some),
            Ok(model) => {
                integrity::check(&model).map_err(StoreError::Inconsistent)?;
                Ok(Some(model))
            }
        }
    }

    /// Keeps one edit and its records, and the receipt of whoever may send it again, all or nothing.
    /// When it returns, they are on disk.
    ///
    /// # Errors
    /// [`StoreError::Raced`] where another writer has made this revision: nothing was kept. After
    /// any other error only [`Store::load`] can tell what was.
    pub async fn commit(
        &self,
        edit: &Edit,
        author: &Author,
        receipt: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        self.commit_in(None, (edit, author, receipt)).await
    }

    /// [`Store::commit`] in a turn that was waited for.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_in(
        &self,
        turn: Option<Turn>,
        (edit, author, receipt): (&Edit, &Author, Option<&Receipt>),
    ) -> Result<(), StoreError> {
        bounded(async {
            let mut transaction = match turn {
                Some(Turn(transaction)) => transaction,
                None => self.begin().await?,
            };
            changes::insert(&mut transaction, edit, author).await?;
            audit::insert(&mut transaction, &audit::Event::of(edit, author)).await?;
            if let Some(receipt) = receipt {
                receipts::insert(&mut transaction, receipt).await?;
            }
            match &edit.after {
                Some(entry) => documents::put(&mut transaction, entry).await?,
                None => documents::delete(&mut transaction, edit.kind, &edit.key).await?,
            }
            self.tell(&mut transaction, edit.revision).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Waits for our turn among replicas: nobody else commits until it is used or dropped. Nothing
    /// where there are no others.
    ///
    /// # Errors
    /// [`StoreError`] where it takes too long.
    pub async fn turn(&self) -> Result<Option<Turn>, StoreError> {
        match &self.backend {
            Backend::Sqlite => Ok(None),
            Backend::Postgres(_) => bounded(async { Ok(Some(Turn(self.begin().await?))) }).await,
        }
    }

    /// A transaction that writes the model.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if let Backend::Postgres(_) = &self.backend {
            postgres::queue(&mut transaction).await?;
        }
        Ok(transaction)
    }

    /// One transaction, so that all it reads is of the same moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.pool.begin_with(self.backend.snapshot()).await?)
    }

    /// Tells other replicas of `revision`, where there can be any, once `transaction` is committed.
    async fn tell(
        &self,
        transaction: &mut Transaction<'static, Any>,
        revision: u64,
    ) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Postgres(shared) if shared.notifies => {
                postgres::notify(transaction, revision).await
            }
            Backend::Postgres(_) | Backend::Sqlite => Ok(()),
        }
    }

    /// Lets the file go, once what is under way is done. Nothing can be read or kept afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ping(&self) -> Result<(), StoreError> {
        bounded(async {
            sqlx::query("SELECT 1").execute(&self.pool).await?;
            Ok(())
        })
        .await
    }
}

/// A database that hangs must not hang us.
async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or(Err(StoreError::Timeout))
}
