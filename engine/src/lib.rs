//! Pure assignment: a configuration compiles to a [`Plan`](plan::Plan), a plan assigns units.
//!
//! What lives here: buckets and their allocation, the hash, and everything that decides which
//! variant a request gets. What does not: I/O, clocks, randomness and the environment. Time comes
//! in as an argument and the request as a [`Subject`](attribute::Subject), so the same code runs
//! inside Envoy and inside the control plane.
#![forbid(unsafe_code)]
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

pub mod allocation;
pub mod ranges;

pub use allocation::{AllocationError, reallocate, resize};
pub use ranges::{BUCKETS, RangeError, Ranges};
