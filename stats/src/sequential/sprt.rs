//! Wald's sequential probability ratio test of a z statistic against one effect size, as Statsig
//! publishes it: `θ = d √(n_a n_b / (n_a + n_b))`, log ratio `|z| θ - θ²/2`.

use crate::{Result, check};

/// The ratio and the effect that it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sprt {
    /// The expectation of z under the alternative.
    pub theta: f64,
    /// The log likelihood ratio of the alternative, whichever sign the effect has.
    pub log_ratio: f64,
}

/// What Wald's thresholds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SprtDecision {
    /// The effect is there.
    Accept,
    /// It is not.
    Reject,
    /// Go on.
    Continue,
}

/// The log ratio of a z statistic from `n_a` and `n_b` observations against an effect of `cohens_d`
/// standard deviations.
///
/// # Errors
/// `NonFiniteInput`; `OutOfRange` where a count or the effect is not positive.
pub fn sprt(z: f64, n_a: f64, n_b: f64, cohens_d: f64) -> Result<Sprt> {
    check::finite([("z", z)])?;
    check::finite([("n_a", n_a)])?;
    check::finite([("n_b", n_b)])?;
    check::finite([("cohens_d", cohens_d)])?;
    check::positive("n_a", n_a)?;
    check::positive("n_b", n_b)?;
    check::positive("cohens_d", cohens_d)?;
    let theta = cohens_d * (n_a / (n_a + n_b) * n_b).sqrt();
    Ok(Sprt {
        theta,
        log_ratio: theta * (z.abs() - 0.5 * theta),
    })
}

impl Sprt {
    /// The decision with errors `alpha` and `beta`.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` where one is not in (0, 1).
    pub fn decide(&self, alpha: f64, beta: f64) -> Result<SprtDecision> {
        check::finite([("alpha", alpha)])?;
        check::finite([("beta", beta)])?;
        check::open_unit("alpha", alpha)?;
        check::open_unit("beta", beta)?;
        Ok(if self.log_ratio >= ((1.0 - beta) / alpha).ln() {
            SprtDecision::Accept
        } else if self.log_ratio <= (beta / (1.0 - alpha)).ln() {
            SprtDecision::Reject
        } else {
            SprtDecision::Continue
        })
    }
}
