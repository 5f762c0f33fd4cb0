//! Control charts of counts: a share of n (p chart), a rate per n (u chart), a count (c chart). Limits
//! are at k standard deviations of the binomial or the Poisson, cut off at what is possible.

use crate::{Result, StatsError, check};

/// The chart of a series of counts.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeChart {
    /// The mean share, rate or count.
    pub centre: f64,
    /// The lower limit at each point.
    pub lower: Vec<f64>,
    /// The upper limit at each point.
    pub upper: Vec<f64>,
    /// The places of the points beyond a limit.
    pub signals: Vec<usize>,
}

/// The chart of the shares `counts / n`.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `LengthMismatch`, `OutOfRange`: counts are between 0 and n, n and k positive.
pub fn p_chart(counts: &[f64], n: &[f64], k: f64) -> Result<AttributeChart> {
    check_input(counts, n, k)?;
    if counts.iter().zip(n).any(|(count, n)| count > n) {
        return Err(StatsError::OutOfRange {
            input: "counts",
            expected: "at most n",
        });
    }
    let centre = counts.iter().sum::<f64>() / n.iter().sum::<f64>();
    Ok(chart(counts, n, k, centre, centre * (1.0 - centre), 1.0))
}

/// The chart of the rates `counts / n`.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `LengthMismatch`, `OutOfRange`: counts are not negative, n and k positive.
pub fn u_chart(counts: &[f64], n: &[f64], k: f64) -> Result<AttributeChart> {
    check_input(counts, n, k)?;
    let centre = counts.iter().sum::<f64>() / n.iter().sum::<f64>();
    Ok(chart(counts, n, k, centre, centre, f64::INFINITY))
}

/// The chart of counts over equal periods.
///
/// # Errors
/// As [`u_chart`].
pub fn c_chart(counts: &[f64], k: f64) -> Result<AttributeChart> {
    u_chart(counts, &vec![1.0; counts.len()], k)
}

fn check_input(counts: &[f64], n: &[f64], k: f64) -> Result<()> {
    check::all_finite("counts", counts)?;
    check::all_finite("n", n)?;
    check::finite([("k", k)])?;
    check::same_length("counts and n", counts, n)?;
    if counts.is_empty() {
        return Err(StatsError::EmptyInput { input: "counts" });
    }
    check::positive("k", k)?;
    if counts.iter().any(|count| *count < 0.0) {
        return Err(StatsError::OutOfRange {
            input: "counts",
            expected: "not negative",
        });
    }
    if n.iter().any(|n| *n <= 0.0) {
        return Err(StatsError::OutOfRange {
            input: "n",
            expected: "positive",
        });
    }
    Ok(())
}

fn chart(
    counts: &[f64],
    n: &[f64],
    k: f64,
    centre: f64,
    unit_variance: f64,
    most: f64,
) -> AttributeChart {
    let half = |n: &f64| k * (unit_variance.max(0.0) / n).sqrt();
    let lower: Vec<f64> = n.iter().map(|n| (centre - half(n)).max(0.0)).collect();
    let upper: Vec<f64> = n.iter().map(|n| (centre + half(n)).min(most)).collect();
    let signals = counts
        .iter()
        .zip(n)
        .zip(lower.iter().zip(&upper))
        .enumerate()
        .filter(|(_, ((count, n), (lower, upper)))| *count / *n > **upper || *count / *n < **lower)
        .map(|(place, _)| place)
        .collect();
    AttributeChart {
        centre,
        lower,
        upper,
        signals,
    }
}
