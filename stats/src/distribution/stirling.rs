//! The pieces that make densities free of cancellation (Loader 2000, "Fast and accurate computation of binomial
//! probabilities"): the error of Stirling's formula and the deviance. Both within a few 1e-15.

/// ln Gamma(x + 1) - (x + 1/2) ln x + x - ln(sqrt(2 pi)), for x > 0.
pub(crate) fn error(x: f64) -> f64 {
    if x < 10.0 {
        return libm::lgamma(x + 1.0) - (x + 0.5) * x.ln() + x - super::normal::LN_SQRT_2PI;
    }
    let y = 1.0 / (x * x);
    (1.0 / 12.0
        - y * (1.0 / 360.0
            - y * (1.0 / 1260.0
                - y * (1.0 / 1680.0
                    - y * (1.0 / 1188.0 - y * (691.0 / 360_360.0 - y * (1.0 / 156.0)))))))
        / x
}

/// x ln(x / m) + m - x, given the difference `x - m` as exactly as the caller has it.
pub(crate) fn deviance(x: f64, m: f64, difference: f64) -> f64 {
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() - difference;
    }
    let v = difference / (x + m);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for j in 1..100 {
        power *= v * v;
        let next = sum + power / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// ln(Gamma(a + n) / Gamma(a)) for a > 0 and n >= 0, without the cancellation of two large logarithms.
pub(crate) fn log_gamma_ratio(a: f64, n: f64) -> f64 {
    let sum = a + n;
    // Gamma(x) = Gamma(x + 1) / x, and Stirling's formula for both: (x - 1/2) ln x - x + error(x).
    (sum - 0.5) * (n / a).ln_1p() + n * a.ln() - n + error(sum) - error(a)
}
