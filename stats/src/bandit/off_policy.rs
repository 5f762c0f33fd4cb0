//! Effects from data whose assignment followed what was seen before: each reward is weighted by the inverse of the
//! probability that its arm had (Horvitz and Thompson 1952), with a model of the rewards taken off where there is one
//! (doubly robust: Robins, Rotnitzky and Zhao 1994), and, for adaptive data, with weights that keep the variance steady
//! (Hadad, Hirshberg, Zhan, Wager and Athey 2021). The probabilities must be those that were used.

use crate::distribution::normal;
use crate::{Result, StatsError, check};

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Which arm was chosen.
    pub arm: usize,
    /// The probability that each arm had at that time.
    pub probabilities: Vec<f64>,
    /// What it gave.
    pub reward: f64,
    /// What a model that has not seen this reward expects of each arm; zeros make the estimate inverse-propensity.
    pub expected: Vec<f64>,
}

/// How decisions are weighted against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// All alike: unbiased. Its interval holds where the probabilities did not change with the data.
    Uniform,
    /// By the root of the rarer arm's probability: the interval holds where they did.
    Adaptive,
}

/// An effect between two arms, with a normal interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OffPolicyEffect {
    /// Treatment minus control.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The interval.
    pub interval: (f64, f64),
    /// The two-sided p-value.
    pub p: f64,
    /// How many decisions of equal weight would be as precise: low where few rare choices carry the estimate.
    pub effective_n: f64,
}

/// The effect of `treatment` against `control`.
///
/// # Errors
/// `NonFiniteInput`; `LengthMismatch` where a decision does not know both arms or its own; `OutOfRange` for a probability
/// that is not in (0, 1] for a compared arm, or `alpha` outside (0, 1); `InsufficientData` with fewer than two
/// decisions; `ZeroVariance`.
pub fn effect(
    decisions: &[Decision],
    (control, treatment): (usize, usize),
    weighting: Weighting,
    alpha: f64,
) -> Result<OffPolicyEffect> {
    check::finite([("alpha", alpha)])?;
    for decision in decisions {
        check::finite([("reward", decision.reward)])?;
        check::all_finite("probabilities", &decision.probabilities)?;
        check::all_finite("expected", &decision.expected)?;
    }
    check::open_unit("alpha", alpha)?;
    let mut scores = Vec::with_capacity(decisions.len());
    for decision in decisions {
        scores.push(score(decision, control, treatment, weighting)?);
    }
    if scores.len() < 2 {
        return Err(StatsError::InsufficientData {
            input: "decisions",
            needs: "at least 2",
        });
    }
    let total: f64 = scores.iter().map(|(weight, _)| weight).sum();
    let effect = scores
        .iter()
        .map(|(weight, score)| weight * score)
        .sum::<f64>()
        / total;
    let squares: f64 = scores
        .iter()
        .map(|(weight, score)| (weight * (score - effect)).powi(2))
        .sum();
    let n = scores.len() as f64;
    let standard_error = (squares * n / (n - 1.0)).sqrt() / total;
    if standard_error == 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the scores",
        });
    }
    let half = normal::isf(0.5 * alpha)? * standard_error;
    let importance: Vec<f64> = decisions
        .iter()
        .filter_map(|decision| inverse(decision, control, treatment))
        .collect();
    let (sum, square) = importance
        .iter()
        .fold((0.0, 0.0), |(sum, square), w| (sum + w, square + w * w));
    Ok(OffPolicyEffect {
        effect,
        standard_error,
        interval: (effect - half, effect + half),
        p: normal::two_sided(effect / standard_error),
        effective_n: if square > 0.0 {
            sum * sum / square
        } else {
            0.0
        },
    })
}

/// One over the probability of the arm that was chosen, where it is one of the two.
fn inverse(decision: &Decision, control: usize, treatment: usize) -> Option<f64> {
    let chosen = decision.arm == control || decision.arm == treatment;
    decision
        .probabilities
        .get(decision.arm)
        .filter(|_| chosen)
        .map(|p| 1.0 / p)
}

/// A decision's weight, and its own estimate of the effect.
fn score(
    decision: &Decision,
    control: usize,
    treatment: usize,
    weighting: Weighting,
) -> Result<(f64, f64)> {
    let value = |arm: usize| -> Result<(f64, f64)> {
        let (Some(p), Some(expected)) =
            (decision.probabilities.get(arm), decision.expected.get(arm))
        else {
            return Err(StatsError::LengthMismatch {
                input: "probabilities, expected and arms",
            });
        };
        check::range(
            "probabilities",
            *p > 0.0 && *p <= 1.0,
            "greater than 0 and at most 1",
        )?;
        let surprise = if decision.arm == arm {
            (decision.reward - expected) / p
        } else {
            0.0
        };
        Ok((*p, expected + surprise))
    };
    if decision.probabilities.get(decision.arm).is_none() {
        return Err(StatsError::LengthMismatch {
            input: "probabilities and arms",
        });
    }
    let ((p_control, of_control), (p_treatment, of_treatment)) =
        (value(control)?, value(treatment)?);
    let weight = match weighting {
        Weighting::Uniform => 1.0,
        Weighting::Adaptive => (1.0 / (1.0 / p_control + 1.0 / p_treatment)).sqrt(),
    };
    Ok((weight, of_treatment - of_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(arm: usize, reward: f64, expected: [f64; 2]) -> Decision {
        Decision {
            arm,
            probabilities: vec![0.8, 0.2],
            reward,
            expected: expected.to_vec(),
        }
    }

    #[test]
    fn rare_choices_count_for_those_that_were_not_made() {
        // Four of five went to arm 0, which always gave 1; arm 1 gave 3: the means are 1 and 3.
        let mut decisions = vec![decision(0, 1.0, [0.0; 2]); 4];
        decisions.push(decision(1, 3.0, [0.0; 2]));
        let found = effect(&decisions, (0, 1), Weighting::Uniform, 0.05).unwrap();
        assert!((found.effect - 2.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_model_that_is_right_takes_the_noise_of_the_choice_away() {
        let decisions = |expected| -> Vec<Decision> {
            (0..50)
                .map(|i| {
                    decision(
                        usize::from(i % 5 == 0),
                        if i % 5 == 0 {
                            3.1
                        } else {
                            0.9 + 0.1 * f64::from(i % 2)
                        },
                        expected,
                    )
                })
                .collect()
        };
        let plain = effect(&decisions([0.0; 2]), (0, 1), Weighting::Uniform, 0.05).unwrap();
        let robust = effect(&decisions([1.0, 3.0]), (0, 1), Weighting::Adaptive, 0.05).unwrap();
        assert!(
            robust.standard_error < 0.2 * plain.standard_error,
            "{robust:?} {plain:?}"
        );
        assert!(
            robust.interval.0 < 2.1 && robust.interval.1 > 2.1,
            "{robust:?}"
        );
    }

    #[test]
    fn an_arm_that_could_not_be_chosen_has_no_estimate() {
        let mut decisions = vec![decision(0, 1.0, [0.0; 2]); 2];
        decisions[1].probabilities = vec![1.0, 0.0];
        let error = effect(&decisions, (0, 1), Weighting::Uniform, 0.05).unwrap_err();
        assert_eq!(error.code(), "out_of_range");
    }
}
