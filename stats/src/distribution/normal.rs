//! The standard normal distribution. Relative error of both tails at most 1e-12 down to the smallest normal double,
//! of the quantiles 1e-13; the logarithm of the tail goes on where the tail itself is zero.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, SQRT_2};

use crate::{Result, StatsError, check};

/// ln(sqrt(2 pi)).
pub(crate) const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;
/// 1 / sqrt(2 pi).
pub(crate) const INV_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// The density at `x`.
#[must_use]
pub fn pdf(x: f64) -> f64 {
    INV_SQRT_2PI * (-0.5 * x * x).exp()
}

/// P(Z <= x). NaN only for NaN.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// P(Z > x), without cancellation. NaN only for NaN.
#[must_use]
pub fn sf(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// P(|Z| > |z|).
#[must_use]
pub fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// ln P(Z > x), finite for every finite x.
#[must_use]
pub fn log_sf(x: f64) -> f64 {
    if x < -1.0 {
        (-sf(-x)).ln_1p()
    } else if x < 10.0 {
        sf(x).ln()
    } else {
        -0.5 * x * x - LN_SQRT_2PI + mills(x).ln()
    }
}

/// ln P(|Z| > |z|).
#[must_use]
pub fn log_two_sided(z: f64) -> f64 {
    // From far above one half towards zero: the two tails together are all but everything.
    let z = z.abs();
    if z < 0.5 {
        libm::erfc(z * FRAC_1_SQRT_2).ln()
    } else {
        LN_2 + log_sf(z)
    }
}

/// The ratio of the upper tail to the density (Mills' ratio) for x >= 10, by its continued fraction
/// 1/(x + 1/(x + 2/(x + 3/(x + ...)))), from the far end.
fn mills(x: f64) -> f64 {
    let mut tail = x;
    for k in (1..=40).rev() {
        tail = x + f64::from(k) / tail;
    }
    1.0 / tail
}

/// The x with P(Z <= x) = p; minus and plus infinity at p = 0 and 1.
///
/// # Errors
/// `p` that is not a number from 0 to 1.
pub fn quantile(p: f64) -> Result<f64> {
    check::finite([("p", p)])?;
    check::unit("p", p)?;
    Ok(lower_quantile(p))
}

/// The x with P(Z > x) = p, exact for the smallest p; plus and minus infinity at p = 0 and 1.
///
/// # Errors
/// `p` that is not a number from 0 to 1.
pub fn isf(p: f64) -> Result<f64> {
    quantile(p).map(|x| 0.0 - x)
}

/// The x with ln P(Z > x) = `log_p`, for tails far below the smallest double.
///
/// # Errors
/// A `log_p` that is NaN or above 0.
pub fn isf_log(log_p: f64) -> Result<f64> {
    if log_p.is_nan() {
        return Err(StatsError::NonFiniteInput { input: "log_p" });
    }
    check::range(
        "log_p",
        log_p <= 0.0,
        "the logarithm of a probability, 0 or less",
    )?;
    if log_p > -600.0 {
        // A log tail close to 0 is a tail close to 1: there the other tail has the digits.
        return Ok(if log_p > -LN_2 {
            lower_quantile(-log_p.exp_m1())
        } else {
            0.0 - lower_quantile(log_p.exp())
        });
    }
    if log_p == f64::NEG_INFINITY {
        return Ok(f64::INFINITY);
    }
    // Far out, ln sf(x) is nearly -x^2/2: Newton's steps on it double the digits each.
    let mut x = (-2.0 * log_p).sqrt();
    for _ in 0..4 {
        x += (log_sf(x) - log_p) * mills(x);
    }
    Ok(x)
}

/// The lower quantile of a `p` that is known to be from 0 to 1.
pub(crate) fn lower_quantile(p: f64) -> f64 {
    -SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, relative: f64) {
        assert!(
            (got - expected).abs() <= relative * expected.abs(),
            "{got:e} is not {expected:e}"
        );
    }

    #[test]
    fn upper_tail_has_all_its_digits_far_out() {
        // Abramowitz and Stegun, Handbook of Mathematical Functions, table 26.2: -log10 Q(x).
        for (x, digits) in [
            (5.0, 6.542_65),
            (10.0, 23.118_05),
            (20.0, 88.560_10),
            (50.0, 544.966_34),
        ] {
            assert!(
                (-log_sf(x) / std::f64::consts::LN_10 - digits).abs() < 5e-5,
                "at {x}"
            );
        }
    }

    #[test]
    fn log_tail_is_smooth_where_its_forms_meet() {
        for x in [-1.0, 10.0] {
            close(
                log_sf(x + 1e-9) - log_sf(x - 1e-9),
                -2e-9 * (-0.5 * x * x - LN_SQRT_2PI - log_sf(x)).exp(),
                1e-4,
            );
        }
    }

    #[test]
    fn quantiles_give_back_their_probability() {
        for p in [5e-324, 1e-300, 1e-100, 1e-16, 1e-3, 0.3, 0.5, 0.9, 0.999] {
            let x = isf(p).expect("a probability");
            close(log_sf(x), p.ln(), 1e-12);
        }
        assert_eq!(quantile(0.0), Ok(f64::NEG_INFINITY));
        assert_eq!(isf(0.0), Ok(f64::INFINITY));
        assert_eq!(isf(0.5), Ok(0.0));
    }

    #[test]
    fn log_quantile_reaches_below_the_smallest_double() {
        for log_p in [-1e-300, -1e-5, -0.7, -10.0, -599.0, -601.0, -1e6, -1e200] {
            close(log_sf(isf_log(log_p).expect("in range")), log_p, 1e-12);
        }
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        assert_eq!(
            quantile(f64::NAN).map_err(|error| error.code()),
            Err("non_finite_input")
        );
        assert_eq!(isf(1.5).map_err(|error| error.code()), Err("out_of_range"));
        assert_eq!(
            isf_log(0.1).map_err(|error| error.code()),
            Err("out_of_range")
        );
    }
}
