//! What sums are called, and what variants come down to from those that a question asks for.

use crate::measure::AGES;
use crate::store::Arm;
use crate::sums::Sums;
use std::collections::BTreeMap;

/// Counts units. Metrics have no `~`.
pub const UNITS: &str = "~units";
/// Counts units that were seen in a second variant.
pub const CONTAMINATED: &str = "~contaminated";
/// Counts units that strayed; see [`Arm::strayed`]. Of a unit, it is how many requests another cluster answered.
pub const STRAYED: &str = "~strayed";

/// What a measure is called among the names.
#[must_use]
pub fn measure_name(name: &str) -> String {
    format!("measure:{name}")
}

/// What its sums over units that strayed are called among the names.
pub(super) fn strayed_name(name: &str) -> String {
    format!("strayed:{name}")
}

/// What its sums over units' values of the `age`th day since their first exposure are called.
pub(super) fn age_name(name: &str, age: usize) -> String {
    format!("day {age}:{name}")
}

/// The names of all sums that answer a question for a measure.
#[must_use]
pub fn asked(measure: &str) -> Vec<String> {
    let counted = [UNITS, STRAYED].map(str::to_owned);
    let summed = [measure_name(measure), strayed_name(measure)];
    let ages = (0..AGES).map(|age| age_name(measure, age));
    counted.into_iter().chain(summed).chain(ages).collect()
}

/// What a measure comes down to, by variant and day.
#[derive(Clone, Debug, Default)]
pub struct Summed {
    /// The number of units.
    pub units: Days,
    /// What they contributed.
    pub all: Days,
    /// The number of units that strayed.
    pub strayed_units: Days,
    /// What those contributed.
    pub strayed: Days,
    /// What units contributed on the first, second, … day since their first exposure.
    pub ages: Vec<Days>,
}

impl Summed {
    /// From the sums of the names that are [`asked`] for.
    #[must_use]
    pub fn of(measure: &str, mut found: BTreeMap<String, Days>) -> Self {
        let mut of = |name: &str| found.remove(name).unwrap_or_default();
        let ages = (0..AGES).map(|age| of(&age_name(measure, age)));
        let mut ages: Vec<Days> = ages.collect();
        if ages.iter().all(Days::is_empty) {
            ages.clear();
        }
        Self {
            units: of(UNITS),
            all: of(&measure_name(measure)),
            strayed_units: of(STRAYED),
            strayed: of(&strayed_name(measure)),
            ages,
        }
    }

    /// From groups of units, of which those that strayed are apart: by variant and day, the whole sums, and what units had
    /// on each of the first `ages` days since their first exposure.
    #[must_use]
    pub fn of_groups(
        groups: impl IntoIterator<Item = ((String, i32), bool, Sums, Vec<Sums>)>,
        ages: usize,
    ) -> Self {
        let mut summed = Self {
            ages: vec![Days::new(); ages],
            ..Self::default()
        };
        for (key, strayed, sums, of_ages) in groups {
            summed.all.entry(key.clone()).or_default().add(&sums);
            for (days, sums) in summed.ages.iter_mut().zip(of_ages) {
                if !sums.is_nothing() {
                    days.entry(key.clone()).or_default().add(&sums);
                }
            }
            if strayed {
                summed.strayed.insert(key, sums);
            }
        }
        summed.units = summed.all.clone();
        summed.strayed_units = summed.strayed.clone();
        summed
    }
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

/// What variants come down to for a measure.
#[must_use]
pub fn arms(summed: &Summed, is_ratio: bool) -> BTreeMap<String, Arm> {
    let mut arms: BTreeMap<String, Arm> = BTreeMap::new();
    for ((variant, day), sums) in completed(&summed.units, &summed.all, is_ratio) {
        let arm = arms.entry(variant.clone()).or_default();
        arm.sums.add(&sums);
        arm.days.insert(*day, sums);
    }
    for ((variant, day), sums) in completed(&summed.strayed_units, &summed.strayed, is_ratio) {
        if let (Some(arm), true) = (arms.get_mut(variant), sums.n > 0) {
            arm.strayed.insert(*day, sums);
        }
    }
    for (age, days) in summed.ages.iter().enumerate() {
        for arm in arms.values_mut() {
            arm.ages.push(BTreeMap::new());
        }
        for ((variant, day), sums) in days {
            if let Some(arm) = arms.get_mut(variant) {
                let units = arm.days.get(day).map_or(0, |it| it.n);
                let sums = complete(sums, units, false);
                arm.ages.get_mut(age).map(|days| days.insert(*day, sums));
            }
        }
    }
    arms
}

/// The sums of each variant and day that has units.
fn completed<'a>(
    units: &'a Days,
    summed: &'a Days,
    is_ratio: bool,
) -> impl Iterator<Item = (&'a (String, i32), Sums)> {
    units.iter().map(move |(key, units)| {
        let sums = summed.get(key).copied().unwrap_or_default();
        (key, complete(&sums, units.n, is_ratio))
    })
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
