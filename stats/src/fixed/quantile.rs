//! A quantile of one arm, with an interval by order statistics that assumes no distribution: the number of values at or
//! below the true quantile is binomial, so two of the sorted values bracket it (Hahn and Meeker, Statistical Intervals,
//! section 5.2). The bounds are ranks, so they can be had from a store that sorts without reading every value here.

use crate::distribution::Beta;
use crate::{Result, StatsError, check};

/// Ranks, from 1, of the sorted values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranks {
    /// Rank of the estimate: the smallest value with at least a share q of the values at or below it.
    pub estimate: u64,
    /// Rank of the lower bound; none where no value is low enough, and the bound is minus infinity.
    pub lower: Option<u64>,
    /// Rank of the upper bound; none where no value is high enough, and the bound is infinity.
    pub upper: Option<u64>,
    /// How often the interval covers a continuous distribution's quantile: at least 1 - alpha, each side at most alpha / 2.
    pub coverage: f64,
}

/// The ranks that estimate and bracket the quantile `q` of `n` values.
///
/// # Errors
/// `q` or `alpha` not finite or not strictly between 0 and 1; no values, or more than 2^53.
pub fn ranks(n: u64, q: f64, alpha: f64) -> Result<Ranks> {
    check::finite([("q", q), ("alpha", alpha)])?;
    check::open_unit("q", q)?;
    check::open_unit("alpha", alpha)?;
    check::range("n", n <= 1 << 53, "a count up to 2^53")?;
    if n == 0 {
        return Err(StatsError::InsufficientData {
            input: "n",
            needs: "at least 1 value",
        });
    }
    let side = 0.5 * alpha;
    // The k-th smallest is above the quantile with P(B < k), B binomial: falling short of `side` up to some rank.
    let lower = last(n, |rank| Ok(misses_above(n, rank, q)? <= side))?;
    // The k-th smallest is below it with P(B >= k), which falls with the rank.
    let upper = last(n, |rank| Ok(misses_below(n, rank, q)? > side))? + 1;
    let missed_low = if lower == 0 {
        0.0
    } else {
        misses_above(n, lower, q)?
    };
    let missed_high = if upper > n {
        0.0
    } else {
        misses_below(n, upper, q)?
    };
    Ok(Ranks {
        estimate: estimate_rank(n, q),
        lower: (lower > 0).then_some(lower),
        upper: (upper <= n).then_some(upper),
        coverage: 1.0 - missed_low - missed_high,
    })
}

/// The smallest rank k with k >= q n.
fn estimate_rank(n: u64, q: f64) -> u64 {
    let target = (q * n as f64).ceil();
    // In range: q n is above 0 and at most n, which a double holds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (target as u64).clamp(1, n)
}

/// P(B < rank) = P(the rank-th of n uniform values > q).
fn misses_above(n: u64, rank: u64, q: f64) -> Result<f64> {
    Ok(Beta::new(rank as f64, (n - rank + 1) as f64)?.sf(q))
}

/// P(B >= rank) = P(the rank-th of n uniform values <= q).
fn misses_below(n: u64, rank: u64, q: f64) -> Result<f64> {
    Ok(Beta::new(rank as f64, (n - rank + 1) as f64)?.cdf(q))
}

/// The last rank from 1 to n that holds, 0 where none does; it must hold up to some rank and not after.
fn last(n: u64, holds: impl Fn(u64) -> Result<bool>) -> Result<u64> {
    let (mut low, mut high) = (0, n + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// An estimated quantile and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// The estimate.
    pub estimate: f64,
    /// The lower bound, minus infinity where too few values are below.
    pub ci_lo: f64,
    /// The upper bound, infinity where too few values are above.
    pub ci_hi: f64,
    /// As [`Ranks::coverage`].
    pub coverage: f64,
}

/// The quantile `q` of values that ascend.
///
/// # Errors
/// As [`ranks`]; values that are not finite or do not ascend.
pub fn of_sorted(values: &[f64], q: f64, alpha: f64) -> Result<Quantile> {
    check::finite([("q", q), ("alpha", alpha)])?;
    check::all_finite("values", values)?;
    check::not_empty("values", values)?;
    check::range("values", values.is_sorted(), "values in ascending order")?;
    let ranks = ranks(values.len() as u64, q, alpha)?;
    let at = |rank: u64| {
        usize::try_from(rank - 1)
            .ok()
            .and_then(|index| values.get(index))
            .copied()
            .ok_or(StatsError::EmptyInput { input: "values" })
    };
    Ok(Quantile {
        estimate: at(ranks.estimate)?,
        ci_lo: ranks.lower.map_or(Ok(f64::NEG_INFINITY), at)?,
        ci_hi: ranks.upper.map_or(Ok(f64::INFINITY), at)?,
        coverage: ranks.coverage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_ten_is_bracketed_by_the_second_and_the_ninth() {
        // P(B <= 1) for ten fair coins is 11/1024; the third would miss 56/1024 a side.
        let ranks = ranks(10, 0.5, 0.05).unwrap();
        assert_eq!((ranks.lower, ranks.upper), (Some(2), Some(9)));
        assert_eq!(ranks.estimate, 5);
        assert!((ranks.coverage - (1.0 - 22.0 / 1024.0)).abs() < 1e-13);
    }

    #[test]
    fn a_bound_that_no_value_reaches_is_infinite() {
        // Nothing above the 99th percentile of twenty values: the largest is below it with P = 0.99^20 = 0.82.
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let quantile = of_sorted(&values, 0.99, 0.05).unwrap();
        assert_eq!(quantile.estimate, 20.0);
        assert_eq!(quantile.ci_hi, f64::INFINITY);
        assert!(quantile.ci_lo.is_finite());
    }

    #[test]
    fn every_interval_covers_at_its_level_and_a_rank_more_would_not() {
        for n in [1, 2, 7, 50, 1_000, 1_000_000_000] {
            for q in [0.001, 0.1, 0.5, 0.9, 0.999] {
                let ranks = ranks(n, q, 0.05).unwrap();
                assert!(ranks.coverage >= 0.95 - 1e-12, "{n} {q}: {ranks:?}");
                let next = ranks.lower.unwrap_or(0) + 1;
                assert!(
                    next > n || misses_above(n, next, q).unwrap() > 0.025,
                    "{n} {q}"
                );
                let before = ranks.upper.unwrap_or(n + 1) - 1;
                assert!(
                    before == 0 || misses_below(n, before, q).unwrap() > 0.025,
                    "{n} {q}"
                );
            }
        }
    }

    #[test]
    fn what_has_no_quantile_is_refused() {
        let code = |result: Result<Quantile>| result.unwrap_err().code();
        assert_eq!(code(of_sorted(&[], 0.5, 0.05)), "empty_input");
        assert_eq!(
            code(of_sorted(&[1.0, f64::NAN], 0.5, 0.05)),
            "non_finite_input"
        );
        assert_eq!(code(of_sorted(&[2.0, 1.0], 0.5, 0.05)), "out_of_range");
        assert_eq!(code(of_sorted(&[1.0], 1.0, 0.05)), "out_of_range");
        assert_eq!(ranks(0, 0.5, 0.05).unwrap_err().code(), "insufficient_data");
    }
}
