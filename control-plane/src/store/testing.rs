//! Databases for tests, one of each kind, so that the same test runs on both.

use super::{Database, Store};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use watershed_harness::{Durability, Postgres};

/// A database of a test's own.
pub(crate) enum TestDatabase {
    /// A file in a folder.
    Sqlite(TempDir),
    /// A database of a server.
    Postgres {
        /// The server.
        server: Box<Postgres>,
        /// The database.
        url: String,
    },
}

impl TestDatabase {
    /// A file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A server; nothing where this machine has none, which was then said.
    pub(crate) fn postgres() -> Option<Self> {
        let server = Box::new(Postgres::start(Durability::None)?);
        let url = server.url("postgres");
        Some(Self::Postgres { server, url })
    }

    /// Another, empty one of that name on the same server.
    pub(crate) fn anew(self, name: &str) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres { server, .. } => {
                let url = server.create(name);
                Self::Postgres { server, url }
            }
        }
    }

    /// The server, where it is one.
    pub(crate) fn server(&mut self) -> &mut Postgres {
        match self {
            Self::Sqlite(_) => panic!("SQLite has no server"),
            Self::Postgres { server, .. } => server,
        }
    }

    /// Where it is.
    pub(crate) fn target(&self) -> Database {
        match self {
            Self::Sqlite(folder) => Database::Sqlite(folder.path().join("watershed.db")),
            Self::Postgres { url, .. } => Database::Postgres {
                url: url.parse().unwrap(),
                locks: true,
            },
        }
    }

    /// Opens it as a server does.
    pub(crate) async fn open(&self) -> Store {
        Store::connect(&self.target()).await.unwrap()
    }

    /// A connection that no rule of ours binds.
    pub(crate) async fn raw(&self) -> AnyConnection {
        install_default_drivers();
        let url = match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("watershed.db");
                format!("sqlite://{}?mode=rwc", path.display())
            }
            Self::Postgres { url, .. } => url.clone(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }
}

/// Runs functions that take a `&TestDatabase` on each kind of database: on SQLite as a test each, on
/// PostgreSQL as one test, because to make a server takes longer than all of them.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&crate::store::testing::TestDatabase::sqlite()).await;
            })+
        }
        #[tokio::test]
        async fn all_of_it_on_postgresql() {
            let Some(database) = crate::store::testing::TestDatabase::postgres() else {
                return;
            };
            let number = 0;
            $(let number = number + 1;
            eprintln!("on PostgreSQL: {}", stringify!($test));
            let database = database.anew(&format!("test_{number}"));
            $test(&database).await;)+
            drop(database);
        }
    };
}
pub(crate) use on_both_stores;
