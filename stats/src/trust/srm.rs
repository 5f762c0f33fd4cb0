//! Sample ratio mismatch: do the arms have the units that their weights promise? A chi-squared test for a look or two;
//! per phase where weights changed, with the phases' statistics added; and the sequential test of Lindon and Malek
//! (2022) for a split that is watched, valid however often one looks.

use crate::distribution::ChiSquared;
use crate::{Result, StatsError, check};

/// The chi-squared test of a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// The statistic.
    pub chi2: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// P of at least this much.
    pub p: f64,
    /// ln of `p`.
    pub log_p: f64,
}

fn checked(observed: &[f64], weights: &[f64]) -> Result<()> {
    check::all_finite("observed", observed)?;
    check::all_finite("weights", weights)?;
    check::not_empty("observed", observed)?;
    check::same_length("observed and weights", observed, weights)?;
    check::range(
        "observed",
        observed.iter().all(|count| *count >= 0.0),
        "counts of 0 or more",
    )?;
    check::range(
        "weights",
        weights.iter().all(|weight| *weight >= 0.0),
        "weights of 0 or more",
    )?;
    check::range(
        "weights",
        weights.iter().sum::<f64>() > 0.0,
        "weights of which one is above 0",
    )?;
    if observed
        .iter()
        .zip(weights)
        .any(|(count, weight)| *weight == 0.0 && *count > 0.0)
    {
        return Err(StatsError::UnexpectedArm { input: "observed" });
    }
    Ok(())
}

/// The statistic and its degrees of freedom; an arm of weight zero has no part in it.
fn statistic(observed: &[f64], weights: &[f64]) -> Result<(f64, f64)> {
    checked(observed, weights)?;
    let n: f64 = observed.iter().sum();
    let total: f64 = weights.iter().sum();
    let arms = weights.iter().filter(|weight| **weight > 0.0).count();
    if arms < 2 || n <= 0.0 {
        return Err(StatsError::InsufficientData {
            input: "observed",
            needs: "units, and two arms with a weight",
        });
    }
    let chi2 = observed
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(count, weight)| {
            let expected = weight / total * n;
            (count - expected) * (count - expected) / expected
        })
        .sum();
    Ok((chi2, arms as f64 - 1.0))
}

fn answer(chi2: f64, df: f64) -> Result<Mismatch> {
    let distribution = ChiSquared::new(df)?;
    Ok(Mismatch {
        chi2,
        df,
        p: distribution.sf(chi2),
        log_p: distribution.log_sf(chi2),
    })
}

/// The counts of units against the configured weights.
///
/// # Errors
/// Numbers that are not finite or negative, lists that are empty or of different length, units in an arm of weight
/// zero, fewer than two arms with a weight, no units.
pub fn chi_squared(observed: &[f64], weights: &[f64]) -> Result<Mismatch> {
    let (chi2, df) = statistic(observed, weights)?;
    answer(chi2, df)
}

/// Phases of different weights, each against its own: the units first seen in it, and the weights it had. A phase
/// without units says nothing.
///
/// # Errors
/// As [`chi_squared`]; no phase with units.
pub fn phases(phases: &[(&[f64], &[f64])]) -> Result<Mismatch> {
    check::not_empty("phases", phases)?;
    let (mut chi2, mut df) = (0.0, 0.0);
    for (observed, weights) in phases {
        checked(observed, weights)?;
        if observed.iter().sum::<f64>() > 0.0 {
            let (more, freedom) = statistic(observed, weights)?;
            chi2 += more;
            df += freedom;
        }
    }
    if df == 0.0 {
        return Err(StatsError::InsufficientData {
            input: "phases",
            needs: "units",
        });
    }
    answer(chi2, df)
}

/// The sequential test: a Dirichlet-multinomial mixture around the configured split against the split itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    split: Vec<f64>,
    alpha: Vec<f64>,
    log_bayes_factor: f64,
    log_p: f64,
}

