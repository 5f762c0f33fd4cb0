//! What a store of evidence promises, whichever database it is. The types of questions and answers
//! alone; keeping is done by the implementations.
//!
//! There are two halves. The **log** takes batches of exposures and outcomes as they came: durable when
//! [`EvidenceStore::append`] returns, and once however often it is sent. **Units** and their sums follow
//! from the log by [`EvidenceStore::fold`], each entry once; answers say up to when.

mod error;
#[cfg(test)]
pub(crate) mod laws;

pub use error::StoreError;

use crate::Micros;
use crate::batch::Batch;
use crate::exposure::Exposure;
use crate::measure::{Measure, Measures};
use crate::sketch::Sketch;
use crate::sums::Sums;
use crate::unit::UnitKey;
use crate::winsorize::Clipping;
use async_trait::async_trait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// A store of evidence.
#[async_trait]
pub trait EvidenceStore: Debug + Send + Sync {
    /// Keeps a batch, all of it or nothing; it is on disk when this returns. A batch that was kept before,
    /// by its writer and number, is left alone.
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError>;

    /// Says what is measured. Where that is not what was measured until now, units are made anew from the
    /// log by the folds that follow.
    async fn define(&self, measures: &Measures) -> Result<(), StoreError>;

    /// Takes a bounded part of what the log has beyond the units into the units and sums.
    async fn fold(&self) -> Result<Folded, StoreError>;

    /// What an experiment comes down to for a measure, for each variant. Of a winsorised measure that is found
    /// by reading all units of the experiment, twice: first for the limits, then for the sums.
    async fn sufficient(&self, experiment: &str, measure: &str) -> Result<Sufficient, StoreError>;

    /// The experiment's units and what became of its outcomes.
    async fn summary(&self, experiment: &str) -> Result<Summary, StoreError>;

    /// What happened in each minute of `[from, to)`, by variant, in the order of time.
    async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError>;

    /// A page of raw exposures in the order that they were kept in.
    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError>;

    /// Where a reader of raw exposures goes on; the beginning where it never kept a place.
    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError>;

    /// Keeps the place after which a reader of raw exposures goes on; on disk when this returns. One that is
    /// before what was kept is left alone.
    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError>;

    /// All that is known of a unit, for each experiment.
    async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError>;

    /// Forgets a unit: nothing of it is left but anonymous counts of requests.
    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError>;

    /// Removes what is older than it may be, as of `now`.
    async fn retain(&self, retention: &Retention, now: Micros) -> Result<Retained, StoreError>;

    /// The installation's secret for [`crate::UnitHasher`]; `candidate` becomes it where there is none.
    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// The account that came with the last batch that had one; nothing where the store is for several
    /// replicas, each of which has an account of its own.
    async fn account(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    /// Whether the store keeps accounts at all.
    fn keeps_accounts(&self) -> bool {
        false
    }

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What became of a batch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Appended {
    /// Whether it was kept before, and nothing was kept now.
    pub repeated: bool,
    /// Which of its outcomes were reported before, by their idempotency keys.
    pub duplicate_outcomes: Vec<usize>,
}

/// What a fold did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Folded {
    /// Exposures and outcomes that were taken in.
    pub entries: u64,
    /// Whether the log has more.
    pub more: bool,
}

/// The sufficient statistics of an experiment for one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sufficient {
    /// What was measured.
    pub measure: Measure,
    /// Between which values units were clipped, where the measure is winsorised.
    pub clipping: Option<Clipping>,
    /// By variant that units were first given.
    pub variants: BTreeMap<String, Arm>,
    /// Entries of the log that are not in it yet.
    pub behind: u64,
}

impl Sufficient {
    /// Puts sums of clipped units in the place of those that there are; the single values stay.
    pub(crate) fn take_clipped(&mut self, clipping: Clipping, clipped: BTreeMap<String, Arm>) {
        let mut before = std::mem::replace(&mut self.variants, clipped);
        for (variant, arm) in &mut self.variants {
            arm.values = before.remove(variant).unwrap_or_default().values;
        }
        self.clipping = Some(clipping);
    }
}

