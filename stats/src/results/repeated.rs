//! Repeated p-values of a group-sequential test (Jennison and Turnbull 2000, section 9.4): the smallest level at which this
//! look would have stopped. Each level costs an integration over all looks, and an experiment has hundreds of
//! comparisons at the same looks, so the last boundary is computed at fixed levels, evenly spaced as probits, where one is
//! needed. Between them the ratio of probit and boundary, which is smooth down to 0, is interpolated, and the probit is
//! solved for. It is within 1e-8 below p = 0.3, and within 1e-4 up to p = 1.

use crate::distribution::normal;
use crate::sequential::boundary::{Sides, boundaries};
use crate::sequential::crossing::secant;
use crate::sequential::spending::Spending;
use crate::sequential::upper_quantile;
use crate::{Result, StatsError};
use std::cell::RefCell;

/// At a level above this it is 1 for every purpose.
const LARGEST: f64 = 0.999;
/// Probits from one level to the next.
const STEP: f64 = 0.125;
/// Levels on both sides that an interpolation goes by.
const REACH: usize = 6;
/// The last level, of 1e-299: beyond, levels come to the end of the doubles.
const LAST: usize = 296;

/// Beyond this many standard deviations there are no boundaries: what they would spend is no double.
const FARTHEST: f64 = 38.0;

/// The levels of one look.
pub(super) struct Repeated<'a> {
    looks: &'a [f64],
    spending: Spending,
    /// The last boundary at each level that was needed so far.
    known: RefCell<Vec<Option<f64>>>,
}

impl<'a> Repeated<'a> {
    /// Of the last of `looks`.
    pub fn new(looks: &'a [f64], spending: Spending) -> Self {
        Self {
            looks,
            spending,
            known: RefCell::new(vec![None; LAST + 1]),
        }
    }

    /// The logarithm of the p-value at a `z` of 0 or more.
    ///
    /// # Errors
    /// Looks or a spending function that are none.
    pub fn log_p(&self, z: f64) -> Result<f64> {
        if self.boundary(0)? >= z {
            return Ok(0.0);
        }
        let above = self.first_above(z)?;
        if above > LAST || self.boundary(above)? > FARTHEST {
            // The smallest level that is known to have stopped there.
            return Ok(normal::log_two_sided(probit(above - 1)));
        }
        let low = above.saturating_sub(REACH);
        let high = (low + 2 * REACH - 1).min(LAST);
        let mut ratios = Vec::with_capacity(2 * REACH);
        for level in low..=high {
            let boundary = self.boundary(level)?;
            if boundary <= FARTHEST {
                ratios.push((probit(level), probit(level) / boundary));
            }
        }
        let miss = |probit: f64| Ok(probit / interpolated(&ratios, probit) - z);
        let found = secant(miss, probit(above - 1), probit(above));
        let probit = found.ok_or(StatsError::NoSolution {
            unknown: "repeated p-value",
        })??;
        Ok(normal::log_two_sided(probit).min(0.0))
    }

    /// The first level whose boundary is above `z`, one more than [`LAST`] where there is none. Boundaries are never below
    /// their probit, nor far above it.
    fn first_above(&self, z: f64) -> Result<usize> {
        let mut level = (1..=LAST).rfind(|level| probit(*level) <= z).unwrap_or(1);
        while level > 1 && self.boundary(level - 1)? > z {
            level -= 1;
        }
        while level <= LAST && self.boundary(level)? <= z {
            level += 1;
        }
        Ok(level)
    }

    fn boundary(&self, level: usize) -> Result<f64> {
        let known = self.known.borrow().get(level).copied().flatten();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = last_boundary(self.looks, self.spending, 2.0 * normal::sf(probit(level)))?;
        if let Some(known) = self.known.borrow_mut().get_mut(level) {
            *known = Some(found);
        }
        Ok(found)
    }
}

/// The boundary at the last look of a test at this level; a look that may spend nothing has one that no effect crosses.
///
/// # Errors
/// Looks, a spending function or a level that are none.
pub(super) fn last_boundary(looks: &[f64], spending: Spending, alpha: f64) -> Result<f64> {
    let found = boundaries(looks, spending, 0.5 * alpha, Sides::Both)?;
    let z = found
        .last()
        .map(|boundary| boundary.z)
        .ok_or(StatsError::EmptyInput { input: "looks" })?;
    // What is past all doubles' tails is no number an answer may hold; nothing crosses this either.
    Ok(z.min(1e6))
}

#[expect(clippy::cast_precision_loss, reason = "at most LAST")]
fn probit(level: usize) -> f64 {
    upper_quantile(0.5 * LARGEST) + STEP * level as f64
}

/// The value at `x` of the polynomial through the points (Neville).
fn interpolated(points: &[(f64, f64)], x: f64) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    for order in 1..points.len() {
        let pairs = points.iter().zip(points.iter().skip(order));
        let next: Vec<f64> = pairs
            .zip(values.windows(2))
            .filter_map(|(((low, _), (high, _)), pair)| {
                let [left, right] = pair else { return None };
                Some(((x - low) * right - (x - high) * left) / (high - low))
            })
            .collect();
        values = next;
    }
    values.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_is_the_level_whose_last_boundary_the_look_just_crosses() {
        let evenly = |count: u32| -> Vec<f64> {
            (1..=count)
                .map(|look| f64::from(look) / f64::from(count))
                .collect()
        };
        for spending in [
            Spending::ObrienFleming,
            Spending::Pocock,
            Spending::KimDeMets { rho: 2.0 },
            Spending::HwangShihDeCani { gamma: -4.0 },
        ] {
            for looks in [vec![1.0], vec![0.4, 1.0], vec![0.1, 0.2], evenly(5)] {
                let repeated = Repeated::new(&looks, spending);
                for probit in [
                    0.05_f64, 0.3, 0.71, 1.1, 1.96, 2.58, 3.3, 5.07, 8.2, 14.9, 26.3,
                ] {
                    let alpha = 2.0 * normal::sf(probit);
                    let z = last_boundary(&looks, spending, alpha).unwrap();
                    if z > FARTHEST {
                        continue;
                    }
                    let error = (repeated.log_p(z).unwrap() - alpha.ln()).abs();
                    let most = if probit < 1.0 {
                        1e-4
                    } else {
                        1e-8 * (1.0 + probit)
                    };
                    assert!(
                        error <= most,
                        "{spending:?} at {looks:?}, probit {probit}: {error:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_look_that_may_spend_nothing_at_a_level_stops_at_none_below() {
        // At a fifth of the plan O'Brien and Fleming spend a double of levels down to about 1e-63.
        let looks = [0.1, 0.2];
        let repeated = Repeated::new(&looks, Spending::ObrienFleming);
        let (far, farther) = (repeated.log_p(39.0).unwrap(), repeated.log_p(1e3).unwrap());
        assert!(
            far == farther && (-160.0..-130.0).contains(&far),
            "{far} {farther}"
        );
    }

    #[test]
    fn a_larger_z_has_no_larger_p() {
        let looks = [0.25, 0.5, 0.75, 1.0];
        let repeated = Repeated::new(&looks, Spending::ObrienFleming);
        let mut before = 0.0;
        for step in 0..400 {
            let log_p = repeated.log_p(0.1 * f64::from(step)).unwrap();
            assert!(log_p <= before, "{step}: {log_p} {before}");
            before = log_p;
        }
        assert!(before < -650.0);
    }
}
