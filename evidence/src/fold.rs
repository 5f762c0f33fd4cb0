//! Folding the log into units and sums. Pure: [`Deltas`] gathers what a part of the log says of each unit,
//! [`apply`] joins that with what was known of them. Loading and keeping is the databases'.
//!
//! A unit's sums are in *slots*, one for each source and window. What a unit adds to its variant's sums is
//! a function of its state alone ([`Layout::contribution`]), so a change is the new contribution less the
//! old one, and the sums always are what all units together would give.

mod apply;
mod deltas;
mod state;
#[cfg(test)]
mod tests;

pub use apply::{Changes, Known, apply};
#[cfg(test)]
pub(crate) use deltas::MINUTE;
pub use deltas::{Deltas, MinuteDelta};
pub use state::{History, Past, UnitState};

use crate::Micros;
use crate::measure::{Measure, Measures, Source};
use crate::store::Arm;
use crate::sums::Sums;
use std::collections::{BTreeMap, HashMap};

/// How many names a store numbers. Names of outcomes come from outside; beyond this a new one is left out.
pub const MAX_NAMES: usize = 100_000;

/// Counts units. Metrics have no `~`.
pub const UNITS: &str = "~units";
/// Counts units that were seen in a second variant.
pub const CONTAMINATED: &str = "~contaminated";

/// Numbers names: experiments, variants, sources with their windows, and measures.
#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    /// From what was kept, in order.
    #[must_use]
    pub fn of(texts: Vec<String>) -> Self {
        let numbers = texts
            .iter()
            .zip(0..)
            .map(|(text, number)| (text.clone(), number));
        Self {
            numbers: numbers.collect(),
            texts,
        }
    }

    /// The name's number, a new one where it has none; nothing where there are too many.
    pub fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        if self.texts.len() >= MAX_NAMES {
            return None;
        }
        let number = u32::try_from(self.texts.len()).ok()?;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Some(number)
    }

    /// The number of a name that is known.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The name of a number.
    #[must_use]
    pub fn text(&self, number: u32) -> &str {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.texts.get(index).map_or("", String::as_str)
    }

    /// All, in the order of their numbers.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// A source that is summed up within a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slot {
    /// Its number.
    pub number: u32,
    /// The window.
    pub window: Option<Micros>,
}

/// What is measured, with the numbers of this store.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Measure, its number, its slot, and its denominator's.
    measures: Vec<(Measure, u32, u32, Option<u32>)>,
    /// The slots of each source, by the source's number.
    slots: HashMap<u32, Vec<Slot>>,
    /// What outcomes are called that nobody defined a measure for, and which slot they have.
    automatic: BTreeMap<u32, u32>,
    /// Names that measures have.
    taken: Vec<String>,
    units: u32,
    contaminated: u32,
}

impl Layout {
    /// Of these measures and the built-in ones, and of all outcomes that `names` knows already.
    #[must_use]
    pub fn of(measures: &Measures, names: &mut Names) -> Self {
        let mut layout = Self {
            measures: Vec::new(),
            slots: HashMap::new(),
            automatic: BTreeMap::new(),
            taken: Vec::new(),
            units: names.number(UNITS).unwrap_or_default(),
            contaminated: names.number(CONTAMINATED).unwrap_or_default(),
        };
        for (name, measure) in measures.with_built_in().0 {
            let slot = layout.slot(&measure.source, measure.window, names);
            let denominator = measure.denominator.clone();
            let denominator = denominator.map(|it| layout.slot(&it, measure.window, names));
            if let (Some(number), Some(slot)) = (names.number(&measure_name(&name)), slot) {
                layout
                    .measures
                    .push((measure, number, slot, denominator.flatten()));
            }
            layout.taken.push(name);
        }
        let outcomes = names.texts().iter();
        let outcomes = outcomes.filter_map(|it| it.strip_prefix("outcome:"));
        let known: Vec<_> = outcomes
            .filter(|it| !it.contains('@'))
            .map(str::to_owned)
            .collect();
        for outcome in known {
            layout.source(&outcome, names);
        }
        layout
    }

