//! Novelty and learning: does the effect fade or grow with the days since a unit's first exposure? The effect is taken
//! for each such day by itself, and a line through them, weighted by their errors, is tested for a slope. Days are
//! taken as independent; units that come back on several days make the test a little too eager, so that it warns and
//! no more.

use crate::distribution::normal;
use crate::sequential::msprt::Estimate;
use crate::{Result, StatsError, check};

/// The effect on the units that were first exposed this many days before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Age {
    /// Days since first exposure.
    pub days: f64,
    /// The effect on that day.
    pub effect: Estimate,
}

/// A line through the effects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The line's value at day 0.
    pub first: f64,
    /// What the effect changes by a day.
    pub slope: f64,
    /// The slope's standard error.
    pub standard_error: f64,
    /// P of a slope at least as far from 0, on either side.
    pub p: f64,
    /// Whether the effect gets smaller: the slope points against the first day's value.
    pub fades: bool,
}

/// The trend of the effect over the days since first exposure.
///
/// # Errors
/// What is not finite; negative days; fewer than three; effects without variance; days that are all the same.
pub fn trend(ages: &[Age]) -> Result<Trend> {
    for age in ages {
        check::finite([
            ("days", age.days),
            ("effect", age.effect.value),
            ("variance", age.effect.variance),
        ])?;
    }
    check::not_empty("ages", ages)?;
    for age in ages {
        check::non_negative("days", age.days)?;
        check::non_negative("variance", age.effect.variance)?;
    }
    if ages.len() < 3 {
        return Err(StatsError::InsufficientData {
            input: "ages",
            needs: "at least 3 days",
        });
    }
    if ages.iter().any(|age| age.effect.variance == 0.0) {
        return Err(StatsError::ZeroVariance {
            input: "a day's effect",
        });
    }
    let weight = |age: &Age| age.effect.variance.recip();
    let total: f64 = ages.iter().map(weight).sum();
    let centre = ages.iter().map(|age| weight(age) * age.days).sum::<f64>() / total;
    let mean = ages
        .iter()
        .map(|age| weight(age) * age.effect.value)
        .sum::<f64>()
        / total;
    let spread: f64 = ages
        .iter()
        .map(|age| weight(age) * (age.days - centre).powi(2))
        .sum();
    if spread <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "days" });
    }
    let slope = ages
        .iter()
        .map(|age| weight(age) * (age.days - centre) * (age.effect.value - mean))
        .sum::<f64>()
        / spread;
    let standard_error = spread.recip().sqrt();
    let first = mean - slope * centre;
    Ok(Trend {
        first,
        slope,
        standard_error,
        p: normal::two_sided(slope / standard_error),
        fades: slope * first < 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages(effects: &[f64], variance: f64) -> Vec<Age> {
        effects
            .iter()
            .zip(0_u8..)
            .map(|(value, day)| Age {
                days: f64::from(day),
                effect: Estimate {
                    value: *value,
                    variance,
                },
            })
            .collect()
    }

    #[test]
    fn an_effect_that_halves_every_day_fades() {
        let found = trend(&ages(&[1.0, 0.5, 0.25, 0.125], 0.01)).unwrap();
        assert!(found.fades && found.p < 0.001, "{found:?}");
    }

    #[test]
    fn a_line_is_found_exactly() {
        let found = trend(&ages(&[1.0, 3.0, 5.0, 7.0], 2.0)).unwrap();
        assert!((found.slope - 2.0).abs() < 1e-12 && (found.first - 1.0).abs() < 1e-12);
        // Variance over the sum of squared deviations of 0, 1, 2, 3.
        assert!((found.standard_error - (2.0_f64 / 5.0).sqrt()).abs() < 1e-12);
        assert!(!found.fades);
    }

    #[test]
    fn a_steady_effect_has_no_trend() {
        assert!(trend(&ages(&[0.5; 5], 0.1)).unwrap().p > 0.999);
    }

    #[test]
    fn what_has_no_trend_to_test_is_refused() {
        let code = |ages: &[Age]| trend(ages).unwrap_err().code();
        assert_eq!(code(&[]), "empty_input");
        assert_eq!(code(&ages(&[1.0, 2.0], 1.0)), "insufficient_data");
        assert_eq!(code(&ages(&[1.0, f64::NAN, 1.0], 1.0)), "non_finite_input");
        assert_eq!(code(&ages(&[1.0; 3], 0.0)), "zero_variance");
        let mut same = ages(&[1.0; 3], 1.0);
        same.iter_mut().for_each(|age| age.days = 1.0);
        assert_eq!(code(&same), "zero_variance");
    }
}
