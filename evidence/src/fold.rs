//! Folding the log into units and sums. Pure: [`Deltas`] gathers what a part of the log says of each unit,
//! [`apply`] joins that with what was known of them. Loading and keeping is the databases'.
//!
//! A unit's sums are in *slots*, one for each source and window. What a unit adds to its variant's sums is
//! a function of its state alone ([`Layout::contribution`]), so a change is the new contribution less the
//! old one, and the sums always are what all units together would give.

mod apply;
mod deltas;
mod state;
mod summed;
#[cfg(test)]
mod tests;
mod winsorized;

pub use apply::{Changes, Known, apply};
#[cfg(test)]
pub(crate) use deltas::MINUTE;
pub use deltas::{Deltas, MinuteDelta};
pub use state::{History, Past, UnitState};
pub use summed::{
    CONTAMINATED, Days, STRAYED, Summed, UNITS, arms, asked, complete, measure_name,
    units_by_variant,
};
use summed::{age_name, strayed_name};
pub use winsorized::{Clipped, Pool, Winsorized};

use crate::Micros;
use crate::measure::{AGES, DAY, Measure, Measures, Source};
use crate::sums::Sums;
use std::collections::{BTreeMap, HashMap};

/// How many names a store numbers. Names of outcomes come from outside; beyond this a new one is left out.
pub const MAX_NAMES: usize = 100_000;

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
    measures: Vec<Defined>,
    /// The slots of each source, by the source's number.
    slots: HashMap<u32, Vec<Slot>>,
    /// The slots of sources that are summed up day by day since the first exposure.
    ages: HashMap<u32, [u32; AGES]>,
    /// What outcomes are called that nobody defined a measure for, and which slot they have.
    automatic: BTreeMap<u32, Numbers>,
    /// Names that measures have.
    taken: Vec<String>,
    units: u32,
    contaminated: u32,
    strayed: u32,
}

/// A measure, and where its values and sums are.
#[derive(Clone, Debug)]
struct Defined {
    measure: Measure,
    numbers: Numbers,
    slot: u32,
    denominator: Option<u32>,
    /// For each day since the first exposure, its slot and what its sums are called.
    ages: Vec<(u32, u32)>,
}

/// What a measure's sums are called.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// Of all units.
    all: u32,
    /// Of those that strayed.
    strayed: u32,
}

impl Numbers {
    fn of(measure: &str, names: &mut Names) -> Option<Self> {
        Some(Self {
            all: names.number(&measure_name(measure))?,
            strayed: names.number(&strayed_name(measure))?,
        })
    }
}

impl Layout {
    /// Of these measures and the built-in ones, and of all outcomes that `names` knows already.
    #[must_use]
    pub fn of(measures: &Measures, names: &mut Names) -> Self {
        let mut layout = Self {
            measures: Vec::new(),
            slots: HashMap::new(),
            ages: HashMap::new(),
            automatic: BTreeMap::new(),
            taken: Vec::new(),
            units: names.number(UNITS).unwrap_or_default(),
            contaminated: names.number(CONTAMINATED).unwrap_or_default(),
            strayed: names.number(STRAYED).unwrap_or_default(),
        };
        for (name, measure) in measures.with_built_in().0 {
            let defined = layout.defined(&name, measure, names);
            layout.measures.extend(defined);
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
            let numbers = Numbers::of(outcome, names)?;
            self.automatic.insert(number, numbers);
        }
        Some(number)
    }

    /// The slots of a source.
    #[must_use]
    pub fn slots(&self, source: u32) -> &[Slot] {
        self.slots.get(&source).map_or(&[], Vec::as_slice)
    }

    /// The slot of a source for values of that long after the first exposure, where it is summed up by day.
    #[must_use]
    pub fn age_slot(&self, source: u32, since_first: Micros) -> Option<u32> {
        let ages = self.ages.get(&source)?;
        ages.get(usize::try_from(since_first.div_euclid(DAY)).ok()?)
            .copied()
    }

    /// The slot that says how many of a unit's requests another cluster answered than its variant's.
    #[must_use]
    pub fn strayed_slot(&self) -> u32 {
        self.strayed
    }

    /// Whether a request of a unit was given another variant, or answered by another cluster than the variant's.
    fn has_strayed(&self, state: &UnitState) -> bool {
        state.contaminated || state.slot(self.strayed).0 > 0.0
    }

    /// What a unit adds to its variant's sums, by the number of the measure. The count of units is a
    /// measure of its own; the others' `n` is 0, and so is what does not differ between units.
    pub fn contribution(&self, state: &UnitState, mut add: impl FnMut(u32, Sums)) {
        let one = Sums {
            n: 1,
            ..Sums::default()
        };
        let strayed = self.has_strayed(state);
        add(self.units, one);
        if state.contaminated {
            add(self.contaminated, one);
        }
        if strayed {
            add(self.strayed, one);
        }
        let mut summed = |numbers: &Numbers, sums: Sums| {
            add(numbers.all, sums);
            if strayed {
                add(numbers.strayed, sums);
            }
        };
        for it in &self.measures {
            let (x, before) = state.slot(it.slot);
            let y = it.denominator.map_or(0.0, |it| state.slot(it).0);
            let sums = it.measure.sums(x, y, before);
            summed(&it.numbers, weighed(sums, it.denominator.is_some()));
        }
        for (source, numbers) in &self.automatic {
            let (x, before) = state.slot(*source);
            summed(numbers, weighed(Sums::of(x, 1.0, before), false));
        }
        for it in self.measures.iter().filter(|it| state.has(it.slot)) {
            for (slot, number) in &it.ages {
                let (x, _) = state.slot(*slot);
                if x != 0.0 {
                    add(*number, weighed(it.measure.sums(x, 0.0, 0.0), false));
                }
            }
        }
    }

    fn defined(&mut self, name: &str, measure: Measure, names: &mut Names) -> Option<Defined> {
        let slot = self.slot(&measure.source, measure.window, names)?;
        let denominator = measure.denominator.as_ref();
        let denominator = denominator.and_then(|it| self.slot(it, measure.window, names));
        Some(Defined {
            numbers: Numbers::of(name, names)?,
            slot,
            denominator,
            ages: self.aged(name, &measure, names),
            measure,
        })
    }

    /// The days since first exposure that a measure is also summed up by.
    fn aged(&mut self, name: &str, measure: &Measure, names: &mut Names) -> Vec<(u32, u32)> {
        let source = measure.source.name();
        let (ages, number) = (measure.ages(), names.number(&source));
        let (1.., Some(number)) = (ages, number) else {
            return Vec::new();
        };
        let mut slots = [0; AGES];
        for (age, slot) in slots.iter_mut().enumerate() {
            let Some(number) = names.number(&format!("{source}#{age}")) else {
                return Vec::new();
            };
            *slot = number;
        }
        self.ages.insert(number, slots);
        let sums = |(age, slot)| Some((slot, names.number(&age_name(name, age))?));
        (0..ages).zip(slots).filter_map(sums).collect()
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

/// Without what follows from the number of units; see [`complete`].
fn weighed(sums: Sums, is_ratio: bool) -> Sums {
    let mut sums = Sums { n: 0, ..sums };
    if !is_ratio {
        (sums.y, sums.yy, sums.xy, sums.yc) = (0.0, 0.0, 0.0, 0.0);
    }
    sums
}
