//! The constants of control charts for groups of n normal values: c4 (mean of the standard deviation), d2
//! and d3 (mean and standard deviation of the range), in units of σ.

use crate::distribution::normal;
use crate::quadrature;
use crate::{Result, StatsError};

/// d2 of groups of 2: `2/√π`.
pub(super) const D2_OF_PAIRS: f64 = std::f64::consts::FRAC_2_SQRT_PI;

/// The constants for one group size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChartConstants {
    /// E(s) / σ.
    pub c4: f64,
    /// E(range) / σ.
    pub d2: f64,
    /// sd(range) / σ.
    pub d3: f64,
}

/// The constants for groups of `n`.
///
/// # Errors
/// `OutOfRange` where `n` is below 2.
pub fn chart_constants(n: u32) -> Result<ChartConstants> {
    if n < 2 {
        return Err(StatsError::OutOfRange {
            input: "n",
            expected: "at least 2",
        });
    }
    let d2 = mean_range(n);
    Ok(ChartConstants {
        c4: c4(n),
        d2,
        d3: (2.0 * half_square_range(n) - d2 * d2).max(0.0).sqrt(),
    })
}

/// `√(2/(n-1)) Γ(n/2) / Γ((n-1)/2)`: by recursion in steps of 2, and by Stirling's difference where that
/// has converged.
pub(super) fn c4(n: u32) -> f64 {
    let z = 0.5 * (f64::from(n) - 1.0);
    if z >= 25.0 {
        let square = z * z;
        let series = -1.0 / 8.0
            + (1.0 / 192.0 + (-1.0 / 640.0 + 17.0 / 14_336.0 / square) / square) / square;
        return (series / z).exp();
    }
    let root_pi = std::f64::consts::PI.sqrt();
    let (mut ratio, mut size) = if n.is_multiple_of(2) {
        (1.0 / root_pi, 2)
    } else {
        (0.5 * root_pi, 3)
    };
    while size < n {
        ratio *= f64::from(size) / (f64::from(size) - 1.0);
        size += 2;
    }
    ratio / z.sqrt()
}

/// How many panels an integral over the normal's range has.
const PANELS: u32 = 24;
/// Where the normal's tail no longer counts.
const FAR: f64 = 9.0;

/// `∫ 1 - Φ(x)^n - (1 - Φ(x))^n dx`.
pub(super) fn mean_range(n: u32) -> f64 {
    let exponent = f64::from(n);
    integrate(-FAR, FAR, |x| {
        -log_complement_power(x, exponent).exp_m1() - normal::sf(x).powf(exponent)
    })
}

/// `∫∫ over x < y of 1 - Φ(y)^n - (1 - Φ(x))^n + (Φ(y) - Φ(x))^n`: half of the mean square of the range.
fn half_square_range(n: u32) -> f64 {
    let exponent = f64::from(n);
    integrate(-FAR, FAR, |y| {
        let low = -log_complement_power(y, exponent).exp_m1();
        integrate(-FAR, y, |x| {
            let between = (normal::sf(x) - normal::sf(y)).max(0.0);
            low - normal::sf(x).powf(exponent) + between.powf(exponent)
        })
    })
}

/// ln Φ(x)^n.
fn log_complement_power(x: f64, n: f64) -> f64 {
    n * (-normal::sf(x)).ln_1p()
}

fn integrate(low: f64, high: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let width = (high - low) / f64::from(PANELS);
    (0..PANELS)
        .map(|index| {
            quadrature::panel(
                low + width * f64::from(index),
                low + width * f64::from(index + 1),
                &mut f,
            )
        })
        .sum()
}
