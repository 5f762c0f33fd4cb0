//! What PostgreSQL's errors mean for a store.

use crate::store::StoreError;
use sqlx::Error;

impl From<Error> for StoreError {
    fn from(fault: Error) -> Self {
        let text = fault.to_string();
        match &fault {
            Error::Io(_)
            | Error::Tls(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::Protocol(_) => Self::Unavailable(text),
            Error::Database(from) => match from.code().as_deref() {
                Some("53100") => Self::Full(text),
                // Connections, resources, an operator's doing, another transaction; a standby.
                Some(code)
                    if ["08", "53", "57", "40", "55"]
                        .iter()
                        .any(|it| code.starts_with(it))
                        || code == "25006" =>
                {
                    Self::Unavailable(text)
                }
                _ => Self::Database(text),
            },
            _ => Self::Database(text),
        }
    }
}

/// Whether somebody else made the same table at the same time.
pub(super) fn made_meanwhile(fault: &Error) -> bool {
    let code = fault
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(
        code.as_deref(),
        Some("23505" | "42P07" | "42710" | "40P01" | "40001")
    )
}
