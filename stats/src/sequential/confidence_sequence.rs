//! Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, 2023): intervals
//! around an estimate that hold at all sample sizes together, so that one may look at each observation.
//! With [`GROWTHBOOK_TARGET`] this is GrowthBook's published form; Eppo's parametrisation is in `eppo.rs`.

use super::boundary::Sides;
use crate::{Result, StatsError, Summary, check};

/// The sample size that GrowthBook tunes to unless told otherwise.
pub const GROWTHBOOK_TARGET: f64 = 5000.0;

/// A confidence sequence, tuned to be narrowest around one sample size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceSequence {
    alpha: f64,
    sides: Sides,
    rho: f64,
}

/// An estimate of an effect from `n` observations, over both arms together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// How many observations there are in all arms that it compares.
    pub n: f64,
}

impl ConfidenceSequence {
    /// A sequence with error `alpha`, tuned to the total sample size `target`: the one that is planned,
    /// not a constant.
    ///
    /// # Errors
    /// `NonFiniteInput`; `OutOfRange` for a target that is not positive and an `alpha` outside (0, 1), for one
    /// side outside (0, 0.5).
    pub fn tuned(alpha: f64, target: f64, sides: Sides) -> Result<Self> {
        check::finite([("alpha", alpha)])?;
        check::finite([("n_star", target)])?;
        match sides {
            Sides::Both => check::open_unit("alpha", alpha)?,
            Sides::Upper => {
                check::range(
                    "alpha",
                    alpha > 0.0 && alpha < 0.5,
                    "a number strictly between 0 and 0.5",
                )?;
            }
        }
        check::positive("n_star", target)?;
        let spread = if sides == Sides::Both {
            alpha
        } else {
            2.0 * alpha
        };
        let odds = -2.0 * spread.ln();
        Ok(Self {
            alpha,
            sides,
            rho: ((odds + odds.ln_1p()) / target).sqrt(),
        })
    }

    /// The tuning parameter ρ.
    #[must_use]
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// How far the sequence reaches from an estimate, in units of its standard error, after `n`
    /// observations.
    #[must_use]
    pub fn multiplier(&self, n: f64) -> f64 {
        let information = n * self.rho * self.rho;
        let root = 0.5 * information.ln_1p();
        let log = match self.sides {
            Sides::Both => root - self.alpha.ln(),
            Sides::Upper => (root.exp() / (2.0 * self.alpha)).ln_1p(),
        };
        (2.0 * (1.0 + 1.0 / information) * log).sqrt()
    }

    /// Half the width of the interval, or for one side the distance from the estimate to its bound.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`, `InsufficientData`, `ZeroVariance`.
    pub fn half_width(&self, observed: Observed) -> Result<f64> {
        observed.check()?;
        Ok(observed.standard_error * self.multiplier(observed.n))
    }

    /// The interval. One side has a lower bound only: negate the estimate for an upper one.
    ///
    /// # Errors
    /// As [`Self::half_width`].
    pub fn interval(&self, observed: Observed) -> Result<(f64, f64)> {
        let half = self.half_width(observed)?;
        let high = if self.sides == Sides::Both {
            observed.estimate + half
        } else {
            f64::INFINITY
        };
        Ok((observed.estimate - half, high))
    }

    /// The logarithm of the p-value that holds at all sample sizes together, for the null hypothesis that
    /// the effect is `null` (for one side: at most `null`).
    ///
    /// # Errors
    /// As [`Self::half_width`].
    pub fn log_p(&self, observed: Observed, null: f64) -> Result<f64> {
        check::finite([("null", null)])?;
        observed.check()?;
        let z = (observed.estimate - null) / observed.standard_error;
        let information = observed.n * self.rho * self.rho;
        let evidence = 0.5 * z * z / (1.0 + 1.0 / information);
        let root = 0.5 * information.ln_1p();
        Ok(match self.sides {
            Sides::Both => (root - evidence).min(0.0),
            Sides::Upper if z <= 0.0 => 0.0,
            // ln(1 / (2 (e^x - 1))), where e^x may overflow.
            Sides::Upper => {
                (root - std::f64::consts::LN_2 - evidence - (-(-evidence).exp_m1()).ln()).min(0.0)
            }
        })
    }
}

impl Observed {
    /// The difference of two arms' means, treatment minus control.
    ///
    /// # Errors
    /// What is wrong with an arm.
    pub fn difference(control: &Summary, treatment: &Summary) -> Result<Self> {
        Summary::check_pair(control, treatment)?;
        let variance = control.mean_variance() + treatment.mean_variance();
        Self::of(
            treatment.mean - control.mean,
            variance,
            control.n + treatment.n,
        )
    }

    /// The difference relative to the control's mean, with its error by the delta method.
    ///
    /// # Errors
    /// What is wrong with an arm; `ZeroBaseline`.
    pub fn relative(control: &Summary, treatment: &Summary) -> Result<Self> {
        Summary::check_pair(control, treatment)?;
        if control.mean == 0.0 {
            return Err(StatsError::ZeroBaseline);
        }
        let ratio = treatment.mean / control.mean;
        let variance = (treatment.mean_variance() + ratio * ratio * control.mean_variance())
            / (control.mean * control.mean);
        Self::of(
            (treatment.mean - control.mean) / control.mean,
            variance,
            control.n + treatment.n,
        )
    }

    fn of(estimate: f64, variance: f64, n: f64) -> Result<Self> {
        let observed = Self {
            estimate,
            standard_error: variance.sqrt(),
            n,
        };
        observed.check()?;
        Ok(observed)
    }

    fn check(self) -> Result<()> {
        check::finite([("estimate", self.estimate)])?;
        check::finite([("standard_error", self.standard_error)])?;
        check::finite([("n", self.n)])?;
        check::non_negative("standard_error", self.standard_error)?;
        if self.n < 2.0 {
            return Err(StatsError::InsufficientData {
                input: "n",
                needs: "at least 2 units",
            });
        }
        if self.standard_error == 0.0 {
            Err(StatsError::ZeroVariance { input: "estimate" })
        } else {
            Ok(())
        }
    }
}
