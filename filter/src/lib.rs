//! The proxy-wasm filter: assigns and stamps requests inside Envoy.
//!
//! What lives here: the way from host calls to the engine and back. What does not: any decision
//! about who gets what, which is the engine's.
//!
//! A tour: [`root`] takes configurations and keeps the last good plan; [`request`] is the path of
//! one request; both speak to Envoy only through [`host::Host`]. On wasm32 `envoy` implements that
//! trait on the raw calls of `abi` and hooks both into proxy-wasm; natively a fake stands in.
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
pub mod baggage;
pub mod body;
pub mod claims;
pub mod config;
pub mod counters;
#[cfg(target_arch = "wasm32")]
mod envoy;
#[cfg(test)]
mod fake;
pub mod header_map;
pub mod host;
pub mod record;
pub mod request;
pub mod root;
pub mod set_cookie;
