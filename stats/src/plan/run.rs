//! From a comparison's size to an experiment's: several treatments against one control, what looking early costs, and
//! how many days the traffic takes. A ratio metric's size is that of a mean whose unit has the delta method's variance.

use super::Design;
use crate::distribution::normal;
use crate::fixed::ratio::RatioSums;
use crate::sequential::boundary::Sides;
use crate::sequential::confidence_sequence::ConfidenceSequence;
use crate::sequential::crossing::{Look, inflation};
use crate::{Result, StatsError, check};

/// The design of one comparison of several against the same control, so that the family's level is the design's
/// (Bonferroni).
///
/// # Errors
/// No treatment.
pub fn one_of(treatments: u32, design: &Design) -> Result<Design> {
    check::range("treatments", treatments > 0, "at least 1")?;
    Ok(Design {
        alpha: design.alpha / f64::from(treatments),
        ..*design
    })
}

/// Units of each treatment per unit of the control that make the errors of all comparisons smallest (Dunnett 1955): one
/// over the root of the number of treatments.
///
/// # Errors
/// No treatment.
pub fn best_ratio(treatments: u32) -> Result<f64> {
    check::range("treatments", treatments > 0, "at least 1")?;
    Ok(1.0 / f64::from(treatments).sqrt())
}

/// All units of an experiment whose control has `control_units`.
///
/// # Errors
/// What is not finite or out of range, no treatment.
pub fn total_units(control_units: f64, treatments: u32, design: &Design) -> Result<f64> {
    check::finite([("control_units", control_units)])?;
    design.finite()?;
    check::range("treatments", treatments > 0, "at least 1")?;
    check::positive("control_units", control_units)?;
    design.range()?;
    Ok(control_units * (1.0 + f64::from(treatments) * design.ratio))
}

/// The standard deviation of a ratio metric's unit, from sums of the past: what the plans of means take.
///
/// # Errors
/// Sums that are not finite, of fewer than two units, without a denominator, or contradictory.
pub fn ratio_sd(past: &RatioSums) -> Result<f64> {
    Ok(past.unit_summary("past")?.variance.sqrt())
}

/// What a ratio metric divides by, of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Denominator {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// Its correlation with the numerator.
    pub correlation: f64,
}

/// The standard deviation of a ratio metric's unit where the ratio, the numerator's standard deviation and the
/// denominator are known: the root of `(s_m² + r² s_d² - 2 r ρ s_m s_d) / d²`.
///
/// # Errors
/// What is not finite or out of range; a denominator of mean 0; parts that leave no variance.
pub fn ratio_sd_of_parts(ratio: f64, numerator_sd: f64, denominator: Denominator) -> Result<f64> {
    let Denominator {
        mean,
        sd,
        correlation,
    } = denominator;
    check::finite([
        ("ratio", ratio),
        ("numerator_sd", numerator_sd),
        ("denominator_mean", mean),
        ("denominator_sd", sd),
        ("correlation", correlation),
    ])?;
    check::non_negative("numerator_sd", numerator_sd)?;
    check::non_negative("denominator_sd", sd)?;
    check::range(
        "correlation",
        correlation.abs() <= 1.0,
        "a number from -1 to 1",
    )?;
    if mean == 0.0 {
        return Err(StatsError::ZeroDenominator {
            input: "denominator_mean",
        });
    }
    let part = ratio * sd;
    // As a sum of squares: nothing cancels below zero.
    let along = numerator_sd - correlation * part;
    let across = (1.0 - correlation) * (1.0 + correlation) * part * part;
    let variance = along * along + across;
    if variance > 0.0 {
        Ok(variance.sqrt() / mean.abs())
    } else {
        Err(StatsError::ZeroVariance { input: "ratio" })
    }
}

/// By how much more units, at most, a group-sequential test with these looks needs than a fixed one.
///
/// # Errors
/// What [`inflation`] refuses.
pub fn group_sequential_factor(looks: &[Look], design: &Design) -> Result<f64> {
    design.finite()?;
    design.range()?;
    Ok(inflation(looks, design.side(), design.power)?.maximum)
}

/// By how much more units, at most, a confidence sequence tuned to the planned units needs than a fixed test to have the
/// power at the end. It may stop earlier, and has more power when watched.
///
/// # Errors
/// What is not finite or out of range.
pub fn confidence_sequence_factor(design: &Design) -> Result<f64> {
    design.finite()?;
    design.range()?;
    let sides = if design.two_sided {
        Sides::Both
    } else {
        Sides::Upper
    };
    // At the size that it is tuned to the multiplier does not depend on the size.
    let multiplier = ConfidenceSequence::tuned(design.alpha, 1.0, sides)?.multiplier(1.0);
    let root = (multiplier + normal::quantile(design.power)?) / design.z_sum()?;
    Ok(root * root)
}

