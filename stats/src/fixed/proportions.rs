//! Two proportions from counts: z pooled and unpooled, and intervals of a proportion and of a difference that hold at
//! small counts (Wilson, Clopper-Pearson, Newcombe, Agresti-Caffo).

use super::Effect;
use crate::distribution::{Beta, normal};
use crate::{Result, StatsError, check};

/// Successes among units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count {
    /// Successes.
    pub x: f64,
    /// Units.
    pub n: f64,
}

impl Count {
    /// The share of successes.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.x / self.n
    }

    fn spread(&self) -> f64 {
        self.rate() * (1.0 - self.rate())
    }
}

/// x_b n_a - x_a n_b: the difference of the rates times both sizes, without cancellation.
pub(crate) fn cross_difference(a: Count, b: Count) -> f64 {
    let product = a.x * b.n;
    let low = a.x.mul_add(b.n, -product);
    b.x.mul_add(a.n, -product) - low
}

/// The difference of the rates.
fn difference(a: Count, b: Count) -> f64 {
    cross_difference(a, b) / a.n / b.n
}

pub(crate) fn check_pair(a: Count, b: Count) -> Result<()> {
    check::finite([("x_a", a.x), ("n_a", a.n), ("x_b", b.x), ("n_b", b.n)])?;
    for (input, arm) in [("x_a", a), ("x_b", b)] {
        check::range(
            input,
            arm.n >= 0.0 && arm.x >= 0.0 && arm.x <= arm.n,
            "a count from 0 to the number of units",
        )?;
    }
    for (input, arm) in [("n_a", a), ("n_b", b)] {
        if arm.n < 1.0 {
            return Err(StatsError::InsufficientData {
                input,
                needs: "at least 1 unit",
            });
        }
    }
    Ok(())
}

fn checked(a: Count, b: Count, alpha: f64) -> Result<()> {
    check::finite([("alpha", alpha)])?;
    check_pair(a, b)?;
    check::open_unit("alpha", alpha)
}

/// The z test with the variance of the pooled rate. Its interval is of the same pooled error.
///
/// # Errors
/// What is not finite, not a count, empty, or all successes or failures.
pub fn z_pooled(a: Count, b: Count, alpha: f64) -> Result<Effect> {
    checked(a, b, alpha)?;
    let pooled = Count {
        x: a.x + b.x,
        n: a.n + b.n,
    };
    let variance = pooled.spread() * (1.0 / a.n + 1.0 / b.n);
    if variance <= 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the pooled rate",
        });
    }
    Effect::normal(difference(a, b), variance.sqrt(), 0.0, alpha)
}

/// Wald's z test with each arm's own variance.
///
/// # Errors
/// As [`z_pooled`], where neither arm varies.
pub fn z_unpooled(a: Count, b: Count, alpha: f64) -> Result<Effect> {
    checked(a, b, alpha)?;
    let variance = a.spread() / a.n + b.spread() / b.n;
    if variance <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "both arms" });
    }
    Effect::normal(difference(a, b), variance.sqrt(), 0.0, alpha)
}

/// Wilson's score interval of one proportion.
///
/// # Errors
/// As [`z_pooled`], but for the variance.
pub fn wilson(arm: Count, alpha: f64) -> Result<(f64, f64)> {
    checked(arm, arm, alpha)?;
    let z = normal::isf(0.5 * alpha)?;
    Ok(score(arm, z))
}

fn score(arm: Count, z: f64) -> (f64, f64) {
    let square = z * z;
    let centre = arm.x + 0.5 * square;
    let half = z * (arm.x / arm.n * (arm.n - arm.x) + 0.25 * square).sqrt();
    let below = if arm.x == 0.0 {
        0.0
    } else {
        (centre - half) / (arm.n + square)
    };
    let above = if arm.x == arm.n {
        1.0
    } else {
        (centre + half) / (arm.n + square)
    };
    (below, above)
}

/// Clopper and Pearson's exact interval of one proportion.
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(arm: Count, alpha: f64) -> Result<(f64, f64)> {
    checked(arm, arm, alpha)?;
    let failures = arm.n - arm.x;
    let below = if arm.x == 0.0 {
        0.0
    } else {
        Beta::new(arm.x, failures + 1.0)?.quantile(0.5 * alpha)?
    };
    // By symmetry, so that the small tail stays small.
    let above = if failures == 0.0 {
        1.0
    } else {
        1.0 - Beta::new(failures, arm.x + 1.0)?.quantile(0.5 * alpha)?
    };
    Ok((below, above))
}

/// Newcombe's interval of the difference (method 10): Wilson's bounds, squared and added.
///
/// # Errors
/// As [`wilson`].
pub fn newcombe(a: Count, b: Count, alpha: f64) -> Result<(f64, f64)> {
    checked(a, b, alpha)?;
    let z = normal::isf(0.5 * alpha)?;
    let ((low_a, high_a), (low_b, high_b)) = (score(a, z), score(b, z));
    let (rate_a, rate_b) = (a.rate(), b.rate());
    let difference = difference(a, b);
    Ok((
        difference - (rate_b - low_b).hypot(high_a - rate_a),
        difference + (high_b - rate_b).hypot(rate_a - low_a),
    ))
}

/// Agresti and Caffo's interval of the difference: one success and one failure more in each arm.
///
/// # Errors
/// As [`wilson`].
pub fn agresti_caffo(a: Count, b: Count, alpha: f64) -> Result<(f64, f64)> {
    checked(a, b, alpha)?;
    let z = normal::isf(0.5 * alpha)?;
    let [a, b] = [a, b].map(|arm| Count {
        x: arm.x + 1.0,
        n: arm.n + 2.0,
    });
    let difference = difference(a, b);
    let half = z * (a.spread() / a.n + b.spread() / b.n).sqrt();
    Ok((difference - half, difference + half))
}
