//! What a group-sequential test with given boundaries does: the probability to cross at each look under
//! any drift, its power, the expected information when it stops, and the drift that gives a power.

use super::boundary::{Boundary, Sides, check_times};
use super::path::{Path, Side};
use super::upper_quantile;
use crate::{Result, StatsError, check};

/// The bounds on Z at one look; outside of them the test stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The information time, in (0, 1].
    pub time: f64,
    /// It stops below this; minus infinity where it does not.
    pub lower: f64,
    /// It stops above this; infinity where it does not.
    pub upper: f64,
}

/// With what probability the test stops at each look, and on which side.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// Information times of the looks.
    pub times: Vec<f64>,
    /// Crossed upwards for the first time.
    pub upper: Vec<f64>,
    /// Crossed downwards for the first time.
    pub lower: Vec<f64>,
}

impl Crossing {
    /// The probability to cross anywhere.
    #[must_use]
    pub fn power(&self) -> f64 {
        self.upper.iter().sum::<f64>() + self.lower.iter().sum::<f64>()
    }

    /// The expected information time when the test stops, at the last look at the latest.
    #[must_use]
    pub fn expected_time(&self) -> f64 {
        let last = self.times.last().copied().unwrap_or_default();
        let saved: f64 = self
            .times
            .iter()
            .zip(self.upper.iter().zip(&self.lower))
            .map(|(t, (u, l))| (last - t) * (u + l))
            .sum();
        last - saved
    }
}

/// The looks of a test with the boundaries `z` at `times`.
///
/// # Errors
/// `LengthMismatch`, and what is wrong with the times.
pub fn looks(times: &[f64], z: &[f64], sides: Sides) -> Result<Vec<Look>> {
    if z.iter().any(|z| z.is_nan()) {
        return Err(StatsError::NonFiniteInput { input: "z" });
    }
    check_times(times)?;
    if times.len() != z.len() {
        return Err(StatsError::LengthMismatch { input: "t and z" });
    }
    Ok(times
        .iter()
        .zip(z)
        .map(|(time, z)| Look {
            time: *time,
            lower: if sides == Sides::Both {
                -z
            } else {
                f64::NEG_INFINITY
            },
            upper: *z,
        })
        .collect())
}

/// The looks of a test with these boundaries.
#[must_use]
pub fn looks_of(boundaries: &[Boundary], sides: Sides) -> Vec<Look> {
    boundaries
        .iter()
        .map(|boundary| Look {
            time: boundary.time,
            lower: if sides == Sides::Both {
                -boundary.z
            } else {
                f64::NEG_INFINITY
            },
            upper: boundary.z,
        })
        .collect()
}

/// The probability to cross at each look when the expectation of Z at information time 1 is `drift`.
///
/// # Errors
/// `NonFiniteInput` for the drift, and what is wrong with the times.
pub fn crossing(looks: &[Look], drift: f64) -> Result<Crossing> {
    check::finite([("drift", drift)])?;
    let times: Vec<f64> = looks.iter().map(|look| look.time).collect();
    check_times(&times)?;
    let (mut upper, mut lower) = (
        Vec::with_capacity(looks.len()),
        Vec::with_capacity(looks.len()),
    );
    let mut path = Path::start(drift);
    let next = looks
        .iter()
        .skip(1)
        .map(|look| Some(look.time))
        .chain([None]);
    for (look, next) in looks.iter().zip(next) {
        let spread = look.time.sqrt();
        let region = (look.lower * spread, look.upper * spread);
        upper.push(path.beyond(look.time, region.1, Side::Up));
        lower.push(path.beyond(look.time, region.0, Side::Down));
        if let Some(next) = next {
            path = path.advance(look.time, region, next);
        }
    }
    Ok(Crossing {
        times,
        upper,
        lower,
    })
}

/// What a group-sequential design costs and gives, beside one look at the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inflation {
    /// The expectation of Z at the end that gives the power.
    pub drift: f64,
    /// How much more information, at most, than the fixed design needs.
    pub maximum: f64,
    /// The expected information when the effect is the planned one, relative to the fixed design.
    pub expected: f64,
}

/// The drift that gives `power`, and what it costs. `alpha` is the error of one side.
///
/// # Errors
/// `OutOfRange` for a power that is not between `alpha` and 1; `NoSolution`; wrong times.
pub fn inflation(looks: &[Look], alpha: f64, power: f64) -> Result<Inflation> {
    check::finite([("alpha", alpha)])?;
    check::finite([("power", power)])?;
    check::range(
        "alpha",
        alpha > 0.0 && alpha < 0.5,
        "a number strictly between 0 and 0.5",
    )?;
    check::range(
        "power",
        power > alpha && power < 1.0,
        "a number between alpha and 1",
    )?;
    let start = upper_quantile(alpha) + upper_quantile(1.0 - power);
    // The same sides as the sequential test, so that the wrong one counts for both or for neither.
    let z = upper_quantile(alpha);
    let lower = if looks.iter().any(|look| look.lower.is_finite()) {
        -z
    } else {
        f64::NEG_INFINITY
    };
    let fixed = drift_for_power(
        &[Look {
            time: 1.0,
            lower,
            upper: z,
        }],
        power,
        start,
    )?;
    let drift = drift_for_power(looks, power, start)?;
    let maximum = (drift / fixed) * (drift / fixed);
    Ok(Inflation {
        drift,
        maximum,
        expected: maximum * crossing(looks, drift)?.expected_time(),
    })
}

/// The drift at which the test crosses with probability `power`, searched from `start` upwards.
fn drift_for_power(looks: &[Look], power: f64, start: f64) -> Result<f64> {
    // On the probit scale the power is nearly linear in the drift, so that secants converge at once.
    let miss = |drift: f64| -> Result<f64> {
        Ok(upper_quantile(power)
            - upper_quantile(
                crossing(looks, drift)?
                    .power()
                    .clamp(f64::MIN_POSITIVE, 1.0 - 1e-16),
            ))
    };
    secant(miss, start, start * 1.02 + 0.01).ok_or(StatsError::NoSolution { unknown: "drift" })?
}

/// The root of an increasing function that is nearly linear, by secants from two starting points.
pub(crate) fn secant(
    f: impl Fn(f64) -> Result<f64>,
    first: f64,
    second: f64,
) -> Option<Result<f64>> {
    let go = || -> Result<Option<f64>> {
        let (mut a, mut b) = (first, second);
        let (mut at_a, mut at_b) = (f(a)?, f(b)?);
        for _ in 0..50 {
            if at_b == 0.0 || (b - a).abs() <= 1e-12 * (1.0 + b.abs()) {
                return Ok(Some(b));
            }
            let step = at_b * (b - a) / (at_b - at_a);
            if !step.is_finite() {
                return Ok(((b - a).abs() < 1e-9).then_some(b));
            }
            (a, at_a) = (b, at_b);
            b -= step.clamp(-1.0, 1.0);
            at_b = f(b)?;
        }
        Ok(None)
    };
    go().transpose()
}
