//! What the figures were measured on. What does not live here: anything that a figure needs.

use serde::Serialize;
use std::fs;
use std::thread;

/// A machine, in a line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The load over the last minute: of an Envoy report when it begins, so that only others show;
    /// of the engine's when the figures are put together.
    pub load: f64,
    /// The kernel.
    pub kernel: String,
}

/// This machine.
#[must_use]
pub fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned());
    let load = read("/proc/loadavg");
    Machine {
        processor,
        cores: thread::available_parallelism().map_or(1, Into::into),
        load: load
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or(0.0),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}
