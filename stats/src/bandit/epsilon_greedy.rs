//! Epsilon-greedy: the best arm so far, except for a share that goes to all alike.

use super::{Arm, check_arms};
use crate::{Result, check};

/// The probability of each arm: `ε/K`, and `1 - ε` shared by the arms with the largest mean. While an arm has not been
/// pulled, such arms share everything.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` where ε is not in [0, 1] or pulls are negative.
pub fn probabilities(arms: &[Arm], epsilon: f64) -> Result<Vec<f64>> {
    check::finite([("epsilon", epsilon)])?;
    check_arms(arms)?;
    check::unit("epsilon", epsilon)?;
    let untried: Vec<bool> = arms.iter().map(|arm| arm.mean().is_none()).collect();
    if untried.contains(&true) {
        return Ok(shared(&untried, 0.0));
    }
    let means: Vec<f64> = arms.iter().filter_map(Arm::mean).collect();
    let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(shared(
        &means.iter().map(|mean| *mean == best).collect::<Vec<_>>(),
        epsilon,
    ))
}

/// What `spread` leaves, evenly over the chosen; `spread` evenly over all.
fn shared(chosen: &[bool], spread: f64) -> Vec<f64> {
    let count = chosen.iter().filter(|chosen| **chosen).count() as f64;
    let each = spread / chosen.len() as f64;
    chosen
        .iter()
        .map(|chosen| {
            if *chosen {
                each + (1.0 - spread) / count
            } else {
                each
            }
        })
        .collect()
}