impl Watch {
    /// A watch over `weights`; `concentration` says how near the configured split the alternatives are (10,000 is usual).
    ///
    /// # Errors
    /// Weights or a concentration that are not finite and positive (zero is allowed for a weight), fewer than two arms.
    pub fn new(weights: &[f64], concentration: f64) -> Result<Self> {
        check::finite([("concentration", concentration)])?;
        checked(&vec![0.0; weights.len()], weights)?;
        check::positive("concentration", concentration)?;
        if weights.iter().filter(|weight| **weight > 0.0).count() < 2 {
            return Err(StatsError::InsufficientData {
                input: "weights",
                needs: "two arms with a weight",
            });
        }
        let total: f64 = weights.iter().sum();
        let split: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let alpha = split.iter().map(|share| share * concentration).collect();
        Ok(Self {
            split,
            alpha,
            log_bayes_factor: 0.0,
            log_p: 0.0,
        })
    }

    /// The units that came since the last look, by arm. Returns ln of the p-value, which never rises.
    ///
    /// # Errors
    /// As [`chi_squared`], but a look without units is one. What is refused changes nothing.
    pub fn look(&mut self, counts: &[f64]) -> Result<f64> {
        checked(counts, &self.split)?;
        let n: f64 = counts.iter().sum();
        let mass: f64 = self.alpha.iter().sum();
        let mut gain = -log_rising(mass, n);
        for ((count, share), alpha) in counts.iter().zip(&self.split).zip(&mut self.alpha) {
            if *share > 0.0 {
                gain += log_rising(*alpha, *count) - count * share.ln();
                *alpha += count;
            }
        }
        self.log_bayes_factor += gain;
        self.log_p = self.log_p.min(-self.log_bayes_factor);
        Ok(self.log_p)
    }

    /// ln of the evidence against the configured split.
    #[must_use]
    pub const fn log_bayes_factor(&self) -> f64 {
        self.log_bayes_factor
    }
}

/// ln(Gamma(a + n) / Gamma(a)), by Stirling's form so that large masses do not cancel.
fn log_rising(a: f64, n: f64) -> f64 {
    if n == 0.0 {
        return 0.0;
    }
    crate::distribution::log_gamma_ratio(a, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_held_against_its_own_weights() {
        let (before, after) = ([900.0, 100.0], [500.0, 500.0]);
        let found = phases(&[(&before, &[9.0, 1.0]), (&after, &[1.0, 1.0])]).unwrap();
        assert_eq!((found.chi2, found.df), (0.0, 2.0));
        // Pooled, 1400 to 600 fits neither split.
        let pooled = chi_squared(&[1_400.0, 600.0], &[1.0, 1.0]).unwrap();
        assert!(pooled.p < 1e-10);
    }

    #[test]
    fn statistics_and_degrees_of_freedom_of_phases_add_up() {
        let (one, other) = ([480.0, 520.0], [310.0, 300.0, 290.0]);
        let (halves, thirds) = ([1.0, 1.0], [1.0, 1.0, 1.0]);
        let first = chi_squared(&one, &halves).unwrap();
        let second = chi_squared(&other, &thirds).unwrap();
        let both = phases(&[(&one, &halves), (&other, &thirds), (&[0.0, 0.0], &halves)]).unwrap();
        assert!((both.chi2 - first.chi2 - second.chi2).abs() < 1e-12);
        assert_eq!(both.df, 3.0);
    }

    #[test]
    fn phases_that_say_nothing_are_refused() {
        let code = |found: Result<Mismatch>| found.unwrap_err().code();
        assert_eq!(code(phases(&[])), "empty_input");
        assert_eq!(
            code(phases(&[(&[0.0, 0.0], &[1.0, 1.0])])),
            "insufficient_data"
        );
        assert_eq!(
            code(phases(&[(&[1.0, 1.0], &[1.0, 0.0])])),
            "unexpected_arm"
        );
        assert_eq!(code(phases(&[(&[1.0], &[1.0, 1.0])])), "length_mismatch");
    }
}
