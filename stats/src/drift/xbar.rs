//! Shewhart's chart of group means, with the spread from the groups' ranges and from their standard
//! deviations.

use super::chart_constants::{c4, mean_range};
use super::shewhart::Limits;
use crate::{Result, StatsError, check};

/// The limits for group means, by both estimates of the spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct XbarChart {
    /// From the mean range over d2.
    pub by_range: Limits,
    /// From the mean standard deviation over c4.
    pub by_deviation: Limits,
}

/// The chart of groups of one size.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `LengthMismatch` where the groups differ in size, `OutOfRange` for k,
/// `InsufficientData` for groups of one.
pub fn xbar(groups: &[Vec<f64>], k: f64) -> Result<XbarChart> {
    for group in groups {
        check::all_finite("groups", group)?;
    }
    check::finite([("k", k)])?;
    let Some(first) = groups.first() else {
        return Err(StatsError::EmptyInput { input: "groups" });
    };
    for group in groups {
        check::same_length("groups", group, first)?;
    }
    check::positive("k", k)?;
    let Some(n) = u32::try_from(first.len()).ok().filter(|n| *n >= 2) else {
        return Err(StatsError::InsufficientData {
            input: "groups",
            needs: "at least 2 values each",
        });
    };
    let (count, size) = (groups.len() as f64, f64::from(n));
    let means: Vec<f64> = groups
        .iter()
        .map(|group| group.iter().sum::<f64>() / size)
        .collect();
    let centre = means.iter().sum::<f64>() / count;
    let range: f64 = groups.iter().map(|group| spread(group)).sum::<f64>() / count;
    let deviation: f64 = groups
        .iter()
        .zip(&means)
        .map(|(group, mean)| deviation(group, *mean))
        .sum::<f64>()
        / count;
    let limits = |sigma: f64| {
        let half = k * sigma / size.sqrt();
        Limits {
            centre,
            sigma,
            lower: centre - half,
            upper: centre + half,
        }
    };
    Ok(XbarChart {
        by_range: limits(range / mean_range(n)),
        by_deviation: limits(deviation / c4(n)),
    })
}

fn spread(group: &[f64]) -> f64 {
    let high = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    high - group.iter().copied().fold(f64::INFINITY, f64::min)
}

fn deviation(group: &[f64], mean: f64) -> f64 {
    (group
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / (group.len() as f64 - 1.0))
        .sqrt()
}
