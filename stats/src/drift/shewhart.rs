//! Shewhart's chart of individual values: a baseline gives centre and limits, new values signal where
//! they are beyond. Charts of counts and of groups are in files of their own.

use super::chart_constants;
use crate::distribution::normal;
use crate::{Result, StatsError, check};

/// How the baseline's spread is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// The mean of the moving ranges over d2(2), which a slow shift hardly touches.
    MovingRange,
    /// The standard deviation.
    StandardDeviation,
}

/// A chart's centre and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The baseline's mean.
    pub centre: f64,
    /// The estimated standard deviation.
    pub sigma: f64,
    /// The lower limit.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
}

impl Limits {
    /// The places of the values that are beyond a limit; one on a limit is not.
    #[must_use]
    pub fn signals(&self, values: &[f64]) -> Vec<usize> {
        values
            .iter()
            .enumerate()
            .filter(|(_, value)| **value > self.upper || **value < self.lower)
            .map(|(place, _)| place)
            .collect()
    }
}

/// The limits `k` standard deviations around the baseline's mean.
///
/// # Errors
/// `NonFiniteInput`, `OutOfRange` where `k` is not positive, `InsufficientData` with fewer than two values.
pub fn individuals(baseline: &[f64], k: f64, spread: Spread) -> Result<Limits> {
    check::all_finite("baseline", baseline)?;
    check::finite([("k", k)])?;
    check::positive("k", k)?;
    if baseline.len() < 2 {
        return Err(StatsError::InsufficientData {
            input: "baseline",
            needs: "at least 2 values",
        });
    }
    let n = baseline.len() as f64;
    let rough = baseline.iter().sum::<f64>() / n;
    let centre = rough + baseline.iter().map(|value| value - rough).sum::<f64>() / n;
    let sigma = match spread {
        Spread::MovingRange => {
            let ranges: f64 = baseline
                .iter()
                .zip(baseline.iter().skip(1))
                .map(|(a, b)| (b - a).abs())
                .sum();
            ranges / (n - 1.0) / chart_constants::D2_OF_PAIRS
        }
        Spread::StandardDeviation => (baseline
            .iter()
            .map(|value| (value - centre) * (value - centre))
            .sum::<f64>()
            / (n - 1.0))
            .sqrt(),
    };
    Ok(Limits {
        centre,
        sigma,
        lower: centre - k * sigma,
        upper: centre + k * sigma,
    })
}

/// How often a chart with limits at `k` standard deviations signals when nothing has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FalseAlarms {
    /// The probability at each value.
    pub probability: f64,
    /// The mean number of values until the first (ARL0).
    pub run_length: f64,
}

/// The false alarms of normal values.
///
/// # Errors
/// `NonFiniteInput`, `OutOfRange` where `k` is not positive.
pub fn false_alarms(k: f64) -> Result<FalseAlarms> {
    check::finite([("k", k)])?;
    check::positive("k", k)?;
    let probability = 2.0 * normal::sf(k);
    Ok(FalseAlarms {
        probability,
        run_length: 1.0 / probability,
    })
}