/// One variant's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Arm {
    /// Over its units.
    pub sums: Sums,
    /// Over its units, by the UTC day of their first exposure, in days since 1970.
    pub days: BTreeMap<i32, Sums>,
    /// Over those of its units that strayed, by the same day: one of their requests was given another variant, or
    /// answered by another cluster than the variant's. Without them it is what per-protocol analyses count.
    pub strayed: BTreeMap<i32, Sums>,
    /// Over its units' values of the first, second, … day since their first exposure, by the same day; a measure
    /// whose values have no time of their own, or are over a denominator, has none.
    pub ages: Vec<BTreeMap<i32, Sums>>,
    /// The single values, for quantiles.
    #[serde(skip)]
    pub values: Sketch,
}

/// Units and outcomes of an experiment.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// Units by the variant that they were first given.
    pub units: BTreeMap<String, u64>,
    /// Units by first variant that were seen in another one as well.
    pub contaminated: BTreeMap<String, u64>,
    /// Units by first variant that strayed; see [`Arm::strayed`].
    pub strayed: BTreeMap<String, u64>,
    /// Counts of entries and outcomes.
    pub counts: Counts,
    /// Entries of the log that are not in it yet.
    pub behind: u64,
}

/// What became of an experiment's entries and outcomes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Exposures that count.
    pub exposures: u64,
    /// Requests of assigned units that Envoy answered itself.
    pub execution_failures: u64,
    /// Requests that a force token gave their variant.
    pub forced: u64,
    /// Exposures that another cluster answered.
    pub fallbacks: u64,
    /// Outcomes within their window.
    pub attributed: u64,
    /// Outcomes from before the first exposure.
    pub early: u64,
    /// Outcomes from after the window.
    pub late: u64,
    /// Outcomes that name the experiment, of units that were not exposed, or not yet.
    pub orphans: u64,
}

/// A span of time, its end outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Its beginning.
    pub from: Micros,
    /// Its end.
    pub to: Micros,
}

/// One minute of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Minute {
    /// Its beginning.
    pub at: Micros,
    /// The variant that requests were given.
    pub variant: String,
    /// Requests that reached an upstream.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Requests that Envoy answered itself.
    pub execution_failures: u64,
    /// Durations in milliseconds.
    pub latency: Sketch,
    /// Times to the first byte in milliseconds.
    pub ttfb: Sketch,
}

/// Which raw exposures to read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// Those of one experiment; nothing is all.
    pub experiment: Option<String>,
    /// After this one.
    pub after: Cursor,
    /// About how many; a page ends at a whole block.
    pub limit: usize,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Cursor(pub i64);

/// Some raw exposures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In the order that they were kept in.
    pub exposures: Vec<Exposure>,
    /// Where to go on: the same as before where there was nothing.
    pub next: Cursor,
    /// Whether there may be more at once.
    pub more: bool,
}

/// What is known of a unit in one experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitRecord {
    /// The experiment.
    pub experiment: String,
    /// The variant that it was first given.
    pub variant: String,
    /// When it was first exposed.
    pub first_exposure: Micros,
    /// Whether it was seen in another variant as well.
    pub contaminated: bool,
    /// Sums of its values within the window, by source.
    pub sums: BTreeMap<String, f64>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Forgotten {
    /// Raw exposures.
    pub exposures: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Experiments that it was in.
    pub experiments: u64,
}

/// How long evidence is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Raw exposures and outcomes, and the keys by which outcomes are recognised.
    pub raw: Duration,
    /// Units and the timeline, from their last day.
    pub units: Duration,
}

impl Default for Retention {
    /// 90 days of raw evidence, 400 days of units.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            raw: Duration::from_secs(90 * DAY),
            units: Duration::from_secs(400 * DAY),
        }
    }
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retained {
    /// Blocks of the log.
    pub blocks: u64,
    /// Units.
    pub units: u64,
}
