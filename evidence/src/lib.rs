//! Evidence: what was assigned, what really ran, and what came of it.
//!
//! A tour: [`entry`] reads one access-log entry of Envoy into [`Exposure`]s, with units as [`unit`]
//! writes them and the served variant as the [`catalog`] knows it. [`Outcome`]s come from a response
//! header ([`header`]) or from applications. [`attribution`] says to what an outcome counts, [`sums`]
//! and [`sketch`] are what a unit and a variant come down to, [`winsorize`] holds back units that are far
//! out, [`loss`] is what did not arrive, as [`reconcile`] finds it out, also where several control planes
//! heard a part each ([`hearsay`]). [`block`] is what the log keeps, [`fold`] makes units of it, and what
//! an [`EvidenceStore`] promises is in [`store`]; [`sqlite`], [`postgres`] and [`clickhouse`] are three,
//! [`pipeline`] brings evidence into one, and [`intake`] access logs into the pipeline.
//!
//! What does not live here: gRPC and HTTP servers (the control plane's), and statistics (`stats`): this
//! crate ends at the sufficient statistics.

pub mod attribution;
pub mod batch;
pub mod block;
pub mod catalog;
pub mod clickhouse;
pub mod entry;
pub mod exposure;
pub mod fold;
pub mod header;
pub mod hearsay;
pub mod intake;
pub mod loss;
pub mod measure;
pub mod outcome;
pub mod outcomes;
pub mod pipeline;
pub mod postgres;
pub mod recent;
pub mod reconcile;
pub mod sketch;
pub mod sqlite;
pub mod store;
pub mod sums;
pub mod unit;
pub mod winsorize;

pub use batch::Batch;
pub use catalog::Catalog;
pub use clickhouse::ClickHouseStore;
pub use exposure::{Execution, Exposure, Reason};
pub use measure::{Measure, Measures, Source};
pub use outcome::{Outcome, Value};
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
pub use store::{EvidenceStore, StoreError};
pub use unit::{Privacy, Unit, UnitHasher, UnitKey};

/// What spans that are meant for a collector of traces are told by.
pub const TRACE_TARGET: &str = "watershed::trace";

/// Microseconds since 1970, UTC.
pub type Micros = i64;
