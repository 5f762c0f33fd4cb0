//! The harness of the stories in `tests/tests`: real processes on free ports, started for one story and
//! gone with it. What lives here: starting and watching the processes ([`Stack`]), talking to them
//! ([`http`], [`api`], [`admin`]), and reading what traffic did ([`traffic`], [`split`]). What does not:
//! any expectation of the product; those are the stories' own.
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

pub mod admin;
pub mod api;
pub mod binaries;
pub mod collector;
pub mod control_plane;
pub mod echo;
pub mod envoy;
mod eventually;
pub mod http;
pub mod pages;
pub mod sidecar;
pub mod split;
pub mod stack;
pub mod standalone;
pub mod tls;
pub mod traffic;
mod upstream;

pub use eventually::{PATIENCE, eventually, within};
pub use stack::{Stack, documents};
pub use standalone::Standalone;
pub use upstream::Upstream;
pub use watershed_harness::{ClickHouse, Durability, Nats, Port, Postgres, process};
