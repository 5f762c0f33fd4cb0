//! What Envoy says happened: access-log entries received ([`ingest`]), read with what the model says of
//! variants ([`catalog`], pure), and handed to the pipeline of `watershed-evidence`; and what proxies'
//! counters say (pure, [`counters`]; received, [`stats_sink`]), held against it ([`accounts`]), together
//! with what other replicas heard ([`exchange`]); and how exposures go out to others ([`lines`], [`parquet`],
//! [`jetstream`]). What does not live here: reading an entry, keeping it, and statistics over it.

pub mod accounts;
pub mod catalog;
pub mod counters;
pub mod desk;
pub mod exchange;
#[cfg(test)]
pub(crate) mod fake;
pub mod ingest;
pub mod jetstream;
mod keeper;
pub mod lines;
pub mod measures;
mod origin;
pub mod parquet;
pub mod report;
pub mod stats_sink;

pub use keeper::Evidence;
