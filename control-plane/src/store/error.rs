//! What can go wrong with the store. The messages are read by who starts the server or by who is on
//! call, so they name the file or the row. A message holds its cause and the cause is not told again
//! as a source, so that a printed chain says everything once.

use crate::model::document::RestoreError;
use crate::model::integrity::Conflict;
use std::path::PathBuf;
use thiserror::Error;

/// A fault of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The path cannot be the name of a database.
    #[error("{} is not a usable path for a database: {reason}", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The database cannot be opened for writing.
    #[error("cannot open the database {}: {reason}; is the folder there, and may we write in it?", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The file is something else, or damaged.
    #[error("{} is not a database of ours or is damaged: {reason}; move it away or restore a copy", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The server cannot be reached, or does not let us in.
    #[error("cannot use the database {url}: {reason}")]
    Unreachable {
        /// Where it should be, without its password.
        url: String,
        /// What happened instead.
        reason: String,
    },
    /// The database does not answer in time.
    #[error("the database did not answer in time")]
    Timeout,
    /// A newer Watershed has written it.
    #[error(
        "the database has schema {found}, newer than {known}, the newest that this version knows; start the version that wrote it, or a later one"
    )]
    NewerSchema {
        /// The migration it has.
        found: i64,
        /// The last one that we have.
        known: i64,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the database's schema up to date: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// A row is not what we wrote.
    #[error("table documents, row kind={kind} key={key}: {fault}")]
    Row {
        /// The row's kind.
        kind: String,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        fault: Box<RowError>,
    },
    /// A record of a change is not what we wrote.
    #[error("table changes, row kind={kind} key={key}: {fault}")]
    Change {
        /// What was changed.
        kind: String,
        /// Its name.
        key: String,
        /// What is wrong with the row.
        fault: Box<RowError>,
    },
    /// A record of the audit is not what we wrote.
    #[error("table audit, row id={id}: {fault}")]
    Record {
        /// The record.
        id: String,
        /// What is wrong with it.
        fault: Box<RowError>,
    },
    /// An API key is not what we wrote.
    #[error("table api_keys, row id={id}: {fault}")]
    KeyRow {
        /// The key.
        id: String,
        /// What is wrong with it.
        fault: Box<RowError>,
    },
    /// A receipt is not what we wrote.
    #[error("table receipts, row idempotency_key={key}: {fault}")]
    ReceiptRow {
        /// The receipt's key.
        key: String,
        /// What is wrong with it.
        fault: Box<RowError>,
    },
    /// Each row is good, but not with another.
    #[error("the stored model contradicts itself: {0}")]
    Inconsistent(Box<Conflict>),
    /// What is only done to an empty store was to be done to one that is not.
    #[error("the store is not empty: its model was changed before, and is at revision {revision}")]
    NotEmpty {
        /// Where the model is.
        revision: u64,
    },
    /// Another writer has made what we were about to make: the revision, or the key of that name.
    #[error("another writer has changed the model at the same time")]
    Raced,
    /// A document could not be written as text.
    #[error(transparent)]
    Encode(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Sql(sqlx::Error),
}

/// SQLSTATEs by which a database undoes one of two transactions that cannot both be: a serialisation
/// failure and a deadlock. SQLite has no such codes.
const UNDONE: [&str; 2] = ["40001", "40P01"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        match code {
            Some(code) if UNDONE.contains(&code.as_ref()) => Self::Raced,
            _ => Self::Sql(error),
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Error)]
pub enum RowError {
    /// A column is not of its type.
    #[error("{0}")]
    Column(#[from] sqlx::Error),
    /// There is no such kind.
    #[error("there is no such kind")]
    Kind,
    /// A time is not one.
    #[error("a time cannot be read: {0}")]
    Time(#[from] jiff::Error),
    /// A revision is negative.
    #[error("the revision is negative")]
    Revision,
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] RestoreError),
    /// A text that should be JSON is not.
    #[error("a text is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A name is not one.
    #[error("the name is not a key")]
    Name,
    /// What a write did is not known.
    #[error("there is no such status")]
    Effect,
    /// A role is not one.
    #[error("there is no such role")]
    Role,
    /// A hash is not one.
    #[error("the hash is not 64 hexadecimal digits")]
    Hash,
}
