//! What the figures of the engine have to be. What does not live here: any judgement beyond
//! comparing two numbers.

use crate::figures::Figure;
use crate::ours;
use serde::Serialize;

/// Something measured, and the most that it may be.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The work.
    pub work: &'static str,
    /// What of it.
    pub what: &'static str,
    /// The most that it may be.
    pub most: f64,
    /// What it is; `None` where it was not measured.
    pub measured: Option<f64>,
    /// Whether it is that at most.
    pub met: Option<bool>,
}

type Read = fn(&Figure) -> Option<f64>;

const NANOSECONDS: (&str, Read) = ("ns", |figure| figure.ns);
const INSTRUCTIONS: (&str, Read) = ("instructions", |f| f.instructions.map(|n| n as f64));
const ALLOCATIONS: (&str, Read) = ("allocations", |f| f.allocations);
const LIVE: (&str, Read) = ("live bytes", |f| f.live_bytes.map(|n| n as f64));

const TARGETS: [(&str, (&str, Read), f64); 15] = [
    ("one-bound", NANOSECONDS, 40.0),
    ("one-bound", INSTRUCTIONS, 350.0),
    ("one-bound", ALLOCATIONS, 0.0),
    ("one-raw", NANOSECONDS, 120.0),
    ("one-raw", INSTRUCTIONS, 1_100.0),
    ("one-raw", ALLOCATIONS, 0.0),
    ("thousand-raw", NANOSECONDS, 160.0),
    ("thousand-raw", INSTRUCTIONS, 1_100.0),
    ("thousand-raw", ALLOCATIONS, 0.0),
    ("layered", NANOSECONDS, 700.0),
    ("layered", INSTRUCTIONS, 5_500.0),
    ("layered", ALLOCATIONS, 0.0),
    ("unlayered", NANOSECONDS, 3_000.0),
    ("compile", NANOSECONDS, 2_000_000.0),
    ("compile", LIVE, 500_000.0),
];

/// The targets beside what was measured, and for each work being ahead of every peer, in time and
/// in instructions.
#[must_use]
pub fn compare(figures: &[Figure]) -> Vec<Target> {
    let own = |work: &str| {
        figures
            .iter()
            .find(|one| one.work == work && one.by == ours::NAME)
    };
    let mut targets: Vec<Target> = TARGETS
        .iter()
        .map(|&(work, (what, read), most)| target(work, what, most, own(work).and_then(read)))
        .collect();
    let mut works: Vec<&'static str> = TARGETS.iter().map(|(work, ..)| *work).collect();
    works.dedup();
    for work in works {
        let peers = || {
            figures
                .iter()
                .filter(|one| one.work == work && !is_ours(one.by))
        };
        for (what, read) in [
            ("ns of the best peer", NANOSECONDS.1),
            ("instructions of the best peer", INSTRUCTIONS.1),
        ] {
            if let Some(best) = peers().filter_map(read).reduce(f64::min) {
                targets.push(target(work, what, best, own(work).and_then(read)));
            }
        }
    }
    targets
}

/// Whether a figure is not a peer's.
#[must_use]
pub fn is_ours(by: &str) -> bool {
    by.starts_with(ours::NAME)
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
