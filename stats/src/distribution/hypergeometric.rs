//! The hypergeometric mass, in logarithms, as three binomial masses of one rate by Loader's method.

use super::stirling;

/// ln P(x successes among `drawn` of a population of `n` that has `successes`).
pub(crate) fn log_hypergeometric(x: f64, drawn: f64, successes: f64, n: f64) -> f64 {
    let rate = drawn / n;
    log_binomial(x, successes, rate) + log_binomial(drawn - x, n - successes, rate)
        - log_binomial(drawn, n, rate)
}

/// ln of the binomial mass.
fn log_binomial(x: f64, n: f64, p: f64) -> f64 {
    let q = 1.0 - p;
    if x == 0.0 {
        return if n == 0.0 { 0.0 } else { n * (-p).ln_1p() };
    }
    if x == n {
        return n * p.ln();
    }
    let difference = x - n * p;
    0.5 * (n / x / (n - x)).ln() - super::normal::LN_SQRT_2PI + stirling::error(n)
        - stirling::error(x)
        - stirling::error(n - x)
        - stirling::deviance(x, n * p, difference)
        - stirling::deviance(n - x, n * q, -difference)
}
