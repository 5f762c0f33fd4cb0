//! What every two-sample test answers: the effect, its error, its p-values and its interval, from a statistic that is
//! normal or Student's t.

use crate::Result;
use crate::distribution::{StudentT, normal};

/// An estimated difference (treatment minus control) and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// (estimate - null) / se.
    pub statistic: f64,
    /// Degrees of freedom; none where the statistic is normal.
    pub df: Option<f64>,
    /// P of something at least as far from the null, on either side.
    pub p_two: f64,
    /// P under the null of something at least as large.
    pub p_greater: f64,
    /// P under the null of something at least as small.
    pub p_less: f64,
    /// ln of `p_two`, finite where that underflows.
    pub log_p_two: f64,
    /// Lower bound of the two-sided interval at level 1 - alpha.
    pub ci_lo: f64,
    /// Upper bound of it.
    pub ci_hi: f64,
}

impl Effect {
    pub(crate) fn normal(estimate: f64, se: f64, null: f64, alpha: f64) -> Result<Self> {
        let z = (estimate - null) / se;
        let half = normal::isf(0.5 * alpha)? * se;
        Ok(Self {
            estimate,
            se,
            statistic: z,
            df: None,
            p_two: normal::two_sided(z),
            p_greater: normal::sf(z),
            p_less: normal::cdf(z),
            log_p_two: normal::log_two_sided(z),
            ci_lo: estimate - half,
            ci_hi: estimate + half,
        })
    }

    pub(crate) fn student(estimate: f64, se: f64, df: f64, null: f64, alpha: f64) -> Result<Self> {
        let t = StudentT::new(df)?;
        let statistic = (estimate - null) / se;
        let log_p_two = t.log_two_sided(statistic);
        let p_two = log_p_two.exp().min(1.0);
        let (far, near) = (0.5 * p_two, 1.0 - 0.5 * p_two);
        let (p_greater, p_less) = if statistic >= 0.0 {
            (far, near)
        } else {
            (near, far)
        };
        let half = t.isf(0.5 * alpha)? * se;
        Ok(Self {
            estimate,
            se,
            statistic,
            df: Some(df),
            p_two,
            p_greater,
            p_less,
            log_p_two,
            ci_lo: estimate - half,
            ci_hi: estimate + half,
        })
    }
}
