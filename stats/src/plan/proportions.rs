//! Plans for two proportions, by the formulas in use.

use super::Design;
use crate::distribution::normal;
use crate::{Result, StatsError, check};

/// Which variance, which transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The pooled rate's variance under the null hypothesis, each arm's own under the alternative.
    Pooled,
    /// Each arm's own variance.
    Unpooled,
    /// The control's variance under the null hypothesis, as Evan Miller's calculator; arms of one size.
    EvanMiller,
    /// Cohen's h: the difference of the arcsines of the roots.
    Arcsine,
    /// Pooled, with Fleiss' continuity correction.
    FleissCorrected,
}

/// Standard deviations under the null and the alternative, each times the root of the control's size.
fn spreads(p1: f64, p2: f64, design: &Design, method: Method) -> (f64, f64) {
    let k = design.ratio;
    let own = p1 * (1.0 - p1) + p2 * (1.0 - p2) / k;
    let null = match method {
        Method::Unpooled => own,
        Method::EvanMiller => 2.0 * p1 * (1.0 - p1),
        _ => {
            let pooled = (p1 + k * p2) / (1.0 + k);
            pooled * (1.0 - pooled) * (1.0 + 1.0 / k)
        }
    };
    (null.sqrt(), own.sqrt())
}

fn checked(p1: f64, p2: f64, design: &Design) -> Result<()> {
    check::finite([("p1", p1), ("p2", p2)])?;
    design.finite()?;
    check::unit("p1", p1)?;
    check::unit("p2", p2)?;
    design.range()
}

fn arcsine_difference(p1: f64, p2: f64) -> f64 {
    2.0 * (p2.sqrt().asin() - p1.sqrt().asin())
}

/// Control units to tell `p2` from `p1`.
///
/// # Errors
/// What is not finite or out of range; rates that are equal.
pub fn size(p1: f64, p2: f64, design: &Design, method: Method) -> Result<f64> {
    checked(p1, p2, design)?;
    if p1 == p2 {
        return Err(StatsError::NoSolution {
            unknown: "sample size",
        });
    }
    let (k, difference) = (design.ratio, p2 - p1);
    if method == Method::Arcsine {
        let z = design.z_sum()? / arcsine_difference(p1, p2);
        return Ok(z * z * (1.0 + 1.0 / k));
    }
    let (null, own) = spreads(p1, p2, design, method);
    let root = (design.z_alpha()? * null + normal::quantile(design.power)? * own) / difference;
    let n = root * root;
    if method == Method::FleissCorrected {
        let corrected = 1.0 + (1.0 + 2.0 * (k + 1.0) / (n * k * difference.abs())).sqrt();
        return Ok(0.25 * n * corrected * corrected);
    }
    Ok(n)
}

/// Power: with the tail on the effect's side only, and with both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// The tail that the effect points to (one-sided: a larger treatment).
    pub near_tail: f64,
    /// Both tails of a two-sided test.
    pub both_tails: f64,
}

/// The power of `n` control units; pooled or unpooled.
///
/// # Errors
/// What is not finite or out of range; rates without variance.
pub fn power(p1: f64, p2: f64, n: f64, design: &Design, method: Method) -> Result<Power> {
    check::finite([("n1", n)])?;
    checked(p1, p2, design)?;
    check::positive("n1", n)?;
    let z = design.z_alpha()?;
    let (null, own) = spreads(p1, p2, design, method);
    if own <= 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "both rates",
        });
    }
    let shift = (p2 - p1) * n.sqrt();
    let tail = |shift: f64| normal::cdf((shift - z * null) / own);
    if !design.two_sided {
        return Ok(Power {
            near_tail: tail(shift),
            both_tails: tail(shift),
        });
    }
    Ok(Power {
        near_tail: tail(shift.abs()),
        both_tails: tail(shift) + tail(-shift),
    })
}

/// The nearest rate above (`increase`) or below the control's that `n` control units tell apart; by bisection.
///
/// # Errors
/// What is not finite or out of range; no such rate.
pub fn detectable(p1: f64, n: f64, increase: bool, design: &Design, method: Method) -> Result<f64> {
    check::finite([("n1", n)])?;
    checked(p1, p1, design)?;
    check::positive("n1", n)?;
    let end = if increase { 1.0 } else { 0.0 };
    let room = end - p1;
    let enough = |step: f64| Ok(size(p1, p1 + step, design, method)? <= n);
    if room == 0.0 || !enough(room)? {
        return Err(StatsError::NoSolution {
            unknown: "detectable rate",
        });
    }
    let (mut low, mut high) = (0.0, room);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle == low || middle == high || p1 + middle == p1 {
            break;
        }
        if enough(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(p1 + high)
}
