//! What is known of one unit, and the bytes that it is kept as.

use super::Names;
use crate::Micros;
use crate::store::UnitRecord;
use prost::Message;

/// A unit in an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitState {
    /// When it was first exposed.
    pub first: Micros,
    /// The number of the variant that it was first given.
    pub variant: u32,
    /// Whether it was seen in another one.
    pub contaminated: bool,
    /// Slots in ascending order: number, sum within the window, sum before the first exposure.
    slots: Vec<(u32, f64, f64)>,
}

impl UnitState {
    /// A unit that was just first exposed.
    #[must_use]
    pub fn new(first: Micros, variant: u32) -> Self {
        Self {
            first,
            variant,
            ..Self::default()
        }
    }

    /// From what was kept. What cannot be read of the slots is left out.
    #[must_use]
    pub fn kept(first: Micros, variant: u32, contaminated: bool, slots: &[u8]) -> Self {
        let (entries, _) = slots.as_chunks::<SLOT_BYTES>();
        let slots = entries.iter().map(|entry| {
            let [n0, n1, n2, n3, x @ .., b0, b1, b2, b3, b4, b5, b6, b7] = *entry;
            (
                u32::from_le_bytes([n0, n1, n2, n3]),
                f64::from_le_bytes(x),
                f64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
            )
        });
        Self {
            first,
            variant,
            contaminated,
            slots: slots.collect(),
        }
    }

    /// The slots as they are kept.
    #[must_use]
    pub fn slot_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.slots.len() * SLOT_BYTES);
        for (number, sum, before) in &self.slots {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&sum.to_le_bytes());
            bytes.extend_from_slice(&before.to_le_bytes());
        }
        bytes
    }

    /// The sums of a slot: within the window, and before the first exposure.
    #[must_use]
    pub fn slot(&self, number: u32) -> (f64, f64) {
        let found = self.slots.binary_search_by_key(&number, |it| it.0).ok();
        let slot = found.and_then(|index| self.slots.get(index));
        slot.map_or((0.0, 0.0), |(_, sum, before)| (*sum, *before))
    }

    /// Whether anything was ever added to a slot.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.slots.binary_search_by_key(&number, |it| it.0).is_ok()
    }

    /// Adds to a slot.
    pub fn add(&mut self, number: u32, within: f64, before: f64) {
        if within == 0.0 && before == 0.0 {
            return;
        }
        let index = match self.slots.binary_search_by_key(&number, |it| it.0) {
            Ok(index) => index,
            Err(index) => {
                self.slots.insert(index, (number, 0.0, 0.0));
                index
            }
        };
        if let Some((_, sum, early)) = self.slots.get_mut(index) {
            *sum += within;
            *early += before;
        }
    }

    /// What is known of the unit in this experiment, in words.
    #[must_use]
    pub fn record(&self, experiment: u32, names: &Names) -> UnitRecord {
        let sum = |number| (names.text(number).to_owned(), self.slot(number).0);
        UnitRecord {
            experiment: names.text(experiment).to_owned(),
            variant: names.text(self.variant).to_owned(),
            first_exposure: self.first,
            contaminated: self.contaminated,
            sums: self.numbers().map(sum).collect(),
        }
    }

    /// The numbers of its slots.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().map(|it| it.0)
    }

    /// The UTC day of its first exposure, in days since 1970.
    #[must_use]
    pub fn day(&self) -> i32 {
        const DAY: i64 = 24 * 60 * 60 * 1_000_000;
        i32::try_from(self.first.div_euclid(DAY)).unwrap_or(0)
    }
}

const SLOT_BYTES: usize = 20;

/// An outcome that waits for an exposure of its unit, or is the past of one to come.
#[derive(Clone, PartialEq, Message)]
pub struct Past {
    /// The experiment's number and one; 0 is any.
    #[prost(uint32, tag = "1")]
    pub experiment: u32,
    /// The source's number.
    #[prost(uint32, tag = "2")]
    pub source: u32,
    /// When it came about.
    #[prost(sint64, tag = "3")]
    pub time: Micros,
    /// Its value.
    #[prost(double, tag = "4")]
    pub value: f64,
}

/// The outcomes of one unit, in the order that they came in.
#[derive(Clone, PartialEq, Message)]
pub struct History {
    /// At most [`History::MAX`]; then the oldest goes.
    #[prost(message, repeated, tag = "1")]
    pub outcomes: Vec<Past>,
}

impl History {
    /// How many outcomes are remembered of a unit.
    pub const MAX: usize = 64;

    /// Adds one.
    pub fn push(&mut self, outcome: Past) {
        if self.outcomes.len() >= Self::MAX {
            self.outcomes.remove(0);
        }
        self.outcomes.push(outcome);
    }

    /// What was kept; nothing where it cannot be read.
    #[must_use]
    pub fn kept(bytes: &[u8]) -> Self {
        Self::decode(bytes).unwrap_or_default()
    }
}
