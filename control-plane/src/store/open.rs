//! Opening the database, whichever it is, and bringing its schema up to date.

use super::{Backend, Store, StoreError, postgres, sqlite};
use crate::store::PostgresUrl;
use sqlx::AnyConnection;
use sqlx::any::install_default_drivers;
use sqlx::migrate::{MigrateError, Migrator};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Where the model is kept.
#[derive(Clone, Debug)]
pub enum Database {
    /// In a file.
    Sqlite(PathBuf),
    /// On a server that others may share.
    Postgres {
        /// Where it is.
        url: PostgresUrl,
        /// Whether it has advisory locks. Without them, start one replica alone after an update, so
        /// that no two change the schema at once.
        locks: bool,
    },
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres { url, .. } => write!(f, "{url}"),
        }
    }
}

impl Store {
    /// Opens a database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened, is damaged, or was written by a newer version.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite(path) => Self::open(path).await,
            Database::Postgres { url, locks } => {
                install_default_drivers();
                let notifies = postgres::prepare(url, *locks).await?;
                let backend = Backend::Postgres(postgres::Shared {
                    url: url.clone(),
                    notifies,
                });
                let pool = postgres::pool(url).await?;
                Ok(Self { pool, backend })
            }
        }
    }

    /// Opens the SQLite database at `path`, makes it where there is none, and brings its schema up
    /// to date.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened, is damaged, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        install_default_drivers();
        let pool = sqlite::open(path).await?;
        Ok(Self {
            pool,
            backend: Backend::Sqlite,
        })
    }
}

/// Brings the schema up to date. `locking` keeps others from doing so at the same time.
pub(super) async fn migrate(
    connection: &mut AnyConnection,
    locking: bool,
) -> Result<(), StoreError> {
    let migrator = Migrator {
        migrations: Cow::Borrowed(&MIGRATIONS.migrations),
        locking,
        ..Migrator::DEFAULT
    };
    migrator.run(connection).await.map_err(migrate_error)
}

fn migrate_error(error: MigrateError) -> StoreError {
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(found) if found > known => {
            StoreError::NewerSchema { found, known }
        }
        other => StoreError::Migrate(other),
    }
}
