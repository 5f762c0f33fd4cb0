//! Measures: what is summed up for each unit. A measure says where its values come from and how a unit's
//! values become one number; what a person calls a metric, with its direction and its tests, is the
//! model's.

use crate::Micros;
use crate::sums::Sums;
use crate::winsorize::{Clipping, Winsorize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For how many days since a unit's first exposure values are summed up day by day, at most.
pub const AGES: usize = 7;
/// A day, in microseconds.
pub(crate) const DAY: Micros = 24 * 60 * 60 * 1_000_000;

/// Where values come from.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Outcomes of that name, reported by applications or in the outcome header.
    Outcome(String),
    /// 1 for each request that reached an upstream.
    Requests,
    /// 1 for each of those requests that failed; see [`crate::Execution::failed`].
    Errors,
    /// Its duration in milliseconds.
    Latency,
    /// The time to the first byte of its response in milliseconds, where one came.
    Ttfb,
}

impl Source {
    /// What exposures themselves give.
    pub const BUILT_IN: [Self; 4] = [Self::Requests, Self::Errors, Self::Latency, Self::Ttfb];

    /// A name that no other source has.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Outcome(name) => format!("outcome:{name}"),
            Self::Requests => "requests".to_owned(),
            Self::Errors => "errors".to_owned(),
            Self::Latency => "latency".to_owned(),
            Self::Ttfb => "ttfb".to_owned(),
        }
    }
}

/// How a unit's values become one number.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Their sum; 0 where there is none.
    #[default]
    Sum,
    /// 1 where the sum is not 0, else 0: a proportion of units.
    Any,
}

/// One measure.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Measure {
    /// Where `x` comes from.
    pub source: Source,
    /// Where `y` comes from, for a ratio; nothing is 1 for each unit.
    pub denominator: Option<Source>,
    /// How a unit's values become `x`, and the covariate.
    pub aggregation: Aggregation,
    /// How long after the first exposure outcomes count, in microseconds; nothing is without end.
    pub window: Option<Micros>,
    /// A unit's `x` is at most this.
    pub cap: Option<f64>,
    /// At which quantiles over all units of an experiment a unit's `x` and `y` are clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorize: Option<Winsorize>,
}

impl Measure {
    /// The sum of a source, with no window and no cap.
    #[must_use]
    pub fn of(source: Source) -> Self {
        Self {
            source,
            denominator: None,
            aggregation: Aggregation::Sum,
            window: None,
            cap: None,
            winsorize: None,
        }
    }

    /// The ratio of two sources over all units.
    #[must_use]
    pub fn ratio(source: Source, denominator: Source) -> Self {
        Self {
            denominator: Some(denominator),
            ..Self::of(source)
        }
    }

    /// What a unit with these sums adds: of the source, of the denominator, and of the source before the
    /// first exposure. It is not clipped: that takes all units.
    #[must_use]
    pub fn sums(&self, source: f64, denominator: f64, before: f64) -> Sums {
        let (x, y, c) = self.values(source, denominator, before);
        Sums::of(x, y, c)
    }

    /// The same, clipped.
    #[must_use]
    pub fn clipped(
        &self,
        (source, denominator, before): (f64, f64, f64),
        clipping: &Clipping,
    ) -> Sums {
        let (x, y, c) = self.values(source, denominator, before);
        let y = clipping.y.map_or(y, |limits| limits.clip(y));
        Sums::of(clipping.x.clip(x), y, clipping.x.clip(c))
    }

    /// `x`, `y` and `c` of a unit with these sums.
    #[must_use]
    pub fn values(&self, source: f64, denominator: f64, before: f64) -> (f64, f64, f64) {
        let y = match self.denominator {
            Some(_) => denominator,
            None => 1.0,
        };
        (self.value(source), y, self.value(before))
    }

    /// For how many days since a unit's first exposure its values are also summed up day by day: those that the window
    /// covers, of the first [`AGES`]. What has no time of its own, or is over a denominator, has none.
    #[must_use]
    pub fn ages(&self) -> usize {
        let is_outcome = matches!(self.source, Source::Outcome(_));
        if !is_outcome || self.denominator.is_some() {
            return 0;
        }
        let days = self.window.map_or(i64::MAX, |window| window / DAY);
        usize::try_from(days).map_or(AGES, |days| days.min(AGES))
    }

