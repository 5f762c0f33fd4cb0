//! The chart of exponentially weighted moving averages (Roberts 1959): small shifts that last show sooner
//! than on Shewhart's.

use crate::{Result, StatsError, check};

/// What the chart is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    /// The mean when nothing has moved.
    pub target: f64,
    /// The standard deviation of a value.
    pub sigma: f64,
    /// The weight λ of the newest value, in (0, 1].
    pub weight: f64,
    /// Where the limits are, in standard deviations of the average.
    pub limit: f64,
}

/// The chart of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct EwmaChart {
    /// The moving average at each point.
    pub averages: Vec<f64>,
    /// The lower limit at each point.
    pub lower: Vec<f64>,
    /// The upper limit at each point.
    pub upper: Vec<f64>,
    /// The places of the averages beyond a limit.
    pub signals: Vec<usize>,
}

impl Ewma {
    /// Charts a series.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` for a weight outside (0, 1], a limit or a sigma that is not positive.
    pub fn chart(&self, series: &[f64]) -> Result<EwmaChart> {
        check::all_finite("x", series)?;
        check::all_finite(
            "target, sigma, lam, L",
            &[self.target, self.sigma, self.weight, self.limit],
        )?;
        if self.weight <= 0.0 || self.weight > 1.0 {
            return Err(StatsError::OutOfRange {
                input: "lam",
                expected: "in (0, 1]",
            });
        }
        check::positive("L", self.limit)?;
        check::positive("sigma", self.sigma)?;
        let kept = 1.0 - self.weight;
        let (mut average, mut left) = (self.target, 1.0);
        let size = series.len();
        let mut chart = EwmaChart {
            averages: Vec::with_capacity(size),
            lower: Vec::with_capacity(size),
            upper: Vec::with_capacity(size),
            signals: Vec::new(),
        };
        for (place, value) in series.iter().enumerate() {
            average = self.weight * value + kept * average;
            left *= kept * kept;
            let half =
                self.limit * self.sigma * (self.weight / (2.0 - self.weight) * (1.0 - left)).sqrt();
            let (lower, upper) = (self.target - half, self.target + half);
            if average > upper || average < lower {
                chart.signals.push(place);
            }
            chart.averages.push(average);
            chart.lower.push(lower);
            chart.upper.push(upper);
        }
        Ok(chart)
    }
}
