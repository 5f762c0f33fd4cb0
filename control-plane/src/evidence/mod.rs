//! What Envoy says happened: access-log entries parsed (pure, [`parse`]) and received ([`ingest`]).
//! What does not live here: statistics over them.

pub mod ingest;
pub mod parse;
