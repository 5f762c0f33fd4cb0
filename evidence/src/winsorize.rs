//! Winsorisation: units' values are clipped at quantiles of all units' values, so that a few that are far out do not
//! decide. Which quantiles is the measure's; at which values that is follows from the units. Pure; reading units is the
//! databases'.
//!
//! Quantiles are order statistics, as in `scipy.stats.mstats.winsorize`: of `n` values in ascending order at most
//! `floor(lower * n)` are below the lower limit, and at most `floor((1 - upper) * n)` above the upper one. Each limit is
//! the value of a unit, without interpolation.

use serde::{Deserialize, Serialize};

/// What a share is more than it is written as: a product that is a whole number stays one.
pub(crate) const SLACK: f64 = 1e-12;

/// At which quantiles values are clipped.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Winsorize {
    /// The share of values that are raised; 0 is none.
    pub lower: f64,
    /// The share of values that are not lowered; 1 is all.
    pub upper: f64,
    /// Whether values of 0 are left alone: they do not count for the quantiles, and stay 0.
    pub ignore_zeros: bool,
}

/// Between which values one value of a unit is clipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// What is below counts as this.
    pub lower: Option<f64>,
    /// What is above counts as this.
    pub upper: Option<f64>,
    /// Whether values of 0 stay 0.
    pub ignore_zeros: bool,
}

/// Between which values what a measure reads of a unit is clipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Clipping {
    /// The value, and the covariate as well: the same value before the first exposure.
    pub x: Limits,
    /// The denominator of a ratio.
    pub y: Option<Limits>,
}

impl Winsorize {
    /// Whether a value counts for the quantiles.
    #[must_use]
    pub fn counts(&self, value: f64) -> bool {
        !(self.ignore_zeros && value == 0.0)
    }

    /// The share of values below the lower limit and that of values above the upper one, where there is such a limit.
    #[must_use]
    pub fn shares(&self) -> (Option<f64>, Option<f64>) {
        let share = |share: f64| (share > 0.0).then_some(share + SLACK);
        (share(self.lower), share(1.0 - self.upper))
    }

    /// The limits that follow from the values that count, which are put into another order. Nothing is clipped where there
    /// are none.
    #[must_use]
    pub fn limits(&self, values: &mut [f64]) -> Limits {
        let (lower, upper) = self.shares();
        let last = values.len().saturating_sub(1);
        let from_below = lower.map(|share| whole(share, values.len()).min(last));
        let from_above = upper.map(|share| last - whole(share, values.len()).min(last));
        let mut at = |place: usize| {
            let is_there = place < values.len();
            is_there.then(|| *values.select_nth_unstable_by(place, f64::total_cmp).1)
        };
        Limits {
            lower: from_below.and_then(&mut at),
            upper: from_above.and_then(&mut at),
            ignore_zeros: self.ignore_zeros,
        }
    }
}

/// How many of `count` values a share is, rounded down.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of units, which are fewer than 2^53"
)]
fn whole(share: f64, count: usize) -> usize {
    (share * count as f64) as usize
}

impl Limits {
    /// The value within the limits.
    #[must_use]
    pub fn clip(&self, value: f64) -> f64 {
        if self.ignore_zeros && value == 0.0 {
            return value;
        }
        let raised = self.lower.map_or(value, |lower| value.max(lower));
        self.upper.map_or(raised, |upper| raised.min(upper))
    }

    /// The limits of a part of a value, as that of a day: it is held back as the whole is, and never pushed away from 0.
    #[must_use]
    pub fn of_part(&self) -> Self {
        Self {
            lower: self.lower.map(|it| it.min(0.0)),
            upper: self.upper.map(|it| it.max(0.0)),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(lower: f64, upper: f64) -> Winsorize {
        Winsorize {
            lower,
            upper,
            ignore_zeros: false,
        }
    }

    fn clipped(rule: Winsorize, values: &[f64]) -> Vec<f64> {
        let mut pool: Vec<f64> = values
            .iter()
            .copied()
            .filter(|it| rule.counts(*it))
            .collect();
        let limits = rule.limits(&mut pool);
        values.iter().map(|it| limits.clip(*it)).collect()
    }

    #[test]
    fn limits_are_those_of_scipy() {
        let numbers: Vec<f64> = (0..37).map(|it| f64::from((it * 29) % 37) - 5.0).collect();
        // What `scipy.stats.mstats.winsorize` of SciPy 1.17.1 clips the numbers -5 to 31 at.
        for (lower, upper, at_least, at_most) in [
            (0.0, 0.99, None, 31.0),
            (0.0, 0.95, None, 30.0),
            (0.05, 0.95, Some(-4.0), 30.0),
            (0.1, 0.9, Some(-2.0), 28.0),
            (0.25, 0.5, Some(4.0), 13.0),
        ] {
            let limits = rule(lower, upper).limits(&mut numbers.clone());
            assert_eq!(
                (limits.lower, limits.upper),
                (at_least, Some(at_most)),
                "{lower} to {upper}"
            );
        }
    }

    #[test]
    fn a_share_that_is_a_whole_number_of_values_is_one_however_it_is_written() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        for (upper, expected) in [
            (0.99, 99.0),
            (0.93, 93.0),
            (0.9, 90.0),
            (0.57, 57.0),
            (0.29, 29.0),
        ] {
            let limits = rule(0.0, upper).limits(&mut hundred.clone());
            assert_eq!(limits.upper, Some(expected), "{upper}");
            assert_eq!(limits.lower, None);
            let limits = rule(1.0 - upper, 1.0).limits(&mut hundred.clone());
            assert_eq!(limits.lower, Some(101.0 - expected), "{upper}");
        }
    }

    #[test]
    fn zeros_that_are_ignored_do_not_count_and_stay() {
        let all = Winsorize {
            ignore_zeros: true,
            ..rule(0.25, 0.75)
        };
        let values = [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 90.0];
        assert_eq!(
            clipped(all, &values),
            [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 3.0, 3.0]
        );
        assert_eq!(clipped(rule(0.0, 0.5), &values), [0.0; 8]);
    }

    #[test]
    fn where_there_are_no_values_nothing_is_clipped() {
        let limits = rule(0.1, 0.9).limits(&mut []);
        assert_eq!((limits.lower, limits.upper), (None, None));
        assert_eq!(limits.clip(7.0), 7.0);
    }

    #[test]
    fn a_part_is_held_back_and_not_pushed_away_from_zero() {
        let limits = Limits {
            lower: Some(2.0),
            upper: Some(9.0),
            ignore_zeros: false,
        };
        let part = limits.of_part();
        assert_eq!([0.0, 1.0, 12.0].map(|it| part.clip(it)), [0.0, 1.0, 9.0]);
    }

    proptest! {
        #[test]
        fn what_is_clipped_is_at_most_its_share_and_the_order_stays(
            values in proptest::collection::vec(-1e6..1e6_f64, 1..300),
            (lower, upper) in (0.0..0.5_f64, 0.5..1.0_f64),
        ) {
            let clipped = clipped(rule(lower, upper), &values);
            let count = values.len() as f64;
            let raised = values.iter().zip(&clipped).filter(|(was, is)| is > was).count() as f64;
            let lowered = values.iter().zip(&clipped).filter(|(was, is)| is < was).count() as f64;
            prop_assert!(raised <= lower * count + 1e-9 && lowered <= (1.0 - upper) * count + 1e-9);
            let mut places: Vec<usize> = (0..values.len()).collect();
            places.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
            prop_assert!(places.windows(2).all(|it| clipped[it[0]] <= clipped[it[1]]));
        }
    }
}
