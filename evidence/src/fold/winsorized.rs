//! What a winsorised measure comes down to: unit by unit, first for the limits and then for the sums, as no sums that
//! are kept say where the limits are. Pure; reading the units is the databases'.

use super::{Defined, Layout, Names, Summed, UnitState, measure_name};
use crate::sums::Sums;
use crate::winsorize::{Clipping, Limits, Winsorize};
use std::collections::BTreeMap;

/// A winsorised measure, and where its values are in a unit.
#[derive(Clone, Copy, Debug)]
pub struct Winsorized<'a> {
    layout: &'a Layout,
    defined: &'a Defined,
    rule: Winsorize,
}

impl<'a> Winsorized<'a> {
    /// The measure of a name; nothing where it is not winsorised.
    #[must_use]
    pub fn of(measure: &str, layout: &'a Layout, names: &Names) -> Option<Self> {
        let number = names.find(&measure_name(measure))?;
        let mut measures = layout.measures.iter();
        let defined = measures.find(|it| it.numbers.all == number)?;
        Some(Self {
            layout,
            defined,
            rule: defined.measure.winsorize?,
        })
    }

    /// What the measure's slots have of a unit: of the source, of the denominator, and of the source before.
    fn sums(&self, state: &UnitState) -> (f64, f64, f64) {
        let (x, before) = state.slot(self.defined.slot);
        let y = self.defined.denominator.map_or(0.0, |it| state.slot(it).0);
        (x, y, before)
    }
}

/// All units' values, from which limits follow: 8 bytes a unit, of a ratio 16.
#[derive(Debug)]
pub struct Pool<'a> {
    of: Winsorized<'a>,
    x: Vec<f64>,
    y: Vec<f64>,
}

impl<'a> Pool<'a> {
    /// No units yet.
    #[must_use]
    pub fn new(of: Winsorized<'a>) -> Self {
        Self {
            of,
            x: Vec::new(),
            y: Vec::new(),
        }
    }

    /// Takes a unit in.
    pub fn add(&mut self, state: &UnitState) {
        let Winsorized { defined, rule, .. } = self.of;
        let (source, denominator, before) = self.of.sums(state);
        let (x, y, _) = defined.measure.values(source, denominator, before);
        if rule.counts(x) {
            self.x.push(x);
        }
        if defined.denominator.is_some() && rule.counts(y) {
            self.y.push(y);
        }
    }

    /// The limits, ready to clip the same units.
    #[must_use]
    pub fn clipped(mut self) -> Clipped<'a> {
        let Winsorized { defined, rule, .. } = self.of;
        let clipping = Clipping {
            x: rule.limits(&mut self.x),
            y: defined.denominator.map(|_| rule.limits(&mut self.y)),
        };
        Clipped {
            of: self.of,
            clipping,
            of_day: clipping.x.of_part(),
            groups: BTreeMap::new(),
        }
    }
}

/// The sums of units that are clipped.
#[derive(Debug)]
pub struct Clipped<'a> {
    of: Winsorized<'a>,
    clipping: Clipping,
    /// What one day's values since the first exposure are clipped at.
    of_day: Limits,
    /// By variant, day of first exposure, and whether the units strayed.
    groups: BTreeMap<(u32, i32, bool), (Sums, Vec<Sums>)>,
}

impl Clipped<'_> {
    /// Takes a unit in.
    pub fn add(&mut self, state: &UnitState) {
        let Winsorized {
            layout, defined, ..
        } = self.of;
        let key = (state.variant, state.day(), layout.has_strayed(state));
        let none = || (Sums::default(), vec![Sums::default(); defined.ages.len()]);
        let (sums, ages) = self.groups.entry(key).or_insert_with(none);
        sums.add(&defined.measure.clipped(self.of.sums(state), &self.clipping));
        if ages.is_empty() || !state.has(defined.slot) {
            return;
        }
        for ((slot, _), sums) in defined.ages.iter().zip(ages) {
            let (x, _, _) = defined.measure.values(state.slot(*slot).0, 0.0, 0.0);
            let x = self.of_day.clip(x);
            (sums.x, sums.xx) = (sums.x + x, sums.xx + x * x);
        }
    }

    /// The limits, and what all units that were taken in come down to.
    #[must_use]
    pub fn summed(self, names: &Names) -> (Clipping, Summed) {
        let ages = self.of.defined.ages.len();
        let groups = self.groups.into_iter();
        let named = groups.map(|((variant, day, strayed), (sums, ages))| {
            ((names.text(variant).to_owned(), day), strayed, sums, ages)
        });
        (self.clipping, Summed::of_groups(named, ages))
    }
}
