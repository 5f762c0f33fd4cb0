//! What the server is told at its start: arguments and environment, one struct per concern. Reading
//! them is here, acting on them is not.

mod api;
mod evidence;
mod exposures;
mod filter;
mod store;
mod telemetry;
mod traces;
mod xds;

pub use api::{ApiConfig, ConfigError};
pub use evidence::{EvidenceConfig, EvidenceDatabase, EvidenceUrl};
pub use exposures::ExposuresConfig;
pub use filter::FilterConfig;
pub use store::StoreConfig;
pub use telemetry::TelemetryConfig;
pub use traces::TracesConfig;
pub use xds::{XdsConfig, XdsConfigError, XdsSecurity};

use std::path::PathBuf;

/// Arguments of `watershed serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeConfig {
    /// The REST API.
    #[command(flatten)]
    pub api: ApiConfig,
    /// The xDS and access-log server.
    #[command(flatten)]
    pub xds: XdsConfig,
    /// Where the model is kept.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Where evidence is kept.
    #[command(flatten)]
    pub evidence: EvidenceConfig,
    /// Where raw exposures go besides.
    #[command(flatten)]
    pub exposures: ExposuresConfig,
    /// What proxies are told of the filter.
    #[command(flatten)]
    pub filter: FilterConfig,
    /// When telemetry counts as missing.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Where traces go.
    #[command(flatten)]
    pub traces: TracesConfig,
    /// A file to write once everything listens: `{"api": "ADDRESS", "xds": "ADDRESS"}`.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}
