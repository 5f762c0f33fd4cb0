//! What a share that was counted says about the probability behind it: the exact interval of Clopper and
//! Pearson, by bisection on the binomial's tails. Not the crate's own, which it is to check.

/// The probability of at most `k` of `n` at `p`.
fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    // Summed downwards from k in logarithms, so that nothing underflows.
    let (n, mut i) = (n as f64, k as f64);
    let mut log_term = log_choose(n, i) + i * p.ln() + (n - i) * (-p).ln_1p();
    let mut sum = 0.0;
    loop {
        let term = log_term.exp();
        sum += term;
        if i <= 0.0 || term < 1e-18 * sum && i < n * p {
            return sum.min(1.0);
        }
        log_term += (i / (n - i + 1.0)).ln() - (p / (1.0 - p)).ln();
        i -= 1.0;
    }
}

fn log_choose(n: f64, k: f64) -> f64 {
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// Stirling's series from 16 on, the product below.
fn log_factorial(n: f64) -> f64 {
    if n < 16.0 {
        let mut product = 1.0;
        let mut i = 2.0;
        while i <= n {
            product *= i;
            i += 1.0;
        }
        return f64::ln(product);
    }
    let z = n + 1.0;
    (z - 0.5) * z.ln() - z + 0.918_938_533_204_672_8 + 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3))
        + 1.0 / (1260.0 * z.powi(5))
}

/// The probability below which the true one is with this confidence, after `k` of `n`.
#[must_use]
pub fn upper(k: u64, n: u64, confidence: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    bisect(|p| at_most(k, n, p) > 1.0 - confidence)
}

/// The probability above which the true one is with this confidence.
#[must_use]
pub fn lower(k: u64, n: u64, confidence: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    bisect(|p| 1.0 - at_most(k - 1, n, p) < 1.0 - confidence)
}

/// Both, each with half of what is left.
#[must_use]
pub fn both(k: u64, n: u64, confidence: f64) -> (f64, f64) {
    let side = 0.5 * (1.0 + confidence);
    (lower(k, n, side), upper(k, n, side))
}

fn bisect(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Clopper and Pearson: 5 of 50 at 95%.
        let (low, high) = both(5, 50, 0.95);
        assert!(
            (low - 0.0333).abs() < 1e-4 && (high - 0.2181).abs() < 1e-4,
            "{low} {high}"
        );
        let (low, high) = both(0, 10, 0.95);
        assert!(low == 0.0 && (high - 0.3085).abs() < 1e-4, "{low} {high}");
    }
}
