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
        // In ascending order, each at least as large as the one before it.
        Adjustment::Holm => stepped(p, false, |p, rank| p * (m - rank + 1.0)),
        // In descending order, each at most as large as the one after it.
        Adjustment::Hochberg => stepped(p, true, |p, rank| p * (m - rank + 1.0)),
        Adjustment::BenjaminiHochberg => stepped(p, true, |p, rank| p * (m / rank)),
        Adjustment::BenjaminiYekutieli => {
            let harmonic: f64 = (1..=p.len()).rev().map(|k| 1.0 / k as f64).sum();
            stepped(p, true, |p, rank| p * (m / rank) * harmonic)
        }
    })
}

fn stepped(p: &[f64], down: bool, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut ranked: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut values: Vec<(usize, f64)> = ranked
        .into_iter()
        .enumerate()
        .map(|(rank, (index, p))| (index, of(p, rank as f64 + 1.0).min(1.0)))
        .collect();
    if down {
        let mut least = 1.0_f64;
        for (_, value) in values.iter_mut().rev() {
            least = least.min(*value);
            *value = least;
        }
    } else {
        let mut most = 0.0_f64;
        for (_, value) in &mut values {
            most = most.max(*value);
            *value = most;
        }
    }
    values.sort_by_key(|(index, _)| *index);
    values.into_iter().map(|(_, value)| value).collect()
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
