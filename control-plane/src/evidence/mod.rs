//! What Envoy says happened: access-log entries parsed (pure, [`parse`]) and received ([`ingest`]).
//! What does not live here: statistics over them.

pub mod desk;
#[cfg(test)]
pub(crate) mod fake;
pub mod ingest;
pub mod lines;
pub mod measures;
pub mod parse;
pub mod report;
