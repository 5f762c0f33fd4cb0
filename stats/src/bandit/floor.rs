//! A floor under each arm's share of the traffic, so that every arm goes on being measured.

use crate::{Result, check};

/// The floor that GrowthBook keeps unless told otherwise.
pub const FLOOR: f64 = 0.01;

/// Shares `floor + (1 - K floor) p`. Where the floor leaves nothing to give, all arms get the same.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` (negative).
pub fn floored(probabilities: &[f64], floor: f64) -> Result<Vec<f64>> {
    check::all_finite("p", probabilities)?;
    check::finite([("floor", floor)])?;
    check::not_empty("p", probabilities)?;
    check::non_negative("floor", floor)?;
    for p in probabilities {
        check::unit("p", *p)?;
    }
    let count = probabilities.len() as f64;
    let left = 1.0 - count * floor;
    if left <= 0.0 {
        return Ok(vec![1.0 / count; probabilities.len()]);
    }
    Ok(probabilities.iter().map(|p| floor + left * p).collect())
}
