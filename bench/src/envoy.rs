//! What a decision costs inside a real Envoy, beside other ways to take it. What lives here: the
//! set-ups that are compared. What does not: the engine, and Envoy.
//!
//! A tour. [`bootstrap`] writes each set-up's configuration; [`process`] starts Envoys and reads
//! what the kernel says they used; [`upstream`] answers behind them and [`load`] asks in front;
//! [`authz`] is the ext_authz service; [`rounds`] measures requests, [`updates`] measures new
//! configurations and memory; [`instructions`] counts instead; [`report`] writes it all down.

pub mod admin;
pub mod authz;
pub mod bootstrap;
pub mod exports;
pub mod instructions;
pub mod load;
pub mod plot;
pub mod process;
pub mod report;
pub mod rounds;
pub mod updates;
pub mod upstream;

use crate::work::{self, Experiment};

/// How many times a probe makes its call.
pub const PROBED: u32 = 20;

/// One way to handle a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setup {
    /// No filter but the router.
    NoFilter,
    /// A Wasm filter that does nothing.
    EmptyWasm,
    /// The same without exports for events that it has no use for.
    EmptyTrimmed,
    /// Watershed with this many experiments.
    Watershed(u32),
    /// The same without exports for events that it has no use for.
    WatershedTrimmed(u32),
    /// A Lua script that hashes once and sets three headers.
    Lua,
    /// An ext_authz service over gRPC with the engine in it and 100 experiments.
    ExtAuthz,
    /// A Wasm filter that makes one host call so many times.
    Probe(&'static str, u32),
}

impl Setup {
    /// All of them, the one that the others are held against first.
    pub const ALL: [Self; 9] = [
        Self::NoFilter,
        Self::EmptyWasm,
        Self::EmptyTrimmed,
        Self::Watershed(1),
        Self::Watershed(10),
        Self::Watershed(100),
        Self::WatershedTrimmed(100),
        Self::Lua,
        Self::ExtAuthz,
    ];

    /// Its name in the figures.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::NoFilter => "no filter".into(),
            Self::EmptyWasm => "empty Wasm".into(),
            Self::EmptyTrimmed => "empty Wasm, trimmed".into(),
            Self::Watershed(count) => format!("watershed {count}"),
            Self::WatershedTrimmed(count) => format!("watershed {count}, trimmed"),
            Self::Lua => "Lua, one hash".into(),
            Self::ExtAuthz => "ext_authz gRPC".into(),
            Self::Probe(call, _) => call.into(),
        }
    }

    /// The host calls of a filter, one at a time, the one that the others are held against first.
    pub const PROBES: [Self; 9] = [
        Self::Probe("nothing", 0),
        Self::Probe("all headers", PROBED),
        Self::Probe("one header", PROBED),
        Self::Probe("replace header", PROBED),
        Self::Probe("remove header", PROBED),
        Self::Probe("filter state", PROBED),
        Self::Probe("clear route cache", PROBED),
        Self::Probe("counter", PROBED),
        Self::Probe("time", PROBED),
    ];

    /// Whether requests reach the upstream with a variant.
    #[must_use]
    pub fn stamps(self) -> bool {
        !matches!(self, Self::NoFilter | Self::EmptyWasm | Self::EmptyTrimmed)
            && !matches!(self, Self::Probe(call, _) if call != "replace header")
    }
}

/// `count` experiments in up to ten layers.
#[must_use]
pub fn experiments(count: u32) -> Vec<Experiment> {
    work::spread(count, count.min(10))
}
