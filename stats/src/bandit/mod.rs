//! Bandits: which arm gets how much traffic next, and what an experiment that was run that way has shown.
//!
//! Policies are pure: [`epsilon_greedy`], [`ucb`], [`lin_ucb`] and [`thompson`] take what was seen and give indices or
//! probabilities, which a caller draws from. [`floor`] keeps every arm alive, [`off_policy`] estimates effects from data
//! whose assignment depended on the data.

pub mod epsilon_greedy;
pub mod floor;
pub mod lin_ucb;
mod log_concave;
pub mod off_policy;
pub mod thompson;
pub mod ucb;

use crate::{Result, StatsError, check};

/// What was seen of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arm {
    /// How often it was pulled.
    pub pulls: f64,
    /// The sum of its rewards.
    pub reward: f64,
    /// The sum of their squares, where a policy needs it.
    pub squared_reward: f64,
}

impl Arm {
    /// The mean reward; nothing before the first pull.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.pulls > 0.0).then(|| self.reward / self.pulls)
    }
}

fn check_arms(arms: &[Arm]) -> Result<()> {
    for arm in arms {
        check::finite([
            ("pulls", arm.pulls),
            ("reward_sum", arm.reward),
            ("reward_sq_sum", arm.squared_reward),
        ])?;
    }
    if arms.is_empty() {
        return Err(StatsError::EmptyInput { input: "arms" });
    }
    for arm in arms {
        check::non_negative("pulls", arm.pulls)?;
        check::non_negative("reward_sq_sum", arm.squared_reward)?;
    }
    Ok(())
}

/// The place of the first of the largest values.
fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    let mut largest = f64::NEG_INFINITY;
    for (place, value) in values.iter().enumerate() {
        if *value > largest {
            (best, largest) = (place, *value);
        }
    }
    best
}
