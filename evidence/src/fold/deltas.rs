//! What a part of the log says, gathered by unit.

use super::{Layout, Names};
use crate::Micros;
use crate::block::{Essence, OpenBlock};
use crate::measure::Source;
use crate::outcome::Outcome;
use crate::recent::Already;
use crate::sketch::Sketch;
use crate::store::Counts;
use crate::unit::UnitKey;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

/// A minute, in microseconds.
pub(crate) const MINUTE: Micros = 60_000_000;

/// What a part of the log says.
#[derive(Debug, Default)]
pub struct Deltas {
    /// Of units in experiments.
    pub(super) units: HashMap<(UnitKey, u32), Delta, ByHash>,
    /// Outcomes that were reported: of a unit, in an experiment or in any.
    pub(super) reported: HashMap<UnitKey, Vec<Reported>, ByHash>,
    /// By experiment, minute and variant.
    pub(super) minutes: BTreeMap<(u32, Micros, u32), MinuteDelta>,
    /// By experiment.
    pub(super) counts: BTreeMap<u32, Counts>,
    /// Single values, by experiment, variant and source.
    pub(super) values: BTreeMap<(u32, u32, u32), Sketch>,
    /// How many exposures and outcomes went in.
    pub entries: u64,
}

/// A unit's key is a keyed hash: nobody can choose units that collide.
type ByHash = BuildHasherDefault<Already>;

/// An outcome: the experiment that it names, its source, time and value.
pub(super) type Reported = (Option<u32>, u32, Micros, f64);

/// What is new of a unit in an experiment.
#[derive(Debug)]
pub(super) struct Delta {
    pub first: Micros,
    pub variant: u32,
    pub other_variant: bool,
    pub requests: f64,
    pub errors: f64,
    pub latency: f64,
    pub ttfb: f64,
    /// Requests that another cluster answered than the variant's.
    pub strayed: f64,
    pub values: Vec<(u32, Micros, f64)>,
}

/// What is new of a minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MinuteDelta {
    /// See [`crate::store::Minute`].
    pub requests: u64,
    /// See [`crate::store::Minute`].
    pub errors: u64,
    /// See [`crate::store::Minute`].
    pub execution_failures: u64,
    /// See [`crate::store::Minute`].
    pub latency: Sketch,
    /// See [`crate::store::Minute`].
    pub ttfb: Sketch,
}

impl Deltas {
    /// Takes in a block.
    pub fn block(
        &mut self,
        experiment: &str,
        block: &OpenBlock,
        layout: &mut Layout,
        names: &mut Names,
    ) {
        let Some(number) = names.number(experiment) else {
            return;
        };
        let sources =
            [Source::Latency, Source::Ttfb].map(|it| names.number(&it.name()).unwrap_or(0));
        let mut variants: HashMap<&str, u32> = HashMap::new();
        for row in 0..block.rows() {
            let it = block.essence(row);
            let variant = match variants.get(it.variant) {
                Some(variant) => *variant,
                None => match names.number(it.variant) {
                    Some(variant) => *variants.entry(it.variant).or_insert(variant),
                    None => continue,
                },
            };
            self.exposure(number, variant, &it, sources);
        }
        for (row, metric, value) in block.values() {
            let it = block.essence(row);
            let counted = it.reached_upstream && !it.forced;
            let source = layout.source(metric, names);
            let unit = self.units.get_mut(&(it.unit, number));
            if let (true, Some(source), Some(unit)) = (counted, source, unit) {
                unit.values.push((source, it.time, value));
            }
        }
    }

