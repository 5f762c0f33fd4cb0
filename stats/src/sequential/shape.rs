//! Boundaries whose shape is fixed before and whose level is solved for: Pocock (1977), O'Brien and
//! Fleming (1979), the family of Wang and Tsiatis (1987) that holds both, and Haybittle and Peto. With
//! looks that were not planned, spending (`boundary.rs`) is the way.

use super::boundary::{Sides, check_times, critical};
use super::crossing::{crossing, looks, secant};
use super::path::{Path, Side};
use super::upper_quantile;
use crate::{Result, StatsError, check};

/// Critical values `C t^(Δ - 1/2)` of a two-sided test at the level `alpha`, where the last of `times`
/// has the value `C t^(Δ - 1/2)` too. Δ = 1/2 is Pocock's test, Δ = 0 O'Brien and Fleming's.
///
/// # Errors
/// What is wrong with the times, `alpha` (in (0, 1)) or `delta` (finite); `NoSolution`.
pub fn wang_tsiatis(times: &[f64], alpha: f64, delta: f64) -> Result<Vec<f64>> {
    check::finite([("alpha", alpha)])?;
    check::finite([("delta", delta)])?;
    check_times(times)?;
    check::open_unit("alpha", alpha)?;
    let last = times.last().copied().unwrap_or(1.0);
    let at = |level: f64| -> Vec<f64> {
        times
            .iter()
            .map(|t| level * (t / last).powf(delta - 0.5))
            .collect()
    };
    // On the probit scale the error falls nearly linearly with the level.
    let miss = |level: f64| -> Result<f64> {
        let error = crossing(&looks(times, &at(level), Sides::Both)?, 0.0)?.power();
        Ok(upper_quantile(0.5 * error) - upper_quantile(0.5 * alpha))
    };
    let start = upper_quantile(0.5 * alpha);
    let level = secant(miss, start, start + 0.1).ok_or(StatsError::NoSolution {
        unknown: "boundary of this shape",
    })??;
    Ok(at(level))
}

/// The last critical value of a two-sided test at the level `alpha` that stops before only when |Z| is
/// above `interim`.
///
/// # Errors
/// What is wrong with the times, `alpha` (in (0, 1)) or `interim` (positive); `NoSolution` where the
/// looks before have spent more than `alpha`.
pub fn haybittle_peto(times: &[f64], alpha: f64, interim: f64) -> Result<f64> {
    check::finite([("alpha", alpha)])?;
    check::finite([("interim", interim)])?;
    check_times(times)?;
    check::open_unit("alpha", alpha)?;
    check::positive("interim", interim)?;
    let mut path = Path::start(0.0);
    let mut left = 0.5 * alpha;
    for pair in times.windows(2) {
        let [time, next] = pair else { continue };
        let bound = interim * time.sqrt();
        left -= path.beyond(*time, bound, Side::Up);
        path = path.advance(*time, (-bound, bound), *next);
    }
    if left <= 0.0 {
        return Err(StatsError::NoSolution {
            unknown: "last critical value",
        });
    }
    Ok(critical(
        &path,
        times.last().copied().unwrap_or(1.0),
        left,
        Side::Up,
    ))
}
