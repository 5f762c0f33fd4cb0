//! Tests in which both arms are the same. Of many, a share alpha finds an effect, no more: more says that the
//! assignment, the telemetry or the test is broken; and their p-values are spread evenly over 0 to 1.

use crate::distribution::Beta;
use crate::{Result, check};

/// A history of A/A tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    /// How many.
    pub tests: f64,
    /// How many found an effect.
    pub rejected: f64,
    /// P of at least as many, if each finds one with alpha (binomial, exact).
    pub p_more: f64,
    /// The largest distance of the p-values' distribution from the uniform one (one-sample Kolmogorov-Smirnov).
    pub distance: f64,
}

/// What the p-values of A/A tests say of the installation.
///
/// # Errors
/// No p-values, ones that are not numbers from 0 to 1, an `alpha` not strictly between 0 and 1.
pub fn history(p: &[f64], alpha: f64) -> Result<History> {
    check::finite([("alpha", alpha)])?;
    check::all_finite("p", p)?;
    check::not_empty("p", p)?;
    for value in p {
        check::unit("p", *value)?;
    }
    check::open_unit("alpha", alpha)?;
    let tests = p.len() as f64;
    let rejected = p.iter().filter(|p| **p <= alpha).count() as f64;
    let p_more = if rejected == 0.0 {
        1.0
    } else {
        // P(B >= k) of a binomial is the beta distribution's P(X <= alpha).
        Beta::new(rejected, tests - rejected + 1.0)?.cdf(alpha)
    };
    let mut sorted = p.to_vec();
    sorted.sort_by(f64::total_cmp);
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(rank, p)| {
            let (below, above) = (rank as f64 / tests, (rank as f64 + 1.0) / tests);
            (p - below).max(above - p)
        })
        .fold(0.0, f64::max);
    Ok(History {
        tests,
        rejected,
        p_more,
        distance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_rejections_of_twenty_are_as_rare_as_the_binomial_says() {
        let mut p = vec![0.5; 17];
        p.extend([0.01, 0.02, 0.03]);
        // 1 - sum over 0..=2 of C(20, k) 0.05^k 0.95^(20-k).
        let found = history(&p, 0.05).unwrap();
        assert_eq!(found.rejected, 3.0);
        let below: f64 = [(1.0, 0), (20.0, 1), (190.0, 2)]
            .into_iter()
            .map(|(ways, k)| ways * 0.05_f64.powi(k) * 0.95_f64.powi(20 - k))
            .sum();
        assert!((found.p_more - (1.0 - below)).abs() < 1e-12, "{found:?}");
        assert!((found.distance - 0.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_history_without_rejections_is_no_reason_to_worry() {
        assert_eq!(history(&[0.2, 0.9], 0.05).unwrap().p_more, 1.0);
    }

    #[test]
    fn what_is_no_history_is_refused() {
        let code = |p: &[f64]| history(p, 0.05).unwrap_err().code();
        assert_eq!(code(&[]), "empty_input");
        assert_eq!(code(&[f64::NAN]), "non_finite_input");
        assert_eq!(code(&[1.5]), "out_of_range");
    }
}
