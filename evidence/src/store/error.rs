//! What can go wrong with a store.

use crate::block::BadBlock;
use thiserror::Error;

/// Why a store did not do as asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, or did not answer in time. Trying again may help.
    #[error("the evidence database does not answer: {0}")]
    Unavailable(String),
    /// There is no room left. Trying again helps once there is.
    #[error("no room left for evidence: {0}; free some, or shorten the retention")]
    Full(String),
    /// The database refused.
    #[error("the evidence database: {0}")]
    Database(String),
    /// A block of the log cannot be read.
    #[error("block {id} of the evidence log: {fault}")]
    Block {
        /// Its number.
        id: i64,
        /// What is wrong with it.
        fault: BadBlock,
    },
    /// It was written by a newer version of this program.
    #[error("the evidence database has schema {found}; this version knows {known}")]
    NewerSchema {
        /// The database's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Nobody measures this.
    #[error("nothing is measured under the name {0:?}")]
    UnknownMeasure(String),
    /// Another process folded the same part of the log. Nothing was done twice.
    #[error("another process has folded this part of the log")]
    Raced,
}

impl StoreError {
    /// Whether the same may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::Raced)
    }
}
