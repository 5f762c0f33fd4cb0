//! What Envoy says happened: access-log entries received ([`ingest`]), read with what the model says of
//! variants ([`catalog`], pure), and handed to the pipeline of `watershed-evidence`. What does not live
//! here: reading an entry, keeping it, and statistics over it.

pub mod catalog;
pub mod desk;
#[cfg(test)]
pub(crate) mod fake;
pub mod ingest;
mod keeper;
pub mod lines;
pub mod measures;
pub mod report;

pub use keeper::Evidence;
