//! One-sided group-sequential designs that also stop for futility: the error of the first kind is spent
//! above, that of the second below (Pampallona, Tsiatis and Kim 2001), and both boundaries meet at the
//! last look.

use super::boundary::{check_times, critical};
use super::crossing::{Look, secant};
use super::path::{Path, Side};
use super::spending::Spending;
use super::upper_quantile;
use crate::{Result, StatsError, check};

/// An error probability and how it is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// The probability, in (0, 0.5).
    pub error: f64,
    /// When it is spent.
    pub spending: Spending,
}

/// Whether a test that ignores a crossed lower boundary keeps its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Futility {
    /// It must stop there: the upper boundary makes use of that.
    Binding,
    /// It may go on: the upper boundary is that of a test without futility.
    NonBinding,
}

/// A design whose boundaries meet at the last look.
#[derive(Clone, Debug, PartialEq)]
pub struct FutilityDesign {
    /// The bounds on Z.
    pub looks: Vec<Look>,
    /// The expectation of Z at information time 1 at which the lower boundary spends its error.
    pub drift: f64,
    /// How much more information the design needs at most than one look at the end.
    pub inflation: f64,
}

/// The design that spends `alpha` on stopping for efficacy and `beta` on stopping for futility.
///
/// # Errors
/// What is wrong with the times or an error probability; `NoSolution` where the boundaries can't meet.
pub fn futility_design(
    times: &[f64],
    alpha: Budget,
    beta: Budget,
    futility: Futility,
) -> Result<FutilityDesign> {
    check::finite([("alpha", alpha.error)])?;
    check::finite([("beta", beta.error)])?;
    check_times(times)?;
    alpha.spending.check()?;
    beta.spending.check()?;
    check::range(
        "alpha",
        alpha.error > 0.0 && alpha.error < 0.5,
        "a number strictly between 0 and 0.5",
    )?;
    check::range(
        "beta",
        beta.error > 0.0 && beta.error < 0.5,
        "a number strictly between 0 and 0.5",
    )?;
    let fixed = upper_quantile(alpha.error) + upper_quantile(beta.error);
    let miss = |drift: f64| {
        let last = bounds(times, alpha, beta, futility, drift).last().copied();
        Ok(last.map_or(0.0, |look| look.lower - look.upper))
    };
    let drift = secant(miss, fixed, fixed * 1.03).ok_or(StatsError::NoSolution {
        unknown: "design with boundaries that meet",
    })??;
    let mut looks = bounds(times, alpha, beta, futility, drift);
    if let Some(last) = looks.last_mut() {
        last.lower = last.upper;
    }
    Ok(FutilityDesign {
        looks,
        drift,
        inflation: (drift / fixed) * (drift / fixed),
    })
}

/// The boundaries when the lower one spends its error under `drift`; at the last look they need not meet.
fn bounds(times: &[f64], alpha: Budget, beta: Budget, futility: Futility, drift: f64) -> Vec<Look> {
    let (mut null, mut planned) = (Path::start(0.0), Path::start(drift));
    let (mut first, mut second) = (0.0, 0.0);
    let mut looks = Vec::with_capacity(times.len());
    let next = times.iter().skip(1).copied().map(Some).chain([None]);
    for (time, next) in times.iter().copied().zip(next) {
        let (spent, given_up) = (
            alpha.spending.spent(alpha.error, time),
            beta.spending.spent(beta.error, time),
        );
        let upper = critical(&null, time, spent - first, Side::Up);
        let lower = critical(&planned, time, given_up - second, Side::Down);
        (first, second) = (spent, given_up);
        looks.push(Look { time, lower, upper });
        if let Some(next) = next {
            // With a drift far too large the boundaries cross early; nothing is left inside then.
            let (below, above) = (lower.min(upper) * time.sqrt(), upper * time.sqrt());
            let kept = if futility == Futility::Binding {
                below
            } else {
                f64::NEG_INFINITY
            };
            null = null.advance(time, (kept, above), next);
            planned = planned.advance(time, (below, above), next);
        }
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::crossing::crossing;

    const TIMES: [f64; 3] = [1.0 / 3.0, 2.0 / 3.0, 1.0];
    const ALPHA: Budget = Budget {
        error: 0.025,
        spending: Spending::HwangShihDeCani { gamma: -4.0 },
    };
    const BETA: Budget = Budget {
        error: 0.1,
        spending: Spending::HwangShihDeCani { gamma: -2.0 },
    };

    #[test]
    fn the_default_design_of_gsdesign_is_met() {
        // Anderson, gsDesign: gsDesign() with its defaults (test.type = 4), as its manual prints it.
        let design = futility_design(&TIMES, ALPHA, BETA, Futility::NonBinding).unwrap();
        let near = |got: f64, expected: f64| {
            assert!((got - expected).abs() < 6e-3, "{got} is not {expected}");
        };
        for (look, (lower, upper)) in
            design
                .looks
                .iter()
                .zip([(-0.24, 3.01), (0.94, 2.55), (2.00, 2.00)])
        {
            near(look.lower, lower);
            near(look.upper, upper);
        }
        near(design.inflation, 1.07);
    }

    #[test]
    fn both_errors_are_spent_and_no_more() {
        for futility in [Futility::Binding, Futility::NonBinding] {
            let design = futility_design(&TIMES, ALPHA, BETA, futility).unwrap();
            let planned = crossing(&design.looks, design.drift).unwrap();
            let missed: f64 = planned.lower.iter().sum();
            assert!((missed - BETA.error).abs() < 1e-9, "{futility:?}: {missed}");
            let null = crossing(&design.looks, 0.0).unwrap();
            let wrong: f64 = null.upper.iter().sum();
            match futility {
                Futility::Binding => assert!((wrong - ALPHA.error).abs() < 1e-9, "{wrong}"),
                Futility::NonBinding => assert!(wrong < ALPHA.error, "{wrong}"),
            }
        }
    }
}
