//! Upper confidence bounds (Auer, Cesa-Bianchi and Fischer 2002): each arm's mean plus what it may still be worth.

use super::{Arm, check_arms, first_largest};
use crate::{Result, check};

/// The indices of the arms, and the arm that is next.
#[derive(Clone, Debug, PartialEq)]
pub struct Ucb {
    /// The upper bound of each arm; infinite for one that was never pulled.
    pub index: Vec<f64>,
    /// The first arm with the largest bound.
    pub choice: usize,
}

impl Ucb {
    fn of(index: Vec<f64>) -> Self {
        let choice = first_largest(&index);
        Self { index, choice }
    }
}

/// UCB1: `mean + √(c ln t / n)`, where t counts all pulls. The paper's c is 2.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` (negative pulls or c).
pub fn ucb1(arms: &[Arm], c: f64) -> Result<Ucb> {
    check::finite([("c", c)])?;
    check_arms(arms)?;
    check::non_negative("c", c)?;
    let log = log_total(arms);
    let index = arms.iter().map(|arm| {
        arm.mean()
            .map_or(f64::INFINITY, |mean| mean + (c * log / arm.pulls).sqrt())
    });
    Ok(Ucb::of(index.collect()))
}

/// UCB1-tuned: `mean + √(ln t / n · min(1/4, v))` with `v = variance + √(2 ln t / n)`, for rewards in [0, 1].
///
/// # Errors
/// As [`ucb1`].
pub fn ucb1_tuned(arms: &[Arm]) -> Result<Ucb> {
    check_arms(arms)?;
    let log = log_total(arms);
    let index = arms.iter().map(|arm| {
        arm.mean().map_or(f64::INFINITY, |mean| {
            let variance = (arm.squared_reward / arm.pulls - mean * mean).max(0.0);
            let rate = log / arm.pulls;
            mean + (rate * (variance + (2.0 * rate).sqrt()).min(0.25)).sqrt()
        })
    });
    Ok(Ucb::of(index.collect()))
}

fn log_total(arms: &[Arm]) -> f64 {
    arms.iter().map(|arm| arm.pulls).sum::<f64>().max(1.0).ln()
}
