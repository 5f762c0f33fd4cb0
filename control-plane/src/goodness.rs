//! Goodness of fit: how well counts agree with the shares that they should have. Pure; the test is the statistics'.

use watershed_stats::StatsError;
use watershed_stats::trust::srm;

/// Pearson's chi-squared test of counts against shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The statistic: the sum of (observed - expected)² / expected.
    pub chi_squared: f64,
    /// The upper tail of chi-squared with one degree of freedom less than there are cells; 0 where a cell
    /// that should be empty is not.
    pub p_value: f64,
}

/// Tests `(expected share, count)` for each cell. A cell with no share is no cell.
#[must_use]
pub fn fit(cells: &[(f64, u64)]) -> Fit {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let counts: Vec<f64> = cells.iter().map(|(_, count)| *count as f64).collect();
    let shares: Vec<f64> = cells.iter().map(|(share, _)| *share).collect();
    match srm::chi_squared(&counts, &shares) {
        Ok(found) => Fit {
            chi_squared: found.chi2,
            p_value: found.p,
        },
        Err(StatsError::UnexpectedArm { .. }) => Fit {
            chi_squared: f64::INFINITY,
            p_value: 0.0,
        },
        // One cell, or nobody in any: that is what is expected, whatever happens.
        Err(_) => Fit {
            chi_squared: 0.0,
            p_value: 1.0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: `chisq.test(c(60, 40), p = c(0.5, 0.5))` and `chisq.test(c(30, 20, 50), p = c(.2, .3, .5))`.
    #[test]
    fn published_values_come_out() {
        let two = fit(&[(0.5, 60), (0.5, 40)]);
        assert!((two.chi_squared - 4.0).abs() < 1e-12 && (two.p_value - 0.045_500_26).abs() < 1e-7);
        let three = fit(&[(0.2, 30), (0.3, 20), (0.5, 50)]);
        assert!((three.chi_squared - 8.333_333).abs() < 1e-5);
        assert!((three.p_value - 0.015_503_85).abs() < 1e-7);
    }

    #[test]
    fn cells_at_the_edge_are_judged_too() {
        assert!(fit(&[(1.0, 10), (0.0, 0)]).p_value >= 1.0);
        assert!(fit(&[(1.0, 10), (0.0, 1)]).p_value <= 0.0);
        assert!(fit(&[]).p_value >= 1.0);
        assert!(fit(&[(0.5, 0), (0.5, 0)]).p_value >= 1.0);
    }
}
