//! What units had on each day since their first exposure, as the statistics take it: only units of whom that day is
//! over, phase by phase. Pure.

use super::phases::{self, DAY};
use super::{Shape, counted};
use std::collections::BTreeMap;
use watershed_evidence::store::Sufficient;
use watershed_evidence::sums::Sums;
use watershed_stats::results as stats;

impl Shape<'_> {
    /// For the first, second, … day since first exposure its slices; nothing where the measure has no such days.
    pub(super) fn ages(self, sums: &Sufficient) -> Vec<Vec<stats::Slice>> {
        let most = sums.variants.values().map(|arm| arm.ages.len()).max();
        let ages = 0..most.unwrap_or_default();
        ages.map(|age| self.of_age(sums, age)).collect()
    }

    fn of_age(self, sums: &Sufficient, age: usize) -> Vec<stats::Slice> {
        let mut slices: BTreeMap<usize, Vec<stats::Sums>> = BTreeMap::new();
        for (place, variant) in self.variants.iter().enumerate() {
            let Some(arm) = sums.variants.get(variant) else {
                continue;
            };
            let of_age = arm.ages.get(age);
            for (day, units) in &arm.days {
                let Some(phase) = self.phase_of(*day, age) else {
                    continue;
                };
                let nothing = Sums::default();
                let had = of_age.and_then(|days| days.get(day)).unwrap_or(&nothing);
                let none = || vec![stats::Sums::default(); self.variants.len()];
                let arms = slices.entry(phase).or_insert_with(none);
                if let Some(arm) = arms.get_mut(place) {
                    let more = counted(&Sums { n: units.n, ..*had });
                    (arm.n, arm.x, arm.xx) = (arm.n + more.n, arm.x + more.x, arm.xx + more.xx);
                }
            }
        }
        let slice = |(phase, arms)| stats::Slice {
            phase,
            day: None,
            arms,
        };
        slices.into_iter().map(slice).collect()
    }

    /// The phase of units that were first exposed on a day, where the day of their `age` is over for all of them.
    fn phase_of(self, day: i32, age: usize) -> Option<usize> {
        let age = i64::try_from(age).ok()?;
        let over = (i64::from(day) + age + 2).checked_mul(DAY)?;
        let is_over = over <= self.seen.now.as_second();
        phases::of_day(self.seen.stretches, day).filter(|_| is_over)
    }
}
