//! The chi-squared distribution: the incomplete gamma function by its series below the mean and its continued fraction
//! above, with Loader's prefactor. Relative error of both tails and of the quantile at most 1e-12.

use super::beta::Tails;
use super::stirling;
use crate::{Result, StatsError, check};

/// The chi-squared distribution with its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    df: f64,
}

impl ChiSquared {
    /// The distribution with `df` degrees of freedom.
    ///
    /// # Errors
    /// `df` that is not finite and greater than 0.
    pub fn new(df: f64) -> Result<Self> {
        check::finite([("df", df)])?;
        check::positive("df", df)?;
        Ok(Self { df })
    }

    /// P(X <= x).
    #[must_use]
    pub fn cdf(&self, x: f64) -> f64 {
        self.tails(x).lower
    }

    /// P(X > x), without cancellation.
    #[must_use]
    pub fn sf(&self, x: f64) -> f64 {
        self.tails(x).upper
    }

    /// ln P(X > x), finite where the tail itself underflows.
    #[must_use]
    pub fn log_sf(&self, x: f64) -> f64 {
        self.tails(x).log_upper
    }

    /// The x with P(X > x) = p; infinity and 0 at p = 0 and 1.
    ///
    /// # Errors
    /// `p` that is not a number from 0 to 1.
    pub fn isf(&self, p: f64) -> Result<f64> {
        let z = super::normal::isf(p)?;
        if p == 0.0 || p == 1.0 {
            return Ok(if p == 0.0 { f64::INFINITY } else { 0.0 });
        }
        // Wilson and Hilferty's cube to begin with, then Newton's steps on the smaller tail's logarithm over ln x.
        let c = 2.0 / (9.0 * self.df);
        let mut log_x = (self.df * (1.0 - c + z * c.sqrt()).max(0.02).powi(3)).ln();
        let upper = p <= 0.5;
        let target = if upper { p.ln() } else { (-p).ln_1p() };
        for _ in 0..200 {
            let x = log_x.exp();
            let tails = self.tails(x);
            let tail = if upper {
                tails.log_upper
            } else {
                tails.log_lower
            };
            let slope = (log_prefactor(0.5 * self.df, 0.5 * x) - tail).exp();
            let step = (tail - target) / if upper { slope } else { -slope };
            if !step.is_finite() {
                return Err(StatsError::NoSolution {
                    unknown: "quantile",
                });
            }
            log_x += step;
            if step.abs() <= 1e-15 * (1.0 + log_x.abs()) {
                break;
            }
        }
        Ok(log_x.exp())
    }

    fn tails(&self, x: f64) -> Tails {
        gamma_tails(0.5 * self.df, 0.5 * x)
    }
}

/// P(a, x) and Q(a, x) for a > 0.
pub(crate) fn gamma_tails(a: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails::from_log(f64::NEG_INFINITY, true);
    }
    if x.is_infinite() {
        return Tails::from_log(f64::NEG_INFINITY, false);
    }
    let prefactor = log_prefactor(a, x);
    if x < a + 1.0 {
        Tails::from_log(prefactor + series(a, x).ln(), true)
    } else {
        Tails::from_log(prefactor + fraction(a, x).ln(), false)
    }
}

/// ln(x^a e^-x / Gamma(a)).
pub(crate) fn log_prefactor(a: f64, x: f64) -> f64 {
    0.5 * a.ln() - super::normal::LN_SQRT_2PI - stirling::error(a) - stirling::deviance(a, x, a - x)
}

/// P(a, x) divided by the prefactor.
fn series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    let limit = 1000.0 + 40.0 * a.sqrt();
    while n < limit {
        n += 1.0;
        term *= x / (a + n);
        sum += term;
        if term <= 1e-17 * sum {
            break;
        }
    }
    sum / a
}

/// Q(a, x) divided by the prefactor, by Lentz's method.
fn fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = f64::INFINITY;
    let mut d = 1.0 / b;
    let mut value = d;
    let mut n = 0.0;
    let limit = 1000.0 + 40.0 * a.sqrt();
    while n < limit {
        n += 1.0;
        let coefficient = -n * (n - a);
        b += 2.0;
        d = 1.0 / (coefficient * d + b);
        c = b + coefficient / c;
        value *= d * c;
        if (d * c - 1.0).abs() <= 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_a_gamma_of_shape_one_are_exponentials() {
        for x in [1e-9_f64, 0.3, 1.0, 5.0, 300.0] {
            let tails = gamma_tails(1.0, x);
            let above = tails.log_upper;
            assert!((above + x).abs() <= 1e-13 * (1.0 + x), "at {x}: {above}");
            let below = tails.log_lower;
            let exact = (-(-x).exp_m1()).ln();
            assert!(
                (below - exact).abs() < 1e-13 * exact.abs().max(1.0),
                "at {x}: {below}"
            );
        }
    }
}
