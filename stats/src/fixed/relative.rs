//! The relative effect on a mean (lift): by the delta method and by Fieller's theorem.

use super::{Effect, means};
use crate::distribution::normal;
use crate::{Result, StatsError, Summary, check};

/// The lift (mean_b - mean_a) / |mean_a| by the delta method, with Welch's degrees of freedom of the difference.
///
/// # Errors
/// As [`means::welch`], and a baseline of zero.
pub fn delta(a: &Summary, b: &Summary, alpha: f64) -> Result<Effect> {
    check::finite([("alpha", alpha)])?;
    Summary::check_pair(a, b)?;
    check::open_unit("alpha", alpha)?;
    if a.mean == 0.0 {
        return Err(StatsError::ZeroBaseline);
    }
    let (var_a, var_b) = (a.mean_variance(), b.mean_variance());
    if var_a + var_b <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "both arms" });
    }
    let ratio = b.mean / a.mean;
    let se = (var_b + var_a * ratio * ratio).sqrt() / a.mean.abs();
    if se <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "the lift" });
    }
    let df = means::welch_df(var_a, a.n, var_b, b.n);
    Effect::student((b.mean - a.mean) / a.mean.abs(), se, df, 0.0, alpha)
}

/// Fieller's interval of mean_b / mean_a - 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fieller {
    /// mean_b / mean_a.
    pub ratio: f64,
    /// z^2 var(mean_a) / mean_a^2: at 1 and above the set is no interval.
    pub g: f64,
    /// Lower bound of the ratio less 1.
    pub ci_lo: f64,
    /// Upper bound of the ratio less 1.
    pub ci_hi: f64,
}

/// Fieller's interval, independent means, normal quantile. For a negative baseline it is mean_b / mean_a - 1 still.
///
/// # Errors
/// As [`delta`], and a baseline that can't be told from zero.
pub fn fieller(a: &Summary, b: &Summary, alpha: f64) -> Result<Fieller> {
    check::finite([("alpha", alpha)])?;
    Summary::check_pair(a, b)?;
    check::open_unit("alpha", alpha)?;
    if a.mean == 0.0 {
        return Err(StatsError::ZeroBaseline);
    }
    let z = normal::isf(0.5 * alpha)?;
    let (u, v) = (
        a.mean_variance() / (a.mean * a.mean),
        b.mean_variance() / (a.mean * a.mean),
    );
    if u + v <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "both arms" });
    }
    let g = z * z * u;
    if g >= 1.0 {
        return Err(StatsError::UnboundedInterval);
    }
    let ratio = b.mean / a.mean;
    let half = z * (v + u * ratio * ratio - g * v).max(0.0).sqrt() / (1.0 - g);
    // ratio / (1 - g) - 1, without the cancellation near a ratio of one.
    let centre = ((b.mean - a.mean) / a.mean + g) / (1.0 - g);
    Ok(Fieller {
        ratio,
        g,
        ci_lo: centre - half,
        ci_hi: centre + half,
    })
}
