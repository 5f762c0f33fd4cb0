//! Missing telemetry that differs between variants. A loss that is the same everywhere costs units; one that is not
//! selects who is looked at, and no effect can be told from it.

use crate::fixed::table::{self, ChiSquare};
use crate::{Result, StatsError, check};

/// A variant's assignments: as the proxies counted them, and as they arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Received {
    /// Counted by the proxies, without loss.
    pub counted: f64,
    /// Arrived as exposures.
    pub arrived: f64,
}

/// The share that is missing over all variants.
///
/// # Errors
/// What is not finite or negative, no variant, nothing counted. More that arrived than was counted is none missing.
pub fn share(variants: &[Received]) -> Result<f64> {
    checked(variants)?;
    let counted: f64 = variants.iter().map(|it| it.counted).sum();
    let missing: f64 = variants
        .iter()
        .map(|it| (it.counted - it.arrived).max(0.0))
        .sum();
    Ok(missing / counted)
}

/// Whether the share that is missing is the same in all variants: a chi-squared test of independence. Nothing where
/// fewer than two variants counted anything, or where nothing or all is missing: there is nothing to compare.
///
/// # Errors
/// As [`share`].
pub fn even(variants: &[Received]) -> Result<Option<ChiSquare>> {
    checked(variants)?;
    let rows: Vec<[f64; 2]> = variants
        .iter()
        .filter(|it| it.counted > 0.0)
        .map(|it| {
            let arrived = it.arrived.min(it.counted);
            [arrived, it.counted - arrived]
        })
        .collect();
    let any = |column: fn(&[f64; 2]) -> f64| rows.iter().any(|row| column(row) > 0.0);
    if rows.len() < 2 || !any(|[arrived, _]| *arrived) || !any(|[_, missing]| *missing) {
        return Ok(None);
    }
    let rows: Vec<&[f64]> = rows.iter().map(<[f64; 2]>::as_slice).collect();
    table::independence(&rows).map(Some)
}

fn checked(variants: &[Received]) -> Result<()> {
    for it in variants {
        check::finite([("counted", it.counted), ("arrived", it.arrived)])?;
    }
    check::not_empty("variants", variants)?;
    for it in variants {
        check::non_negative("counted", it.counted)?;
        check::non_negative("arrived", it.arrived)?;
    }
    if variants.iter().all(|it| it.counted == 0.0) {
        return Err(StatsError::InsufficientData {
            input: "counted",
            needs: "at least 1 assignment",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variants: &[(f64, f64)]) -> Vec<Received> {
        variants
            .iter()
            .map(|(counted, arrived)| Received {
                counted: *counted,
                arrived: *arrived,
            })
            .collect()
    }

    #[test]
    fn a_loss_that_is_the_same_everywhere_is_even_and_one_that_is_not_shows() {
        let same = of(&[(10_000.0, 9_500.0), (2_000.0, 1_900.0)]);
        assert!((share(&same).unwrap() - 0.05).abs() < 1e-15);
        assert!(even(&same).unwrap().unwrap().p > 0.999);
        let other = of(&[(10_000.0, 9_900.0), (10_000.0, 9_100.0)]);
        assert!(even(&other).unwrap().unwrap().p < 1e-10);
    }

    #[test]
    fn where_nothing_is_missing_there_is_nothing_to_compare() {
        assert_eq!(even(&of(&[(10.0, 10.0), (20.0, 21.0)])).unwrap(), None);
        assert_eq!(even(&of(&[(10.0, 9.0)])).unwrap(), None);
        assert_eq!(share(&of(&[(10.0, 12.0)])).unwrap(), 0.0);
    }

    #[test]
    fn what_was_not_counted_is_refused() {
        let code = |variants: &[(f64, f64)]| share(&of(variants)).unwrap_err().code();
        assert_eq!(code(&[]), "empty_input");
        assert_eq!(code(&[(0.0, 0.0)]), "insufficient_data");
        assert_eq!(code(&[(-1.0, 0.0)]), "out_of_range");
        assert_eq!(code(&[(f64::NAN, 0.0)]), "non_finite_input");
    }
}
