//! Many tests at once: p-values adjusted so that `adjusted <= alpha` keeps the family-wise error (Bonferroni, Sidak,
//! Holm, Hochberg) or the false discovery rate (Benjamini-Hochberg, Benjamini-Yekutieli) at alpha. One family is one
//! experiment's metrics; guardrails are a family of their own, or none. Order is kept.

use crate::{Result, check};
use serde::{Deserialize, Serialize};

/// How to adjust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// p m: any dependence.
    Bonferroni,
    /// 1 - (1 - p)^m: independent tests.
    Sidak,
    /// Bonferroni, step-down: any dependence, never worse.
    Holm,
    /// Step-up: independent or positively dependent tests.
    Hochberg,
    /// False discovery rate, step-up: independent or positively dependent tests.
    BenjaminiHochberg,
    /// False discovery rate under any dependence.
    BenjaminiYekutieli,
}

impl Adjustment {
    /// Its stable name, in `snake_case`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bonferroni => "bonferroni",
            Self::Sidak => "sidak",
            Self::Holm => "holm",
            Self::Hochberg => "hochberg",
            Self::BenjaminiHochberg => "benjamini_hochberg",
            Self::BenjaminiYekutieli => "benjamini_yekutieli",
        }
    }
}

/// The adjusted p-values, in the order of `p`.
///
/// # Errors
/// No p-values, or ones that are not numbers from 0 to 1.
pub fn adjust(p: &[f64], how: Adjustment) -> Result<Vec<f64>> {
    check::all_finite("p", p)?;
    check::not_empty("p", p)?;
    for value in p {
        check::unit("p", *value)?;
    }
    let m = p.len() as f64;
    Ok(match how {
        Adjustment::Bonferroni => p.iter().map(|p| (p * m).min(1.0)).collect(),
        Adjustment::Sidak => p.iter().map(|p| -(m * (-p).ln_1p()).exp_m1()).collect(),
        Adjustment::Holm => step_down(p, 1.0, |p, rank| p * (m - rank + 1.0)),
        Adjustment::Hochberg => step_up(p, |p, rank| p * (m - rank + 1.0)),
        Adjustment::BenjaminiHochberg => step_up(p, |p, rank| p * (m / rank)),
        Adjustment::BenjaminiYekutieli => {
            let harmonic: f64 = (1..=p.len()).rev().map(|k| 1.0 / k as f64).sum();
            step_up(p, |p, rank| p * (m / rank) * harmonic)
        }
    })
}

/// Holm's correction of logarithms of p-values, which stay finite where p underflows.
///
/// # Errors
/// No p-values, or logarithms that are NaN or above 0.
pub fn holm_log(log_p: &[f64]) -> Result<Vec<f64>> {
    check::not_empty("log_p", log_p)?;
    check::range(
        "log_p",
        log_p.iter().all(|log_p| *log_p <= 0.0),
        "logarithms of 0 or less",
    )?;
    let m = log_p.len() as f64;
    Ok(step_down(log_p, 0.0, |log_p, rank| {
        log_p + (m - rank + 1.0).ln()
    }))
}

/// In ascending order, each at least as large as the one before it and at most `most`.
fn step_down(p: &[f64], most: f64, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut largest = f64::NEG_INFINITY;
    in_order(p, |ranked| {
        for (rank, (_, value)) in ranked.iter_mut().enumerate() {
            largest = of(*value, rank as f64 + 1.0).min(most).max(largest);
            *value = largest;
        }
    })
}

/// In descending order, each at most as large as the one after it and at most 1.
fn step_up(p: &[f64], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut least = 1.0_f64;
    in_order(p, |ranked| {
        for (rank, (_, value)) in ranked.iter_mut().enumerate().rev() {
            least = least.min(of(*value, rank as f64 + 1.0));
            *value = least;
        }
    })
}

/// Changes the values in ascending order, and gives them back in the order in which they came.
fn in_order(p: &[f64], change: impl FnOnce(&mut [(usize, f64)])) -> Vec<f64> {
    let mut ranked: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    change(&mut ranked);
    ranked.sort_by_key(|(index, _)| *index);
    ranked.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_tests_of_benjamini_and_hochberg_reject_four() {
        // Benjamini and Hochberg 1995, section 4: at 0.05 Bonferroni and Hochberg reject three, theirs four.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        for (how, expected) in [
            (Adjustment::Bonferroni, 3),
            (Adjustment::Hochberg, 3),
            (Adjustment::BenjaminiHochberg, 4),
        ] {
            let rejected = adjust(&p, how)
                .expect("p-values")
                .into_iter()
                .filter(|p| *p <= 0.05)
                .count();
            assert_eq!(rejected, expected, "{how:?}");
        }
    }
}