/// The whole days that `units` take where `daily_units` new ones come a day, of which a share takes part. Whole weeks
/// where asked, since days of a week differ.
///
/// # Errors
/// What is not finite or out of range.
pub fn days(units: f64, daily_units: f64, share: f64, whole_weeks: bool) -> Result<f64> {
    check::finite([
        ("units", units),
        ("daily_units", daily_units),
        ("share", share),
    ])?;
    check::positive("units", units)?;
    check::positive("daily_units", daily_units)?;
    check::range(
        "share",
        share > 0.0 && share <= 1.0,
        "a number above 0 and at most 1",
    )?;
    let days = (units / (daily_units * share)).ceil();
    check::finite([("days", days)])?;
    Ok(if whole_weeks {
        (days / 7.0).ceil() * 7.0
    } else {
        days
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::crossing::looks;
    use crate::sequential::shape::wang_tsiatis;

    const DESIGN: Design = Design {
        alpha: 0.05,
        power: 0.8,
        ratio: 1.0,
        two_sided: true,
    };

    #[test]
    fn four_treatments_share_the_level_and_want_a_control_twice_their_size() {
        assert_eq!(one_of(4, &DESIGN).unwrap().alpha, 0.0125);
        assert_eq!(best_ratio(4).unwrap(), 0.5);
        let design = Design {
            ratio: 0.5,
            ..DESIGN
        };
        assert_eq!(total_units(1_000.0, 4, &design).unwrap(), 3_000.0);
        // No other ratio has a smaller error of a comparison for the same total: 1/n_a + 1/n_b at n_a (1 + 4 r) = 1.
        let error = |r: f64| (1.0 + 4.0 * r) * (1.0 + 1.0 / r);
        assert!(error(0.5) < error(0.49) && error(0.5) < error(0.51));
    }

    #[test]
    fn looking_early_costs_what_the_tables_say() {
        // Jennison and Turnbull 2000, tables 2.2 and 2.4, five looks, power 0.8, to two places: 1.23 and 1.03.
        let times = [0.2, 0.4, 0.6, 0.8, 1.0];
        let factor = |delta| {
            let z = wang_tsiatis(&times, 0.05, delta).unwrap();
            group_sequential_factor(&looks(&times, &z, Sides::Both).unwrap(), &DESIGN).unwrap()
        };
        let (pocock, fleming) = (factor(0.5), factor(0.0));
        assert!((pocock - 1.23).abs() < 0.005, "{pocock}");
        assert!((fleming - 1.03).abs() < 0.005, "{fleming}");
        let sequence = confidence_sequence_factor(&DESIGN).unwrap();
        assert!(sequence > pocock && sequence < 2.0, "{sequence}");
    }

    #[test]
    fn a_ratio_of_independent_parts_has_the_delta_methods_deviation() {
        // Numerators of mean 2 and variance 1, denominators of mean 4 and variance 1, independent.
        let past = RatioSums {
            n: 101.0,
            sum_m: 202.0,
            sum_d: 404.0,
            sum_m2: 404.0 + 100.0,
            sum_d2: 1_616.0 + 100.0,
            sum_md: 808.0,
        };
        let variance = (1.0 + 0.25 * 1.0) / 16.0;
        assert!((ratio_sd(&past).unwrap() - f64::sqrt(variance)).abs() < 1e-12);
        let denominator = Denominator {
            mean: 4.0,
            sd: 1.0,
            correlation: 0.0,
        };
        let parts = |it| ratio_sd_of_parts(0.5, 1.0, it);
        assert!((parts(denominator).unwrap() - f64::sqrt(variance)).abs() < 1e-12);
        // A numerator that goes with the denominator entirely: (1 - 0.5)^2 / 16.
        let together = Denominator {
            correlation: 1.0,
            ..denominator
        };
        assert!((parts(together).unwrap() - 0.125).abs() < 1e-12);
        let code = |it| parts(it).unwrap_err().code();
        assert_eq!(
            code(Denominator {
                mean: 0.0,
                ..denominator
            }),
            "zero_denominator"
        );
        assert_eq!(
            code(Denominator {
                sd: 2.0,
                ..together
            }),
            "zero_variance"
        );
    }

    #[test]
    fn days_are_whole_and_weeks_where_asked() {
        assert_eq!(days(10_000.0, 1_000.0, 0.5, false).unwrap(), 20.0);
        assert_eq!(days(10_001.0, 1_000.0, 0.5, false).unwrap(), 21.0);
        assert_eq!(days(10_000.0, 1_000.0, 0.5, true).unwrap(), 21.0);
        assert_eq!(
            days(1.0, 0.0, 0.5, true).unwrap_err().code(),
            "out_of_range"
        );
        assert_eq!(
            days(1.0, 1.0, f64::NAN, true).unwrap_err().code(),
            "non_finite_input"
        );
    }
}
