//! The tabular cumulative sum (Page 1954): it adds up what is beyond a slack, and signals when the sum is
//! above a decision interval.

use crate::{Result, StatsError, check};

/// What the chart is told; slack and interval are in the units of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    /// The mean when nothing has moved.
    pub target: f64,
    /// The slack K: half of the shift to find.
    pub slack: f64,
    /// The decision interval H.
    pub interval: f64,
}

/// The chart of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct CusumChart {
    /// The sums upwards.
    pub above: Vec<f64>,
    /// The sums downwards.
    pub below: Vec<f64>,
    /// The places where either is beyond the interval.
    pub signals: Vec<usize>,
}

impl Cusum {
    /// Charts a series.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` for a negative slack or an interval that is not positive.
    pub fn chart(&self, series: &[f64]) -> Result<CusumChart> {
        check::all_finite("x", series)?;
        check::all_finite("mu0, K, H", &[self.target, self.slack, self.interval])?;
        if self.slack < 0.0 {
            return Err(StatsError::OutOfRange {
                input: "K",
                expected: "not negative",
            });
        }
        check::positive("H", self.interval)?;
        let (mut up, mut down) = (0.0_f64, 0.0_f64);
        let mut chart = CusumChart {
            above: Vec::new(),
            below: Vec::new(),
            signals: Vec::new(),
        };
        for (place, value) in series.iter().enumerate() {
            up = (value - (self.target + self.slack) + up).max(0.0);
            down = ((self.target - self.slack) - value + down).max(0.0);
            if up > self.interval || down > self.interval {
                chart.signals.push(place);
            }
            chart.above.push(up);
            chart.below.push(down);
        }
        Ok(chart)
    }
}
