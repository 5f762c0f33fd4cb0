//! The mixture sequential probability ratio test (Robbins 1970; Johari, Pekelis and Walsh 2017): an
//! always-valid p-value and interval for an estimate that is normal around the effect, with the effect
//! mixed over a normal around the null hypothesis.

use crate::{Result, StatsError, Summary, check};

/// What is known at one look: an estimate of the effect and the variance of that estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The effect.
    pub value: f64,
    /// The variance of `value`, known or plugged in.
    pub variance: f64,
}

impl Estimate {
    /// The difference of two arms' means, treatment minus control, with the variances plugged in.
    ///
    /// # Errors
    /// What is wrong with an arm; `ZeroVariance` where neither varies.
    pub fn difference(control: &Summary, treatment: &Summary) -> Result<Self> {
        Summary::check_pair(control, treatment)?;
        let variance = control.mean_variance() + treatment.mean_variance();
        if variance == 0.0 {
            return Err(StatsError::ZeroVariance {
                input: "the outcome",
            });
        }
        Ok(Self {
            value: treatment.mean - control.mean,
            variance,
        })
    }
}

/// The test: where its null hypothesis is, and how far from there the effects are that it is tuned to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Msprt {
    null: f64,
    mixing_variance: f64,
}

/// What the test says at one look, without the looks before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MsprtLook {
    /// Logarithm of the mixture's likelihood ratio.
    pub log_ratio: f64,
    /// Logarithm of the p-value, which is at most 1.
    pub log_p: f64,
    /// The confidence interval.
    pub interval: (f64, f64),
}

impl MsprtLook {
    /// The p-value; 0 where it is below the smallest double ([`Self::log_p`] holds).
    #[must_use]
    pub fn p(&self) -> f64 {
        self.log_p.exp()
    }
}

impl Msprt {
    /// A test of the effect `null`, with a mixture of variance `mixing_variance` around it: about the
    /// square of the effects that matter.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` where the variance is not positive.
    pub fn new(null: f64, mixing_variance: f64) -> Result<Self> {
        check::finite([("theta0", null)])?;
        check::positive("tau2", mixing_variance)?;
        Ok(Self {
            null,
            mixing_variance,
        })
    }

    /// The log likelihood ratio of the mixture against the null hypothesis.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` for a negative variance; `ZeroVariance`.
    pub fn log_ratio(&self, estimate: Estimate) -> Result<f64> {
        check::finite([("estimate", estimate.value)])?;
        check::finite([("variance", estimate.variance)])?;
        check::non_negative("variance", estimate.variance)?;
        if estimate.variance == 0.0 {
            return Err(StatsError::ZeroVariance {
                input: "the estimate",
            });
        }
        let (variance, mixing) = (estimate.variance, self.mixing_variance);
        let gap = estimate.value - self.null;
        let evidence = gap * gap / variance * (mixing / (variance + mixing));
        Ok(0.5 * (evidence - (mixing / variance).ln_1p()))
    }

    /// The test at one look, with an interval that holds at all looks together with probability
    /// `1 - alpha`.
    ///
    /// # Errors
    /// As [`Self::log_ratio`], and `OutOfRange` for an `alpha` outside (0, 1).
    pub fn look(&self, estimate: Estimate, alpha: f64) -> Result<MsprtLook> {
        check::finite([("alpha", alpha)])?;
        check::finite([("estimate", estimate.value)])?;
        check::finite([("variance", estimate.variance)])?;
        check::open_unit("alpha", alpha)?;
        let log_ratio = self.log_ratio(estimate)?;
        let (variance, mixing) = (estimate.variance, self.mixing_variance);
        // V (V + τ²) / τ² × (2 ln(1/α) + ln((V + τ²) / τ²·τ²/V)), without an overflow for extreme variances.
        let scale = variance * (1.0 + variance / mixing);
        let half = (scale * (-2.0 * alpha.ln() + (mixing / variance).ln_1p())).sqrt();
        Ok(MsprtLook {
            log_ratio,
            log_p: (-log_ratio).min(0.0),
            interval: (estimate.value - half, estimate.value + half),
        })
    }
}

/// The always-valid p-value after several looks: the smallest that any of them gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunningP {
    log_p: f64,
}

impl RunningP {
    /// Takes a look in and gives the logarithm of the p-value that holds now.
    pub fn take(&mut self, log_p: f64) -> f64 {
        self.log_p = self.log_p.min(log_p);
        self.log_p
    }
}
