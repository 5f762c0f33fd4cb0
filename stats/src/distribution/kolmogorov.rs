//! The limit of the Kolmogorov-Smirnov statistic: P(sup |Brownian bridge| > x), by whichever of its two theta series
//! converges at once. Relative error at most 1e-13 times the exponent.

use std::f64::consts::PI;

/// Where the series change over.
const MIDDLE: f64 = 1.0;

/// P(K > x).
#[must_use]
pub fn sf(x: f64) -> f64 {
    if x <= 0.0 {
        1.0
    } else if x < MIDDLE {
        1.0 - cdf_series(x)
    } else {
        2.0 * (-2.0 * x * x).exp() * alternating(x)
    }
}

/// ln P(K > x), finite for every finite x.
#[must_use]
pub fn log_sf(x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x < MIDDLE {
        (-cdf_series(x)).ln_1p()
    } else {
        std::f64::consts::LN_2 - 2.0 * x * x + alternating(x).ln()
    }
}

/// `√(2π)/x Σ exp(-(2k - 1)² π² / (8 x²))`.
fn cdf_series(x: f64) -> f64 {
    let unit = -PI * PI / (8.0 * x * x);
    let sum: f64 = [1.0, 9.0, 25.0, 49.0, 81.0]
        .map(|square| (square * unit).exp())
        .iter()
        .sum();
    (2.0 * PI).sqrt() / x * sum
}

/// `Σ (-1)^(k-1) exp(-2 (k² - 1) x²)`.
fn alternating(x: f64) -> f64 {
    let unit = -2.0 * x * x;
    1.0 - (3.0 * unit).exp() + (8.0 * unit).exp() - (15.0 * unit).exp() + (24.0 * unit).exp()
}
