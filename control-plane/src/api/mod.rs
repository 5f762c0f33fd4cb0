//! The REST API. Handlers read what was asked, hand it to [`Control`], and show what became of it;
//! every rule about the model is the model's. `router` is the index of endpoints.

mod audit;
mod auth;
mod backup;
mod difference;
mod documents;
mod endpoint;
mod error;
mod evaluate;
mod experiments;
mod exposures;
mod fleets;
mod force;
mod gate;
mod health;
mod idempotency;
mod input;
mod key_set;
mod keys;
mod layers;
mod list;
mod ofrep;
mod openapi;
mod outcome_stream;
mod outcomes;
mod pages;
mod preview;
mod request;
mod results;
mod router;
mod settings;
mod simulate;
mod status;
mod strict;
mod switches;
#[cfg(test)]
mod tests;
mod timeline;
mod trace;
mod units;

pub use error::Problem;
pub use fleets::{
    Accepted, FleetState, ProxyState, ProxyStatus, Refusal, SnapshotState, TypeState,
};
pub use gate::{Auth, Gate, OpenId};
pub use key_set::KeySource;
pub use keys::bootstrap;
pub use router::router;

use crate::clock::Clock;
use crate::control::Control;
use crate::evidence::accounts::Accounts;
use crate::evidence::desk::Desk;
use crate::metrics::Metrics;
use crate::store::Store;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone)]
pub struct AppState {
    /// Where changes are made and the model is read.
    pub control: Arc<Control>,
    /// Who is connected, and what they have accepted.
    pub proxies: Arc<dyn ProxyStatus>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What arrived of what proxies counted.
    pub accounts: Arc<Accounts>,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// Where keys and the audit are kept.
    pub store: Store,
    /// Where evidence is kept; nothing where it is not.
    pub evidence: Option<Arc<Desk>>,
    /// The time of day, for what is written.
    pub clock: Clock,
}
