//! Post-stratification: the effect within each stratum, weighted by the stratum's share. With phases as strata it is how
//! results cross a change of weights, over which a pooled comparison would mix the phases' levels into the effect.

use crate::distribution::student_t;
use crate::{Result, StatsError, Summary, check};

/// One stratum, or one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratum {
    /// Its share of the population, in any unit; where none is given, its units in both arms.
    pub weight: Option<f64>,
    /// The control's units in it.
    pub control: Summary,
    /// The treatment's units in it.
    pub treatment: Summary,
}

/// The effect over all strata, treatment minus control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StratifiedEffect {
    /// The effect.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Satterthwaite's degrees of freedom.
    pub degrees_of_freedom: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// The confidence interval.
    pub interval: (f64, f64),
}

/// The effect over all strata.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` (`alpha` in (0, 1), weights not negative and not all zero),
/// `InsufficientData` (two units an arm in each stratum), `ZeroVariance`.
pub fn stratified(strata: &[Stratum], alpha: f64) -> Result<StratifiedEffect> {
    check::finite([("alpha", alpha)])?;
    check::not_empty("strata", strata)?;
    check::open_unit("alpha", alpha)?;
    let mut weights = Vec::with_capacity(strata.len());
    for stratum in strata {
        Summary::check_pair(&stratum.control, &stratum.treatment)?;
        let weight = stratum
            .weight
            .unwrap_or(stratum.control.n + stratum.treatment.n);
        check::finite([("weight", weight)])?;
        check::non_negative("weight", weight)?;
        weights.push(weight);
    }
    let total: f64 = weights.iter().sum();
    check::range("weight", total > 0.0, "not zero for all strata")?;
    let (mut effect, mut variance, mut squares) = (0.0, 0.0, 0.0);
    for (stratum, weight) in strata.iter().zip(&weights) {
        let share = weight / total;
        effect += share * (stratum.treatment.mean - stratum.control.mean);
        for arm in [&stratum.control, &stratum.treatment] {
            let part = share * share * arm.mean_variance();
            variance += part;
            squares += part * part / (arm.n - 1.0);
        }
    }
    if variance == 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the outcome within the strata",
        });
    }
    let degrees_of_freedom = variance * variance / squares;
    let standard_error = variance.sqrt();
    let half = student_t::isf(0.5 * alpha, degrees_of_freedom)? * standard_error;
    Ok(StratifiedEffect {
        effect,
        standard_error,
        degrees_of_freedom,
        p: student_t::two_sided(effect / standard_error, degrees_of_freedom)?,
        interval: (effect - half, effect + half),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_weights_does_not_turn_a_trend_into_an_effect() {
        // The level rises from 10 to 20 while the treatment grows from 10% to 90%: pooled, that looks like 8.
        let phase = |level, control, treatment| Stratum {
            weight: None,
            control: Summary::new(control, level, 4.0),
            treatment: Summary::new(treatment, level, 4.0),
        };
        let found = stratified(
            &[phase(10.0, 900.0, 100.0), phase(20.0, 100.0, 900.0)],
            0.05,
        )
        .unwrap();
        assert!(found.effect.abs() < 1e-12 && found.p > 0.999, "{found:?}");
    }

    #[test]
    fn one_stratum_is_welchs_test() {
        let only = Stratum {
            weight: Some(0.3),
            control: Summary::new(30.0, 1.0, 2.0),
            treatment: Summary::new(40.0, 1.5, 1.0),
        };
        let found = stratified(&[only], 0.05).unwrap();
        let (a, b): (f64, f64) = (2.0 / 30.0, 1.0 / 40.0);
        let degrees = (a + b).powi(2) / (a * a / 29.0 + b * b / 39.0);
        assert!(
            (found.degrees_of_freedom - degrees).abs() < 1e-10,
            "{found:?}"
        );
        assert!(
            (found.standard_error - (a + b).sqrt()).abs() < 1e-15,
            "{found:?}"
        );
    }
}
