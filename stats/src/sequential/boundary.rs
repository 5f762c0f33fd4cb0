//! Boundaries of a group-sequential test by alpha spending, by numerical integration. Only efficacy:
//! with futility they are in `futility.rs`.

use super::path::{FARTHEST, Path, Side};
use super::spending::Spending;
use super::upper_quantile;
use crate::distribution::normal;
use crate::{Result, StatsError, check};

/// Which sides a test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Only upwards; nothing stops a path that goes down.
    Upper,
    /// Both, symmetrically: it stops when |Z| is beyond the boundary.
    Both,
}

/// The boundary at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The information time of the look, in (0, 1].
    pub time: f64,
    /// The critical value of Z; infinite where the error to spend is below the smallest double.
    pub z: f64,
    /// The error spent up to this look on each side that is looked at.
    pub spent: f64,
    /// The p-value that a fixed-horizon test must fall below here to stop; over both sides where both
    /// are looked at.
    pub nominal_p: f64,
}

/// The boundaries at the information times `times` (ascending, in (0, 1]) that spend `alpha` on each
/// side. Accurate to 2e-8 in z.
///
/// # Errors
/// `EmptyInput`, `NonFiniteInput`, `OutOfRange` (`alpha` is in (0, 0.5)), `NotIncreasing`.
pub fn boundaries(
    times: &[f64],
    spending: Spending,
    alpha: f64,
    sides: Sides,
) -> Result<Vec<Boundary>> {
    check::finite([("alpha", alpha)])?;
    check_times(times)?;
    spending.check()?;
    check::range(
        "alpha",
        alpha > 0.0 && alpha < 0.5,
        "a number strictly between 0 and 0.5",
    )?;
    let spent: Vec<f64> = times.iter().map(|t| spending.spent(alpha, *t)).collect();
    Ok(from_spent(times, &spent, sides))
}

/// The two-sided O'Brien-Fleming-like boundaries of Lan and DeMets' paper of 1983, where the spending
/// function gets the error of both sides together. What most software calls by that name is
/// [`boundaries`] with [`Spending::ObrienFleming`].
///
/// # Errors
/// As [`boundaries`], with `alpha` in (0, 1).
pub fn boundaries_of_1983(times: &[f64], alpha: f64) -> Result<Vec<Boundary>> {
    check::finite([("alpha", alpha)])?;
    check_times(times)?;
    check::open_unit("alpha", alpha)?;
    let spent: Vec<f64> = times
        .iter()
        .map(|t| 0.5 * Spending::ObrienFleming.spent(alpha, *t))
        .collect();
    Ok(from_spent(times, &spent, Sides::Both))
}

/// Information times must ascend within (0, 1].
pub(super) fn check_times(times: &[f64]) -> Result<()> {
    check::all_finite("t", times)?;
    if times.is_empty() {
        return Err(StatsError::EmptyInput { input: "t" });
    }
    for time in times {
        if *time <= 0.0 || *time > 1.0 {
            return Err(StatsError::OutOfRange {
                input: "t",
                expected: "in (0, 1]",
            });
        }
    }
    if times.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(StatsError::NotIncreasing { input: "t" })
    }
}

fn from_spent(times: &[f64], spent: &[f64], sides: Sides) -> Vec<Boundary> {
    let mut path = Path::start(0.0);
    let mut before = 0.0;
    let mut found = Vec::with_capacity(times.len());
    let next = times.iter().skip(1).copied().map(Some).chain([None]);
    for ((time, total), next) in times.iter().copied().zip(spent.iter().copied()).zip(next) {
        let z = critical(&path, time, total - before, Side::Up);
        let one_side = normal::sf(z);
        found.push(Boundary {
            time,
            z,
            spent: total,
            nominal_p: if sides == Sides::Both {
                2.0 * one_side
            } else {
                one_side
            },
        });
        if let Some(next) = next {
            // Where there is nothing to spend nothing stops, but what is far out still counts for what comes later.
            let upper = z.min(FARTHEST) * time.sqrt();
            let lower = if sides == Sides::Both {
                -upper
            } else {
                f64::NEG_INFINITY
            };
            path = path.advance(time, (lower, upper), next);
        }
        before = total;
    }
    found
}

