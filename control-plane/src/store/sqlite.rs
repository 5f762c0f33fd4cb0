//! SQLite: find out early, and in words, why a file cannot be used.

use super::StoreError;
use super::open::migrate;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};
use std::fmt::Write;
use std::path::Path;

/// There is one writer; a second connection keeps readiness checks from waiting for it.
const CONNECTIONS: u32 = 2;

/// Each connection waits up to 5 s for another process' write, and a commit waits for the disk.
const PRAGMAS: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";

/// Opens the file, makes it where there is none, and brings its schema up to date.
pub(super) async fn open(path: &Path) -> Result<AnyPool, StoreError> {
    let url = url(path)?;
    prepare(path, &url).await?;
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(PRAGMAS).await?;
                Ok(())
            })
        })
        .connect(&url)
        .await
        .map_err(|source| open_error(path, &source))
}

/// Checks and migrates over one connection of its own: a pool would try again for half a minute
/// where a file is simply not a database.
async fn prepare(path: &Path, url: &str) -> Result<(), StoreError> {
    let opened = |source| open_error(path, &source);
    let mut connection = AnyConnection::connect(url).await.map_err(opened)?;
    connection.execute(PRAGMAS).await.map_err(opened)?;
    // Stays with the file: readers and the writer do not wait for one another.
    let wal = "PRAGMA journal_mode = WAL";
    connection.execute(wal).await.map_err(opened)?;
    let verdict = connection
        .fetch_one("PRAGMA quick_check(1)")
        .await
        .and_then(|row| row.try_get::<String, _>(0))
        .map_err(opened)?;
    if verdict != "ok" {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: verdict,
        });
    }
    migrate(&mut connection, true).await?;
    connection.close().await.map_err(opened)
}

/// A `sqlite:` URL for `path`, which must be absolute there and percent-encoded.
fn url(path: &Path) -> Result<String, StoreError> {
    let unusable = |reason| StoreError::Path {
        path: path.to_owned(),
        reason,
    };
    let absolute = std::path::absolute(path).map_err(|_| unusable("it is empty"))?;
    let text = absolute.to_str().ok_or(unusable("it is not UTF-8"))?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push_str("?mode=rwc");
    Ok(url)
}

/// SQLite's primary result codes (sqlite.org/rescode.html).
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

fn open_error(path: &Path, source: &sqlx::Error) -> StoreError {
    let path = path.to_owned();
    // The code's low byte is the primary one, what is above details it.
    let code = source
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Damaged {
            path,
            reason: source.to_string(),
        },
        _ => StoreError::Open {
            path,
            reason: source.to_string(),
        },
    }
}
