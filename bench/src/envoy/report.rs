//! The figures of the proxies: as JSON for machines, as tables for people. What does not live
//! here: measuring.

use super::rounds::{Samples, Spread, ratio, spread};
use super::updates::{Memory, Update};
use super::{PROBED, Setup};
use crate::figures;
use crate::machine::Machine;
use crate::targets::Target;
use serde::Serialize;
use std::fmt::Write as _;

/// One set-up's requests.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The set-up.
    pub setup: String,
    /// Envoy's processor time, in microseconds a request.
    pub cpu_us: Spread,
    /// That of the service that Envoy asks, where it asks one.
    pub service_us: Option<Spread>,
    /// Envoy's beside no filter, pair by pair.
    pub to_no_filter: Spread,
    /// Envoy's beside the empty Wasm filter, pair by pair.
    pub to_empty_wasm: Spread,
    /// Envoy's beside Lua, pair by pair.
    pub to_lua: Spread,
    /// The least of all rounds beside the least of no filter and of the empty Wasm filter: what is
    /// left when others on the machine disturb nobody.
    pub least_to: [f64; 2],
}

/// One host call of a Wasm filter.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// What is called.
    pub call: String,
    /// Envoy's processor time for one, in microseconds.
    pub cpu_us: Spread,
}

/// Everything that one run found out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Which Envoy.
    pub envoy: String,
    /// The size of the filter in bytes.
    pub filter_bytes: u64,
    /// How many rounds of how many requests.
    pub rounds: usize,
    /// Requests of one set-up in one round.
    pub requests: usize,
    /// The requests.
    pub figures: Vec<Figure>,
    /// What host calls cost.
    pub calls: Vec<Call>,
    /// New configurations.
    pub updates: Vec<Update>,
    /// Memory.
    pub memory: Vec<Memory>,
    /// The targets.
    pub targets: Vec<Target>,
}

/// The figures of all set-ups.
#[must_use]
pub fn figures(samples: &[Samples]) -> Vec<Figure> {
    let of = |setup| {
        let one = samples.iter().find(|one| one.setup == setup);
        one.map(|one| one.envoy.as_slice()).unwrap_or_default()
    };
    let figure = |one: &Samples| Figure {
        setup: one.setup.name(),
        cpu_us: spread(&one.envoy),
        service_us: (!one.service.is_empty()).then(|| spread(&one.service)),
        to_no_filter: ratio(&one.envoy, of(Setup::NoFilter)),
        to_empty_wasm: ratio(&one.envoy, of(Setup::EmptyWasm)),
        to_lua: ratio(&one.envoy, of(Setup::Lua)),
        least_to: [Setup::NoFilter, Setup::EmptyWasm]
            .map(|other| spread(&one.envoy).min / spread(of(other)).min),
    };
    samples.iter().map(figure).collect()
}

/// What each probed call costs: what its set-up needs more than the first one, which makes none.
#[must_use]
pub fn calls(samples: &[Samples]) -> Vec<Call> {
    let Some((nothing, probes)) = samples.split_first() else {
        return Vec::new();
    };
    let call = |one: &Samples| {
        let pairs = one.envoy.iter().zip(&nothing.envoy);
        let each: Vec<f64> = pairs
            .map(|(with, without)| (with - without) / f64::from(PROBED))
            .collect();
        Call {
            call: one.setup.name(),
            cpu_us: spread(&each),
        }
    };
    probes.iter().map(call).collect()
}

/// The targets beside the figures.
#[must_use]
pub fn targets(figures: &[Figure], updates: &[Update]) -> Vec<Target> {
    let name = Setup::Watershed(100).name();
    let ours = figures.iter().find(|figure| figure.setup == name);
    let request =
        |what, most, read: fn(&Figure) -> f64| target("watershed 100", what, most, ours.map(read));
    let update = |work, experiments, most| {
        let update = updates.iter();
        let mut update = update.filter(|one| one.experiments == experiments);
        let protobuf = update.find(|one| one.encoding == "protobuf");
        target(
            work,
            "worker ms an update",
            most,
            protobuf.map(|one| one.worker_ms.median),
        )
    };
    vec![
        request("ratio to no filter", 1.20, |figure| {
            figure.to_no_filter.median
        }),
        request("ratio to empty Wasm", 1.06, |figure| {
            figure.to_empty_wasm.median
        }),
        request("ratio to Lua with one hash", 1.0, |figure| {
            figure.to_lua.median
        }),
        update("1,000 exps", 1_000, 5.0),
        update("10,000 exps", 10_000, 60.0),
    ]
}

fn target(work: &'static str, what: &'static str, most: f64, measured: Option<f64>) -> Target {
    Target {
        work,
        what,
        most,
        measured,
        met: measured.map(|measured| measured <= most),
    }
}

/// The report for people.
#[must_use]
pub fn tables(report: &Report) -> String {
    let mut out = String::new();
    let Machine {
        processor,
        cores,
        load,
        ..
    } = &report.machine;
    let _ = writeln!(
        out,
        "{processor}, {cores} cores, load {load}; {}",
        report.envoy
    );
    let _ = writeln!(
        out,
        "{} rounds of {} requests; the filter is {} bytes\n\n{:<26}{:>22}{:>22}{:>10}{:>10}{:>18}",
        report.rounds,
        report.requests,
        report.filter_bytes,
        "set-up",
        "CPU us a request",
        "to no filter",
        "to empty",
        "to Lua",
        "least to least"
    );
    for figure in &report.figures {
        let _ = writeln!(
            out,
            "{:<26}{:>22}{:>22}{:>10.3}{:>10.3}{:>10.3}{:>8.3}",
            figure.setup,
            ranged(figure.cpu_us, 1),
            ranged(figure.to_no_filter, 3),
            figure.to_empty_wasm.median,
            figure.to_lua.median,
            figure.least_to[0],
            figure.least_to[1],
        );
        if let Some(service) = figure.service_us {
            let _ = writeln!(out, "{:<26}{:>22}", "  + its service", ranged(service, 1));
        }
    }
    let _ = writeln!(out, "\n{:<34}{:>22}", "host call", "CPU us a call");
    for call in &report.calls {
        let _ = writeln!(out, "{:<34}{:>22}", call.call, ranged(call.cpu_us, 2));
    }
    let _ = writeln!(
        out,
        "\n{:<34}{:>10}{:>22}{:>22}",
        "update", "first ms", "worker ms", "main ms"
    );
    for update in &report.updates {
        let name = format!(
            "{} as {}, {} KB",
            update.experiments,
            update.encoding,
            update.bytes / 1_000
        );
        let _ = writeln!(
            out,
            "{name:<34}{:>10.2}{:>22}{:>22}",
            update.first_ms,
            ranged(update.worker_ms, 2),
            ranged(update.main_ms, 2),
        );
    }
    let _ = writeln!(
        out,
        "\n{:<34}{:>14}{:>20}",
        "memory", "1 worker MB", "each further MB"
    );
    for memory in &report.memory {
        let _ = writeln!(
            out,
            "{:<34}{:>14.1}{:>20.1}",
            memory.setup, memory.one_worker_mb, memory.each_further_mb
        );
    }
    let _ = write!(out, "\n{}", figures::targets(&report.targets));
    out
}

fn ranged(spread: Spread, digits: usize) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
}
