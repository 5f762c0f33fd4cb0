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
pub mod assign;
pub mod attribute;
pub mod attributes;
pub mod audience;
pub mod body;
pub mod bound;
pub mod bucketer;
pub mod compile;
pub mod condition;
pub mod experiment;
pub mod explain;
pub mod hash;
pub mod pin;
pub mod plan;
pub mod ranges;
pub mod request;
mod scope;
pub mod service;
mod strategy;
pub mod surroundings;
pub mod time;
pub mod token;
mod walk;

pub use allocation::{AllocationError, reallocate, resize};
pub use assign::{Decision, Noop, Step, Verdict, Visitor};
pub use attribute::{Attribute, AttributeId, Generated, SameSite, Subject};
pub use attributes::Attributes;
pub use body::Pointer;
pub use bound::Bound;
pub use bucketer::Bucketer;
pub use compile::{CompileError, DecodeError};
pub use experiment::{Experiment, Header, Stickiness, Variant};
pub use explain::Explanation;
pub use pin::{Pin, PinnedBy};
pub use plan::{ForceSources, Plan};
pub use ranges::{BUCKETS, RangeError, Ranges};
pub use request::Headers;
pub use service::{RoutingRule, Service};
pub use strategy::Features;
pub use surroundings::{Bare, Request, Surroundings};
pub use token::{Force, Keys, Sticky, TokenError};