/// The z beyond which the paths that are still inside are with probability `spend` at `time`.
pub(super) fn critical(path: &Path, time: f64, spend: f64, side: Side) -> f64 {
    let sign = side.sign();
    if spend <= 0.0 {
        return sign * f64::INFINITY;
    }
    let spread = time.sqrt();
    // Absorption only takes paths away, and no path is farther out than the region it was in plus one
    // increment: the root is inside of both quantiles. The tail's logarithm is concave, so that Newton's
    // steps from there come to the root from outside.
    let far = upper_quantile(spend.min(1.0)).min(FARTHEST);
    let free = path.drift() * spread + sign * far;
    let confined = path.farthest(time, side, far) / spread;
    let mut z = if side == Side::Up {
        free.min(confined)
    } else {
        free.max(confined)
    };
    for _ in 0..64 {
        let bound = z * spread;
        let tail = path.beyond(time, bound, side);
        let slope = spread * path.density(time, bound) / tail;
        let step = sign * (tail / spend).ln() / slope;
        if !step.is_finite() {
            break;
        }
        z += step;
        if step.abs() < 1e-13 * (1.0 + z.abs()) {
            break;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StatsError;
    use crate::sequential::crossing::{crossing, looks_of};

    fn spends_what_it_may(times: &[f64], sides: Sides) {
        for spending in [
            Spending::ObrienFleming,
            Spending::Pocock,
            Spending::KimDeMets { rho: 2.0 },
        ] {
            let found = boundaries(times, spending, 0.025, sides).unwrap();
            let crossed = crossing(&looks_of(&found, sides), 0.0).unwrap();
            let mut sum = 0.0;
            for (boundary, upper) in found.iter().zip(&crossed.upper) {
                sum += upper;
                assert!(
                    (sum - boundary.spent).abs() < 1e-11,
                    "{spending:?} at {}: {sum}",
                    boundary.time
                );
            }
        }
    }

    #[test]
    fn a_hundred_looks_spend_exactly_the_error() {
        let times: Vec<f64> = (1..=100).map(|look| f64::from(look) / 100.0).collect();
        spends_what_it_may(&times, Sides::Both);
        spends_what_it_may(&times, Sides::Upper);
    }

    #[test]
    fn an_early_first_look_and_tiny_increments_spend_exactly_the_error() {
        let mut times = vec![0.0016, 0.001_601, 0.5];
        times.extend((1..20).map(|step| 0.5 + 1e-6 * f64::from(step)));
        times.push(1.0);
        spends_what_it_may(&times, Sides::Both);
        spends_what_it_may(&times, Sides::Upper);
    }

    #[test]
    fn a_look_that_adds_almost_nothing_changes_almost_nothing() {
        let without = boundaries(&[0.5, 1.0], Spending::ObrienFleming, 0.025, Sides::Both).unwrap();
        let with = boundaries(
            &[0.5, 0.5 + 1e-9, 1.0],
            Spending::ObrienFleming,
            0.025,
            Sides::Both,
        )
        .unwrap();
        assert!(
            (without[1].z - with[2].z).abs() < 1e-7,
            "{without:?} {with:?}"
        );
    }

    #[test]
    fn a_boundary_far_out_is_the_quantile_of_what_it_spends() {
        // That early nothing has been stopped before that could cross here: to 1e-16 it is a single look's boundary.
        let times = [0.01, 0.02, 0.05, 0.5, 1.0];
        let found = boundaries(&times, Spending::ObrienFleming, 0.025, Sides::Both).unwrap();
        for (boundary, before) in found.iter().zip([0.0, found[0].spent, found[1].spent]) {
            let spends = boundary.spent - before;
            let z = upper_quantile(spends);
            assert!((boundary.z - z).abs() < 1e-12 * z, "{boundary:?} {z}");
            let p = boundary.nominal_p / (2.0 * spends);
            assert!((p - 1.0).abs() < 1e-10, "{boundary:?} {p}");
        }
    }

    #[test]
    fn a_level_far_out_is_spent_by_the_end_though_the_first_looks_may_spend_nothing() {
        // Paths that get there are then far out early, where no bound is.
        let times = [0.25, 0.5, 0.75, 1.0];
        for probit in [20.0, 26.0, 32.0, 36.0] {
            let alpha = normal::sf(probit);
            let found = boundaries(&times, Spending::ObrienFleming, alpha, Sides::Both).unwrap();
            assert!(found[0].z.is_infinite());
            let last = found[3].z;
            assert!(
                (probit..probit + 1e-6).contains(&(last + 1e-9)),
                "{probit}: {last}"
            );
        }
    }

    #[test]
    fn times_that_are_no_information_times_are_refused() {
        let refused =
            |times: &[f64]| boundaries(times, Spending::Pocock, 0.025, Sides::Both).unwrap_err();
        assert_eq!(refused(&[]), StatsError::EmptyInput { input: "t" });
        assert_eq!(
            refused(&[0.5, f64::NAN]),
            StatsError::NonFiniteInput { input: "t" }
        );
        assert_eq!(
            refused(&[0.5, 0.5]),
            StatsError::NotIncreasing { input: "t" }
        );
        assert_eq!(refused(&[0.0, 0.5]).code(), "out_of_range");
        assert_eq!(refused(&[0.5, 1.1]).code(), "out_of_range");
    }
}
