//! Processes that tests start, whatever crate the test is in: ports that nobody else gets, children
//! that never outlive their test, and a PostgreSQL, ClickHouse or NATS of one's own. Knows nothing of Watershed; the
//! control plane, Envoy and the stories are `tests/`'s.
//!
//! The harness panics where it can't go on: it is only ever used inside a test, and a panic is how a
//! test says why it failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod clickhouse;
mod nats;
mod port;
mod postgres;
pub mod process;

pub use clickhouse::ClickHouse;
pub use nats::Nats;
pub use port::Port;
pub use postgres::{Durability, Postgres};
