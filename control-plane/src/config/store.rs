//! The store's configuration.

use std::path::PathBuf;

/// Where the model is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct StoreConfig {
    /// The SQLite database file; made where there is none.
    #[arg(long, value_name = "FILE", default_value = "watershed.db")]
    pub database: PathBuf,
}
