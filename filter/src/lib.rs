//! The proxy-wasm filter: assigns and stamps requests inside Envoy.
//!
//! What lives here: the way from host calls to the engine and back. What does not: any decision
//! about who gets what, which is the engine's.
//!
//! A tour: [`root`] takes configurations and keeps the last good plan; [`exchange`] follows one
//! request through Envoy's calls, waits for its [`body`] where a plan reads it, and hands it to
//! [`request`], which gathers what the engine asks ([`around`], [`pins`]) and writes what
//! [`upstream`] and client ([`response`]) get; what an answer says of its cost is read while it passes by
//! ([`usage`]). All of it speaks to Envoy only through
//! [`host::Host`]. On wasm32 `envoy` implements that trait on the raw calls of `abi`, which also has the
//! symbols that Envoy calls; natively a fake stands in.
//!
//! Nothing here may panic: a trap takes the VM down for every request that it serves.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(target_arch = "wasm32")]
mod abi;
pub mod around;
pub mod baggage;
pub mod body;
pub mod claims;
pub mod config;
pub mod counters;
#[cfg(target_arch = "wasm32")]
mod envoy;
pub mod exchange;
#[cfg(test)]
mod fake;
pub mod header_map;
pub mod hidden;
pub mod host;
pub mod parked;
pub mod pins;
pub mod record;
pub mod request;
pub mod response;
pub mod root;
pub mod set_cookie;
pub mod stamp;
pub mod tally;
pub mod upstream;
pub mod usage;
