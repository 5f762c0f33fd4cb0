//! Fisher's exact test of two proportions: every table with these margins that is no likelier than the one seen.

use super::proportions::{Count, check_pair};
use crate::distribution::log_hypergeometric;
use crate::{Result, check};

/// Tables within this factor count as equally likely (R's fisher.test).
const TIE: f64 = 1.0 + 1e-7;

/// The two-sided p-value.
///
/// # Errors
/// Counts that are not finite, whole, in range or there.
pub fn two_sided(a: Count, b: Count) -> Result<f64> {
    check_pair(a, b)?;
    for (input, count) in [("x_a", a.x), ("n_a", a.n), ("x_b", b.x), ("n_b", b.n)] {
        check::range(
            input,
            count.fract() == 0.0 && count <= 9e15,
            "a whole number",
        )?;
    }
    let successes = a.x + b.x;
    let (low, high) = ((successes - b.n).max(0.0), successes.min(a.n));
    let log_p = |x: f64| log_hypergeometric(x, a.n, successes, a.n + b.n);
    let limit = log_p(a.x) + TIE.ln();
    let mode = (((a.n + 1.0) * (successes + 1.0)) / (a.n + b.n + 2.0))
        .floor()
        .clamp(low, high);
    if a.x == mode {
        return Ok(1.0);
    }
    // The mass rises to the mode and falls after it: each tail is where it is within the limit, and is summed from its
    // inner end by the ratio of neighbours until nothing is added.
    let up = |x: f64| (a.n - x) / (x + 1.0) * ((successes - x) / (b.n - successes + x + 1.0));
    let mut total = 0.0;
    if let Some(start) = boundary(&log_p, limit, low, mode) {
        let (mut x, mut term) = (start, log_p(start).exp());
        while x >= low && term > 0.0 {
            let before = total;
            total += term;
            if total == before {
                break;
            }
            x -= 1.0;
            term /= up(x);
        }
    }
    if let Some(start) = boundary(&log_p, limit, high, mode) {
        let (mut x, mut term) = (start, log_p(start).exp());
        let mut tail = 0.0;
        while x <= high && term > 0.0 {
            let before = tail;
            tail += term;
            if tail == before {
                break;
            }
            term *= up(x);
            x += 1.0;
        }
        total += tail;
    }
    Ok(total.min(1.0))
}

/// The table nearest the mode, going out to `end`, that is within the limit; by bisection.
fn boundary(log_p: &impl Fn(f64) -> f64, limit: f64, end: f64, mode: f64) -> Option<f64> {
    if log_p(end) > limit {
        return None;
    }
    let (mut outside, mut inside) = (mode, end);
    if log_p(mode) <= limit {
        return Some(mode);
    }
    while (outside - inside).abs() > 1.0 {
        let middle = (0.5 * (outside + inside)).floor();
        if log_p(middle) <= limit {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    Some(inside)
}
