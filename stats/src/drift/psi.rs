//! The population stability index of two binned samples: `Σ (q - p) ln(q / p)` over the bins' shares.
//! Below 0.1 is commonly read as stable, above 0.25 as moved.

use crate::{Result, StatsError, check};

/// What is added to each bin's count unless told otherwise, so that an empty bin has a share.
pub const SMOOTHING: f64 = 0.5;

/// The index from counts per bin. With `smoothing` 0, a bin that is empty on one side only makes it
/// infinite.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `LengthMismatch`, `OutOfRange` (negative), `InsufficientData` where a side
/// has neither counts nor smoothing.
pub fn psi(baseline: &[f64], current: &[f64], smoothing: f64) -> Result<f64> {
    check::all_finite("baseline", baseline)?;
    check::all_finite("current", current)?;
    check::finite([("eps", smoothing)])?;
    check::same_length("baseline and current", baseline, current)?;
    if baseline.is_empty() {
        return Err(StatsError::EmptyInput { input: "baseline" });
    }
    if smoothing < 0.0 || baseline.iter().chain(current).any(|count| *count < 0.0) {
        return Err(StatsError::OutOfRange {
            input: "counts and eps",
            expected: "not negative",
        });
    }
    let extra = smoothing * baseline.len() as f64;
    let (n, m) = (
        baseline.iter().sum::<f64>() + extra,
        current.iter().sum::<f64>() + extra,
    );
    if n <= 0.0 || m <= 0.0 {
        return Err(StatsError::InsufficientData {
            input: "counts",
            needs: "a count on each side, or smoothing",
        });
    }
    Ok(baseline
        .iter()
        .zip(current)
        .map(|(before, now)| {
            let (p, q) = ((before + smoothing) / n, (now + smoothing) / m);
            if p == q {
                return 0.0;
            }
            let gap = q - p;
            // Near each other, the logarithm of the quotient would lose what the gap has.
            let log = if gap.abs() < 0.5 * p {
                (gap / p).ln_1p()
            } else {
                (q / p).ln()
            };
            gap * log
        })
        .sum())
}

/// Samples cut into bins at the baseline's quantiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Binned {
    /// The inner edges; a value equal to an edge is in the bin below it.
    pub edges: Vec<f64>,
    /// Counts per bin.
    pub baseline: Vec<f64>,
    /// Counts per bin.
    pub current: Vec<f64>,
}

/// Cuts two samples at `bins` quantiles of the baseline (linear between order statistics). Equal
/// quantiles make one edge, and the smallest and the largest none.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` where `bins` is 0.
pub fn bin(baseline: &[f64], current: &[f64], bins: usize) -> Result<Binned> {
    check::all_finite("baseline", baseline)?;
    check::all_finite("current", current)?;
    if baseline.is_empty() || current.is_empty() {
        return Err(StatsError::EmptyInput {
            input: "baseline or current",
        });
    }
    if bins == 0 {
        return Err(StatsError::OutOfRange {
            input: "bins",
            expected: "at least 1",
        });
    }
    let mut sorted = baseline.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (0..=bins)
        .map(|bin| quantile(&sorted, bin as f64 / bins as f64))
        .collect();
    edges.dedup();
    let edges: Vec<f64> = edges
        .get(1..edges.len().saturating_sub(1))
        .unwrap_or_default()
        .to_vec();
    let count = |values: &[f64]| {
        let mut counts = vec![0.0; edges.len() + 1];
        for value in values {
            if let Some(count) = counts.get_mut(edges.partition_point(|edge| edge < value)) {
                *count += 1.0;
            }
        }
        counts
    };
    Ok(Binned {
        baseline: count(baseline),
        current: count(current),
        edges,
    })
}

/// The quantile of ascending values, linear between neighbours (type 7 of Hyndman and Fan 1996).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = share * last as f64;
    let below = place.floor();
    let at = |place: f64| {
        let index = (0..=last)
            .rev()
            .find(|index| *index as f64 <= place)
            .unwrap_or_default();
        sorted.get(index).copied().unwrap_or_default()
    };
    let (low, high) = (at(below), at(below + 1.0));
    let fraction = place - below;
    // From the nearer end, as the common implementations do, so that equal neighbours stay exact.
    if fraction < 0.5 {
        low + (high - low) * fraction
    } else {
        high - (high - low) * (1.0 - fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_that_emptied_is_infinite_without_smoothing_and_finite_with_it() {
        assert_eq!(psi(&[5.0, 5.0], &[10.0, 0.0], 0.0), Ok(f64::INFINITY));
        assert!(
            psi(&[5.0, 5.0], &[10.0, 0.0], SMOOTHING)
                .unwrap()
                .is_finite()
        );
    }

    #[test]
    fn a_constant_baseline_is_one_bin() {
        let binned = bin(&[2.0; 9], &[1.0, 2.0, 3.0], 10).unwrap();
        assert_eq!(
            binned,
            Binned {
                edges: vec![],
                baseline: vec![9.0],
                current: vec![3.0]
            }
        );
    }
}