    fn exposure(
        &mut self,
        experiment: u32,
        variant: u32,
        it: &Essence<'_>,
        [latency, ttfb]: [u32; 2],
    ) {
        self.entries += 1;
        let counts = self.counts.entry(experiment).or_default();
        if it.forced {
            counts.forced += 1;
            return;
        }
        let minute = it.time.div_euclid(MINUTE).saturating_mul(MINUTE);
        let minute = self
            .minutes
            .entry((experiment, minute, variant))
            .or_default();
        if !it.reached_upstream {
            counts.execution_failures += 1;
            minute.execution_failures += 1;
            return;
        }
        counts.exposures += 1;
        counts.fallbacks += u64::from(it.fallback_used);
        minute.requests += 1;
        minute.errors += u64::from(it.failed);
        let (duration, first_byte) = (millis(it.duration_us), millis(it.ttfb_us));
        minute.latency.add(duration);
        self.values
            .entry((experiment, variant, latency))
            .or_default()
            .add(duration);
        if it.ttfb_us > 0 {
            minute.ttfb.add(first_byte);
            self.values
                .entry((experiment, variant, ttfb))
                .or_default()
                .add(first_byte);
        }
        let unit = self.units.entry((it.unit, experiment)).or_insert(Delta {
            first: it.time,
            variant,
            other_variant: false,
            requests: 0.0,
            errors: 0.0,
            latency: 0.0,
            ttfb: 0.0,
            strayed: 0.0,
            values: Vec::new(),
        });
        unit.other_variant |= unit.variant != variant;
        if it.time < unit.first {
            (unit.first, unit.variant) = (it.time, variant);
        }
        unit.requests += 1.0;
        unit.errors += f64::from(u8::from(it.failed));
        unit.latency += duration;
        unit.ttfb += first_byte;
        unit.strayed += f64::from(u8::from(it.fallback_used));
    }

    /// Takes in an outcome that was reported.
    pub fn outcome(&mut self, it: &Outcome, layout: &mut Layout, names: &mut Names) {
        self.entries += 1;
        let experiment = it.experiment.as_ref().map(|key| names.number(key));
        let (Some(source), false) = (layout.source(&it.metric, names), experiment == Some(None))
        else {
            return;
        };
        let reported = self.reported.entry(it.unit.key).or_default();
        reported.push((experiment.flatten(), source, it.time, it.value.get()));
    }

    /// The same in pieces of about `units` units, each with all that is new of its units: joined one after
    /// the other, they take a piece's memory at a time. Pieces are in the order of keys.
    #[must_use]
    pub fn pieces(self, units: usize) -> Vec<Self> {
        let count = self.len() / units.max(1) + 1;
        let mut pieces: Vec<Self> = Vec::new();
        pieces.resize_with(count, Self::default);
        for (key, delta) in self.units {
            if let Some(piece) = pieces.get_mut(piece_of(key.0, count)) {
                piece.units.insert(key, delta);
            }
        }
        for (key, outcomes) in self.reported {
            if let Some(piece) = pieces.get_mut(piece_of(key, count)) {
                piece.reported.insert(key, outcomes);
            }
        }
        if let Some(first) = pieces.first_mut() {
            first.minutes = self.minutes;
            first.counts = self.counts;
            first.values = self.values;
            first.entries = self.entries;
        }
        pieces
    }

    /// The units in experiments that something is new of, in order.
    #[must_use]
    pub fn units(&self) -> Vec<(UnitKey, u32)> {
        let mut units: Vec<_> = self.units.keys().copied().collect();
        units.sort_unstable();
        units
    }

    /// The units that outcomes were reported of, in order.
    #[must_use]
    pub fn reported(&self) -> Vec<UnitKey> {
        let mut units: Vec<_> = self.reported.keys().copied().collect();
        units.sort_unstable();
        units
    }

    /// About how many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len() + self.reported.len()
    }

    /// Whether there is nothing new.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

/// Keys are spread evenly, so their first bytes say where in the order they are.
fn piece_of(key: UnitKey, count: usize) -> usize {
    let [a, b, c, ..] = key.0;
    let place = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    place.saturating_mul(count) >> 24
}

#[expect(clippy::cast_precision_loss, reason = "a duration")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}
