//! Two means from summary statistics: z, Student's t with pooled variance, and Welch's t.

use super::Effect;
use crate::{Result, StatsError, Summary, check};

/// Level and null hypothesis of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// Two-sided level; the interval covers with 1 - alpha.
    pub alpha: f64,
    /// The difference under the null hypothesis.
    pub null: f64,
}

fn checked(a: &Summary, b: &Summary, test: Test) -> Result<f64> {
    check::finite([("alpha", test.alpha), ("null", test.null)])?;
    Summary::check_pair(a, b)?;
    check::open_unit("alpha", test.alpha)?;
    let variance = a.mean_variance() + b.mean_variance();
    if variance > 0.0 {
        Ok(variance)
    } else {
        Err(StatsError::ZeroVariance { input: "both arms" })
    }
}

/// Welch's t test: variances that need not be equal.
///
/// # Errors
/// What is not finite, out of range, below two units an arm, or without any variance.
pub fn welch(a: &Summary, b: &Summary, test: Test) -> Result<Effect> {
    let variance = checked(a, b, test)?;
    let df = welch_df(a.mean_variance(), a.n, b.mean_variance(), b.n);
    Effect::student(b.mean - a.mean, variance.sqrt(), df, test.null, test.alpha)
}

/// Welch-Satterthwaite degrees of freedom, from each arm's squared standard error; as shares, so that nothing underflows.
pub(crate) fn welch_df(a: f64, n_a: f64, b: f64, n_b: f64) -> f64 {
    let (share_a, share_b) = (a / (a + b), b / (a + b));
    1.0 / (share_a * share_a / (n_a - 1.0) + share_b * share_b / (n_b - 1.0))
}

/// Student's t test: one variance, pooled.
///
/// # Errors
/// As [`welch`].
pub fn student(a: &Summary, b: &Summary, test: Test) -> Result<Effect> {
    checked(a, b, test)?;
    let df = a.n + b.n - 2.0;
    let pooled = (a.variance * (a.n - 1.0) + b.variance * (b.n - 1.0)) / df;
    Effect::student(
        b.mean - a.mean,
        (pooled * (1.0 / a.n + 1.0 / b.n)).sqrt(),
        df,
        test.null,
        test.alpha,
    )
}

/// The z test: variances taken as known.
///
/// # Errors
/// As [`welch`].
pub fn z(a: &Summary, b: &Summary, test: Test) -> Result<Effect> {
    let variance = checked(a, b, test)?;
    Effect::normal(b.mean - a.mean, variance.sqrt(), test.null, test.alpha)
}
