//! Plans for means: with known variances (z) or a pooled estimate (t).

use super::Design;
use crate::distribution::{StudentT, noncentral_t, normal};
use crate::{Result, StatsError, check};

/// Control units to see a difference `delta` with known standard deviations.
///
/// # Errors
/// What is not finite or out of range; a difference of zero.
pub fn size_z(delta: f64, sd_a: f64, sd_b: f64, design: &Design) -> Result<f64> {
    check::finite([("delta", delta), ("sd1", sd_a), ("sd2", sd_b)])?;
    design.finite()?;
    check::positive("sd1", sd_a)?;
    check::positive("sd2", sd_b)?;
    design.range()?;
    if delta == 0.0 {
        return Err(StatsError::NoSolution {
            unknown: "sample size",
        });
    }
    let z = design.z_sum()?;
    let (a, b) = (sd_a / delta, sd_b / delta);
    Ok(z * z * (a * a + b * b / design.ratio))
}

/// Control units for a t test with one standard deviation, both tails counted; by bisection on the power.
///
/// # Errors
/// As [`size_z`].
pub fn size_t(delta: f64, sd: f64, design: &Design) -> Result<f64> {
    let guess = size_z(delta, sd, sd, design)?;
    let least = 2.0 / (1.0 + design.ratio);
    let (mut low, mut high) = (least * (1.0 + 1e-9), guess.max(2.0 * least) + 10.0);
    while power_t(delta, sd, high, design)? < design.power {
        high *= 2.0;
        if high > 1e18 {
            return Err(StatsError::NoSolution {
                unknown: "sample size",
            });
        }
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if high - low <= 1e-11 * high {
            break;
        }
        if power_t(delta, sd, middle, design)? < design.power {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(0.5 * (low + high))
}

fn noncentrality(delta: f64, sd: f64, n: f64, design: &Design) -> f64 {
    delta / sd * (n / (1.0 + 1.0 / design.ratio)).sqrt()
}

fn checked(delta: f64, sd: f64, n: f64, design: &Design) -> Result<f64> {
    check::finite([("delta", delta), ("sd", sd), ("n1", n)])?;
    design.finite()?;
    check::positive("sd", sd)?;
    check::positive("n1", n)?;
    design.range()?;
    Ok(noncentrality(delta, sd, n, design))
}

/// Power of the z test with `n` control units. One-sided is towards a larger treatment.
///
/// # Errors
/// What is not finite or out of range.
pub fn power_z(delta: f64, sd: f64, n: f64, design: &Design) -> Result<f64> {
    let shift = checked(delta, sd, n, design)?;
    let z = design.z_alpha()?;
    Ok(normal::sf(z - shift)
        + if design.two_sided {
            normal::cdf(-z - shift)
        } else {
            0.0
        })
}

/// Power of the t test with `n` control units.
///
/// # Errors
/// What is not finite or out of range, fewer than three units in all.
pub fn power_t(delta: f64, sd: f64, n: f64, design: &Design) -> Result<f64> {
    let shift = checked(delta, sd, n, design)?;
    let df = n * (1.0 + design.ratio) - 2.0;
    if df <= 0.0 {
        return Err(StatsError::InsufficientData {
            input: "n1",
            needs: "more than 2 units in all",
        });
    }
    let t = StudentT::new(df)?.isf(design.side())?;
    let far = if design.two_sided {
        noncentral_t::sf(t, df, -shift)?
    } else {
        0.0
    };
    Ok(noncentral_t::sf(t, df, shift)? + far)
}

/// The difference that `n` control units see, with known standard deviation.
///
/// # Errors
/// What is not finite or out of range.
pub fn effect_z(sd: f64, n: f64, design: &Design) -> Result<f64> {
    checked(0.0, sd, n, design)?;
    Ok(design.z_sum()? * sd * ((1.0 + 1.0 / design.ratio) / n).sqrt())
}

/// The lift that `n` units an arm see, two-sided, with the delta method's variance at the lift itself: the root of
/// m^2 = c (1 + (1 + m)^2) where c = (z_a + z_b)^2 variance / (n mean^2), as in GrowthBook's power analysis.
///
/// # Errors
/// What is not finite or out of range, a mean of zero, no lift that is large enough.
pub fn lift(mean: f64, variance: f64, n: f64, design: &Design) -> Result<f64> {
    check::finite([("mean", mean), ("variance", variance), ("n_per_arm", n)])?;
    design.finite()?;
    check::positive("variance", variance)?;
    check::positive("n_per_arm", n)?;
    design.range()?;
    if mean == 0.0 {
        return Err(StatsError::ZeroBaseline);
    }
    let z = design.z_sum()?;
    let c = z * z * variance / (n * mean * mean);
    if c >= 1.0 {
        return Err(StatsError::NoSolution {
            unknown: "detectable lift",
        });
    }
    Ok((c + (c * (2.0 - c)).sqrt()) / (1.0 - c))
}

/// What CUPED leaves of the sample size, at this correlation with the covariate: 1 - r^2.
///
/// # Errors
/// A correlation that is not a number from -1 to 1.
pub fn cuped_factor(correlation: f64) -> Result<f64> {
    check::finite([("correlation", correlation)])?;
    check::range(
        "correlation",
        correlation.abs() <= 1.0,
        "a number from -1 to 1",
    )?;
    Ok((1.0 - correlation) * (1.0 + correlation))
}
