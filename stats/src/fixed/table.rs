//! Pearson's chi-squared test of a contingency table, with Yates' correction for two by two.

use super::proportions::{Count, check_pair, cross_difference};
use crate::distribution::ChiSquared;
use crate::{Result, StatsError, check};

/// A table's test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The statistic.
    pub chi2: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// P of at least this much.
    pub p: f64,
    /// ln of `p`.
    pub log_p: f64,
    /// The smallest expected count; below 5 an exact test is better.
    pub min_expected: f64,
}

fn answer(chi2: f64, df: f64, min_expected: f64) -> Result<ChiSquare> {
    let distribution = ChiSquared::new(df)?;
    Ok(ChiSquare {
        chi2,
        df,
        p: distribution.sf(chi2),
        log_p: distribution.log_sf(chi2),
        min_expected,
    })
}

/// Two arms, successes and failures; `yates` takes up to one half off every deviation.
///
/// # Errors
/// Counts that are not finite, in range or there; all successes or all failures.
pub fn two_by_two(a: Count, b: Count, yates: bool) -> Result<ChiSquare> {
    check_pair(a, b)?;
    let n = a.n + b.n;
    let (successes, failures) = (a.x + b.x, (a.n - a.x) + (b.n - b.x));
    if successes <= 0.0 || failures <= 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the outcome",
        });
    }
    // Every cell deviates by the same amount, |x_a n_b - x_b n_a| / n.
    let deviation = cross_difference(a, b).abs() / n;
    let deviation = if yates {
        deviation - deviation.min(0.5)
    } else {
        deviation
    };
    let rates = [
        successes / n * a.n,
        successes / n * b.n,
        failures / n * a.n,
        failures / n * b.n,
    ];
    let chi2 = rates
        .iter()
        .map(|expected| deviation * deviation / expected)
        .sum();
    answer(chi2, 1.0, rates.into_iter().fold(f64::INFINITY, f64::min))
}

/// Any table, by rows.
///
/// # Errors
/// Empty or ragged tables, fewer than two rows or columns, counts that are not finite or negative, empty margins.
pub fn independence(table: &[&[f64]]) -> Result<ChiSquare> {
    check::not_empty("table", table)?;
    for row in table {
        check::all_finite("table", row)?;
    }
    let columns = table.first().map_or(0, |row| row.len());
    if table.iter().any(|row| row.len() != columns) {
        return Err(StatsError::LengthMismatch {
            input: "rows of the table",
        });
    }
    check::not_empty("table", table.first().copied().unwrap_or_default())?;
    check::range(
        "table",
        table
            .iter()
            .all(|row| row.iter().all(|count| *count >= 0.0)),
        "counts of 0 or more",
    )?;
    if columns < 2 || table.len() < 2 {
        return Err(StatsError::InsufficientData {
            input: "table",
            needs: "two rows and two columns",
        });
    }
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum()).collect();
    let totals: Vec<f64> = (0..columns)
        .map(|column| table.iter().filter_map(|row| row.get(column)).sum())
        .collect();
    let n: f64 = rows.iter().sum();
    if rows.iter().chain(&totals).any(|margin| *margin <= 0.0) {
        return Err(StatsError::ZeroMargin);
    }
    let (mut chi2, mut least) = (0.0, f64::INFINITY);
    for (row, sum) in table.iter().zip(&rows) {
        for (observed, total) in row.iter().zip(&totals) {
            let expected = sum / n * total;
            chi2 += (observed - expected) * (observed - expected) / expected;
            least = expected.min(least);
        }
    }
    let df = (rows.len() as f64 - 1.0) * (totals.len() as f64 - 1.0);
    answer(chi2, df, least)
}