    /// The number of an outcome's source. One that nobody measures gets the measure of its name: its sum.
    pub fn source(&mut self, outcome: &str, names: &mut Names) -> Option<u32> {
        let source = Source::Outcome(outcome.to_owned());
        let number = names.number(&source.name())?;
        if !self
            .slots
            .get(&number)
            .is_some_and(|it| it.iter().any(|slot| slot.window.is_none()))
        {
            self.slot(&source, None, names)?;
        }
        if !self.taken.iter().any(|it| it == outcome) && !self.automatic.contains_key(&number) {
            let measure = names.number(&measure_name(outcome))?;
            self.automatic.insert(number, measure);
        }
        Some(number)
    }

    /// The slots of a source.
    #[must_use]
    pub fn slots(&self, source: u32) -> &[Slot] {
        self.slots.get(&source).map_or(&[], Vec::as_slice)
    }

    /// What a unit adds to its variant's sums, by the number of the measure. The count of units is a
    /// measure of its own; the others' `n` is 0, and so is what does not differ between units.
    pub fn contribution(&self, state: &UnitState, mut add: impl FnMut(u32, Sums)) {
        let one = Sums {
            n: 1,
            ..Sums::default()
        };
        add(self.units, one);
        if state.contaminated {
            add(self.contaminated, one);
        }
        for (measure, number, slot, denominator) in &self.measures {
            let (x, before) = state.slot(*slot);
            let y = denominator.map_or(0.0, |it| state.slot(it).0);
            add(
                *number,
                weighed(measure.sums(x, y, before), measure.denominator.is_some()),
            );
        }
        for (source, number) in &self.automatic {
            let (x, before) = state.slot(*source);
            add(*number, weighed(Sums::of(x, 1.0, before), false));
        }
    }

    fn slot(&mut self, source: &Source, window: Option<Micros>, names: &mut Names) -> Option<u32> {
        let source_number = names.number(&source.name())?;
        let number = match window {
            // A source without a window is its own slot.
            None => source_number,
            Some(window) => names.number(&format!("{}@{window}", source.name()))?,
        };
        let slots = self.slots.entry(source_number).or_default();
        if !slots.iter().any(|it| it.number == number) {
            slots.push(Slot { number, window });
        }
        Some(number)
    }
}

/// What a measure is called among the names.
#[must_use]
pub fn measure_name(name: &str) -> String {
    format!("measure:{name}")
}

/// Without what follows from the number of units; see [`complete`].
fn weighed(sums: Sums, is_ratio: bool) -> Sums {
    let mut sums = Sums { n: 0, ..sums };
    if !is_ratio {
        (sums.y, sums.yy, sums.xy, sums.yc) = (0.0, 0.0, 0.0, 0.0);
    }
    sums
}

/// The sums of `units` units from what they contributed to a measure.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of units")]
pub fn complete(contributed: &Sums, units: i64, is_ratio: bool) -> Sums {
    let mut sums = Sums {
        n: units,
        ..*contributed
    };
    if !is_ratio {
        (sums.y, sums.yy, sums.xy, sums.yc) = (units as f64, units as f64, sums.x, sums.c);
    }
    sums
}

/// The sums of a measure, by variant and day.
pub type Days = BTreeMap<(String, i32), Sums>;

/// What variants come down to for a measure: from their units ([`UNITS`]), and from what these contributed
/// to it.
#[must_use]
pub fn arms(units: Days, contributed: &Days, is_ratio: bool) -> BTreeMap<String, Arm> {
    let mut arms: BTreeMap<String, Arm> = BTreeMap::new();
    for (key, unit) in units {
        let sums = contributed.get(&key).copied().unwrap_or_default();
        let sums = complete(&sums, unit.n, is_ratio);
        let (variant, day) = key;
        let arm = arms.entry(variant).or_default();
        arm.sums.add(&sums);
        arm.days.insert(day, sums);
    }
    arms
}

/// How many units there are of each variant; those of none are left out.
#[must_use]
pub fn units_by_variant(days: Days) -> BTreeMap<String, u64> {
    let mut units: BTreeMap<String, u64> = BTreeMap::new();
    for ((variant, _), sums) in days {
        *units.entry(variant).or_default() += u64::try_from(sums.n).unwrap_or(0);
    }
    units.retain(|_, n| *n > 0);
    units
}