    fn value(&self, sum: f64) -> f64 {
        let value = match self.aggregation {
            Aggregation::Sum => sum,
            Aggregation::Any if sum == 0.0 => 0.0,
            Aggregation::Any => 1.0,
        };
        self.cap.map_or(value, |cap| value.min(cap))
    }
}

/// The measures of an installation, by name. Beside these there are always the built-in ones, and one for
/// each outcome that nobody defined: its sum.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Measures(pub BTreeMap<String, Measure>);

impl Measures {
    /// What exposures give without anybody's saying: `requests`, `error_rate`, `latency_ms`, `ttfb_ms`.
    #[must_use]
    pub fn built_in() -> Self {
        let per_request = |source| Measure::ratio(source, Source::Requests);
        let named = [
            ("requests", Measure::of(Source::Requests)),
            ("error_rate", per_request(Source::Errors)),
            ("latency_ms", per_request(Source::Latency)),
            ("ttfb_ms", per_request(Source::Ttfb)),
        ];
        Self(named.map(|(name, it)| (name.to_owned(), it)).into())
    }

    /// These, and the built-in ones whose names are free.
    #[must_use]
    pub fn with_built_in(&self) -> Self {
        let mut all = Self::built_in();
        all.0.extend(self.0.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::winsorize::Limits;

    #[test]
    fn a_units_value_is_its_sum_up_to_the_cap() {
        let mut measure = Measure::of(Source::Outcome("revenue".to_owned()));
        assert_eq!(measure.sums(7.0, 0.0, 2.0), Sums::of(7.0, 1.0, 2.0));
        measure.cap = Some(5.0);
        assert_eq!(measure.sums(7.0, 0.0, 2.0), Sums::of(5.0, 1.0, 2.0));
    }

    #[test]
    fn value_covariate_and_denominator_of_a_unit_are_clipped() {
        let at_most = |upper| Limits {
            upper: Some(upper),
            ..Limits::default()
        };
        let clipping = Clipping {
            x: at_most(5.0),
            y: Some(at_most(3.0)),
        };
        let ratio = Measure::ratio(Source::Outcome("revenue".to_owned()), Source::Requests);
        let sums = ratio.clipped((7.0, 4.0, 6.0), &clipping);
        assert_eq!(sums, Sums::of(5.0, 3.0, 5.0));
    }

    #[test]
    fn a_proportion_counts_units_once() {
        let measure = Measure {
            aggregation: Aggregation::Any,
            ..Measure::of(Source::Outcome("bought".to_owned()))
        };
        assert_eq!(measure.sums(3.0, 0.0, 0.0), Sums::of(1.0, 1.0, 0.0));
        assert_eq!(measure.sums(0.0, 0.0, 2.0), Sums::of(0.0, 1.0, 1.0));
    }

    #[test]
    fn a_ratio_has_its_denominator() {
        let measure = Measure::ratio(Source::Errors, Source::Requests);
        assert_eq!(measure.sums(1.0, 8.0, 0.0), Sums::of(1.0, 8.0, 0.0));
    }

    #[test]
    fn outcomes_are_summed_up_by_the_days_that_their_window_covers() {
        let outcome = || Source::Outcome("bought".to_owned());
        let within = |window| Measure {
            window,
            ..Measure::of(outcome())
        };
        for (window, ages) in [
            (None, AGES),
            (Some(30 * DAY), AGES),
            (Some(2 * DAY), 2),
            (Some(2 * DAY - 1), 1),
        ] {
            assert_eq!(within(window).ages(), ages, "{window:?}");
        }
        assert_eq!(Measure::of(Source::Latency).ages(), 0);
        assert_eq!(Measure::ratio(outcome(), Source::Requests).ages(), 0);
    }

    #[test]
    fn a_definition_takes_the_place_of_a_built_in_one() {
        let own = Measure::of(Source::Outcome("latency".to_owned()));
        let measures = Measures([("latency_ms".to_owned(), own.clone())].into());
        let all = measures.with_built_in();
        assert_eq!(all.0["latency_ms"], own);
        assert_eq!(all.0.len(), Measures::built_in().0.len());
    }
}
