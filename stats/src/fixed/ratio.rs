//! Ratio metrics: a sum over a sum, where the units that were randomised are not the units of the denominator. The
//! variance is the delta method's, from each unit's pair.

use super::{Effect, means};
use crate::moments::centred_product;
use crate::{Result, StatsError, Summary, check};

/// One arm's sums over its units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioSums {
    /// Units.
    pub n: f64,
    /// Sum of the numerators.
    pub sum_m: f64,
    /// Sum of the denominators.
    pub sum_d: f64,
    /// Sum of the squared numerators.
    pub sum_m2: f64,
    /// Sum of the squared denominators.
    pub sum_d2: f64,
    /// Sum of the products.
    pub sum_md: f64,
}

/// What the two arms say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioEffect {
    /// The control's ratio and its variance a unit.
    pub a: Summary,
    /// The treatment's.
    pub b: Summary,
    /// The difference of the ratios.
    pub absolute: Effect,
    /// The difference against the control's ratio; none where that is zero.
    pub relative: Option<Effect>,
}

impl RatioSums {
    /// As [`Self::summary`], of sums that nobody has looked at yet.
    pub(crate) fn unit_summary(&self, input: &'static str) -> Result<Summary> {
        self.check()?;
        check::non_negative(input, self.n)?;
        self.summary(input)
    }

    /// The ratio with the variance of one unit: what a mean's [`Summary`] is to a mean.
    fn summary(&self, input: &'static str) -> Result<Summary> {
        if self.n < 2.0 {
            return Err(StatsError::InsufficientData {
                input,
                needs: "at least 2 units",
            });
        }
        if self.sum_d == 0.0 {
            return Err(StatsError::ZeroDenominator { input });
        }
        let scale = self.n - 1.0;
        let mm = centred_product(input, self.n, self.sum_m, self.sum_m, self.sum_m2)? / scale;
        let dd = centred_product(input, self.n, self.sum_d, self.sum_d, self.sum_d2)? / scale;
        let md = centred_product(input, self.n, self.sum_m, self.sum_d, self.sum_md)? / scale;
        if mm < 0.0 || dd < 0.0 || md * md > mm * dd * (1.0 + 1e-9) + f64::MIN_POSITIVE {
            return Err(StatsError::InconsistentMoments { input });
        }
        let ratio = self.sum_m / self.sum_d;
        let mean_d = self.sum_d / self.n;
        let variance = (mm + ratio * (ratio * dd - 2.0 * md)) / (mean_d * mean_d);
        Ok(Summary::new(self.n, ratio, variance.max(0.0)))
    }

    fn check(&self) -> Result<()> {
        check::finite([
            ("n", self.n),
            ("sum_m", self.sum_m),
            ("sum_d", self.sum_d),
            ("sum_m2", self.sum_m2),
            ("sum_d2", self.sum_d2),
            ("sum_md", self.sum_md),
        ])
    }
}

/// The effect on a ratio metric, with Welch's degrees of freedom.
///
/// # Errors
/// What is not finite, below two units an arm, without a denominator, contradictory, or without variance.
pub fn ratio(a: &RatioSums, b: &RatioSums, alpha: f64) -> Result<RatioEffect> {
    a.check()?;
    b.check()?;
    check::finite([("alpha", alpha)])?;
    check::non_negative("n_a", a.n)?;
    check::non_negative("n_b", b.n)?;
    check::open_unit("alpha", alpha)?;
    let (a, b) = (a.summary("arm a")?, b.summary("arm b")?);
    let absolute = means::welch(&a, &b, means::Test { alpha, null: 0.0 })?;
    let relative = match super::relative::delta(&a, &b, alpha) {
        Ok(effect) => Some(effect),
        Err(StatsError::ZeroBaseline) => None,
        Err(error) => return Err(error),
    };
    Ok(RatioEffect {
        a,
        b,
        absolute,
        relative,
    })
}
