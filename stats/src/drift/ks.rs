//! The two-sample Kolmogorov-Smirnov test: the largest distance between two empirical distributions, with
//! its p-value exactly for small samples and asymptotically for large ones. The samples are not sorted
//! whole: values are counted into fine bins, which bounds the distance inside each, and only the bins that
//! may hold the largest are looked into.

mod bins;

use bins::{Bins, key, keys};

use crate::distribution::kolmogorov;
use crate::{Result, StatsError, check};

/// Up to this many pairs of values the p-value is exact unless told otherwise.
const EXACT_PAIRS: u64 = 1_000_000;
/// Samples up to this size are sorted: binning costs more.
const SORTED: usize = 1 << 12;

/// The largest distance between the empirical distributions of two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The distance times both sizes: a whole number.
    steps: u128,
    /// The sizes.
    n: u64,
    m: u64,
}

/// The answer of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The distance D, from 0 to 1.
    pub distance: f64,
    /// The logarithm of the p-value.
    pub log_p: f64,
    /// Whether the p-value is exact.
    pub exact: bool,
}

impl Distance {
    /// The distance, from 0 to 1.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.steps as f64 / (self.n as f64 * self.m as f64)
    }

    /// The logarithm of the asymptotic p-value.
    #[must_use]
    pub fn log_p_asymptotic(&self) -> f64 {
        kolmogorov::log_sf(scaled(self.n as f64, self.m as f64, self.value()))
    }
}

/// The test of two samples, with an exact p-value where they are small.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Result<KolmogorovSmirnov> {
    let distance = distance(a, b)?;
    let exact = distance.n.saturating_mul(distance.m) <= EXACT_PAIRS;
    let log_p = if exact {
        p_exact(a, b)?.ln()
    } else {
        distance.log_p_asymptotic()
    };
    Ok(KolmogorovSmirnov {
        distance: distance.value(),
        log_p,
        exact,
    })
}

/// The logarithm of the asymptotic p-value of a distance between samples of sizes `n` and `m`.
///
/// # Errors
/// `NonFiniteInput`; `OutOfRange` for sizes that are not positive or a distance outside [0, 1].
pub fn log_p_asymptotic(n: f64, m: f64, distance: f64) -> Result<f64> {
    check::finite([("n", n), ("m", m), ("D", distance)])?;
    check::positive("n", n)?;
    check::positive("m", m)?;
    check::unit("D", distance)?;
    Ok(kolmogorov::log_sf(scaled(n, m, distance)))
}

fn scaled(n: f64, m: f64, distance: f64) -> f64 {
    (n / (n + m) * m).sqrt() * distance
}

/// The probability of a distance at least as large as that of the samples when both come from one
/// distribution, given which values are equal: the share of lattice paths that get as far from the
/// diagonal (Hodges 1958; with ties Schröer and Trenkler 1995).
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`.
pub fn p_exact(a: &[f64], b: &[f64]) -> Result<f64> {
    let distance = distance(a, b)?;
    let mut all: Vec<f64> = a.iter().chain(b).map(|value| value + 0.0).collect();
    all.sort_unstable_by(f64::total_cmp);
    // Whether a step of the merged sample is the last of its value: only there are the distributions compared.
    let ends: Vec<bool> = all
        .iter()
        .zip(all.iter().skip(1).map(Some).chain([None]))
        .map(|(v, next)| next != Some(v))
        .collect();
    let (n, m) = (a.len(), b.len());
    let reached = |i: usize, j: usize| {
        let apart = (i as u128 * distance.m as u128).abs_diff(j as u128 * distance.n as u128);
        let compared = (i + j)
            .checked_sub(1)
            .is_some_and(|last| ends.get(last).copied().unwrap_or(false));
        compared && apart >= distance.steps
    };
    if distance.steps == 0 {
        return Ok(1.0);
    }
    // The share of the paths from the origin to (i, j) that got there; each step back is as likely as its count.
    let mut row: Vec<f64> = vec![0.0; m + 1];
    for i in 0..=n {
        let mut left = 0.0;
        for (j, cell) in row.iter_mut().enumerate() {
            let share = if i + j == 0 {
                0.0
            } else {
                i as f64 / (i + j) as f64
            };
            *cell = if reached(i, j) {
                1.0
            } else {
                share * *cell + (1.0 - share) * left
            };
            left = *cell;
        }
    }
    Ok(row.last().copied().unwrap_or(1.0))
}

/// The largest distance between the empirical distributions.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`.
pub fn distance(a: &[f64], b: &[f64]) -> Result<Distance> {
    let mut search = Search {
        n: a.len() as i128,
        m: b.len() as i128,
        best: 0,
    };
    let finite = if a.len() + b.len() <= SORTED {
        search.scan(keys(a), keys(b), (0, 0));
        a.iter().chain(b).all(|value| value.is_finite())
    } else {
        search.by_bins(a, b, &Bins::dealt(a, b))
    };
    if !finite {
        return Err(StatsError::NonFiniteInput { input: "a or b" });
    }
    check::not_empty("a", a)?;
    check::not_empty("b", b)?;
    Ok(Distance {
        steps: search.best.unsigned_abs(),
        n: a.len() as u64,
        m: b.len() as u64,
    })
}

/// The search for the largest distance, counted in steps of 1 / (n m).
struct Search {
    n: i128,
    m: i128,
    best: i128,
}

impl Search {
    fn at(&mut self, below: (i128, i128)) {
        self.best = self.best.max((below.0 * self.m - below.1 * self.n).abs());
    }

    /// Looks at the end of each bin, then into the bins where the distance may be larger than that. Gives
    /// whether all values are finite, and looks no further where one is not.
    fn by_bins(&mut self, a: &[f64], b: &[f64], bins: &Bins) -> bool {
        let ((counts_a, finite_a), (counts_b, finite_b)) = (bins.counts(a), bins.counts(b));
        if !(finite_a && finite_b) {
            return false;
        }
        let mut below = (0_i128, 0_i128);
        for (in_a, in_b) in counts_a.iter().zip(&counts_b) {
            below = (below.0 + i128::from(*in_a), below.1 + i128::from(*in_b));
            self.at(below);
        }
        // Within a bin the distance grows at most by all of one sample's values before the other's.
        let mut below = (0_i128, 0_i128);
        let mut open: Vec<(usize, (i128, i128))> = Vec::new();
        for (bin, (in_a, in_b)) in counts_a.iter().zip(&counts_b).enumerate() {
            let apart = below.0 * self.m - below.1 * self.n;
            let (in_a, in_b) = (i128::from(*in_a), i128::from(*in_b));
            if (apart + in_a * self.m).max(in_b * self.n - apart) > self.best && in_a + in_b > 1 {
                open.push((bin, below));
            }
            below = (below.0 + in_a, below.1 + in_b);
        }
        let (parts_a, parts_b) = (gather(a, bins, &open), gather(b, bins, &open));
        for ((in_a, in_b), (_, below)) in parts_a.into_iter().zip(parts_b).zip(open) {
            self.scan(in_a, in_b, below);
        }
        true
    }

    /// Looks at each distinct value of two parts that have `below` values of their samples below them.
    fn scan(&mut self, mut a: Vec<u64>, mut b: Vec<u64>, mut below: (i128, i128)) {
        a.sort_unstable();
        b.sort_unstable();
        let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
        loop {
            let value = match (a.peek(), b.peek()) {
                (Some(a), Some(b)) => *a.min(b),
                (Some(a), None) => *a,
                (None, Some(b)) => *b,
                (None, None) => return,
            };
            while a.next_if(|key| *key == value).is_some() {
                below.0 += 1;
            }
            while b.next_if(|key| *key == value).is_some() {
                below.1 += 1;
            }
            self.at(below);
        }
    }
}

/// The keys of the values in each of the open bins.
fn gather(values: &[f64], bins: &Bins, open: &[(usize, (i128, i128))]) -> Vec<Vec<u64>> {
    let mut found: Vec<Vec<u64>> = vec![Vec::new(); open.len()];
    let (Some((first, _)), Some((last, _))) = (open.first(), open.last()) else {
        return found;
    };
    let mut slots = vec![u32::MAX; bins.count];
    for (place, (bin, _)) in open.iter().enumerate() {
        if let (Some(slot), Ok(place)) = (slots.get_mut(*bin), u32::try_from(place)) {
            *slot = place;
        }
    }
    let (low, high) = bins.around(*first, *last);
    // First those in the window, without a branch that no one can predict, then those in an open bin.
    let mut near = [0.0; 1024];
    for part in values.chunks(near.len()) {
        let mut count = 0;
        for value in part {
            if let Some(next) = near.get_mut(count) {
                *next = *value;
            }
            count += usize::from(*value >= low && *value <= high);
        }
        for value in near.iter().take(count) {
            let slot = slots
                .get(bins.of(*value))
                .map_or(usize::MAX, |slot| *slot as usize);
            if let Some(found) = found.get_mut(slot) {
                found.push(key(*value));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A splitmix64 sequence of uniforms.
    fn uniforms(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..count).map(|_| next()).collect()
    }

    fn by_sorting(a: &[f64], b: &[f64]) -> u128 {
        let mut search = Search {
            n: a.len() as i128,
            m: b.len() as i128,
            best: 0,
        };
        search.scan(keys(a), keys(b), (0, 0));
        search.best.unsigned_abs()
    }

    #[test]
    fn bins_find_the_distance_that_sorting_finds() {
        let shapes: [fn(f64) -> f64; 6] = [
            |u| u,
            |u| (u - 0.5) * 1e6,
            |u| -u.ln(),
            |u| (12.0 * u - 6.0).exp(),
            |u| (10.0 * u).floor(),
            |u| 1e9 + u,
        ];
        for (seed, shape) in shapes.into_iter().enumerate() {
            for shift in [0.0, 0.01, 1.0] {
                let a: Vec<f64> = uniforms(seed as u64, 30_000)
                    .into_iter()
                    .map(shape)
                    .collect();
                let b: Vec<f64> = uniforms(seed as u64 + 99, 20_000)
                    .into_iter()
                    .map(|u| shape(u) + shift)
                    .collect();
                assert_eq!(
                    distance(&a, &b).unwrap().steps,
                    by_sorting(&a, &b),
                    "shape {seed}, shift {shift}"
                );
            }
        }
    }

    #[test]
    fn one_outlier_that_makes_all_else_one_bin_changes_nothing() {
        let mut a = uniforms(1, 9_000);
        a.push(f64::MAX);
        let mut b: Vec<f64> = uniforms(2, 9_000).into_iter().map(|u| u * u).collect();
        b.push(-f64::MAX);
        assert_eq!(distance(&a, &b).unwrap().steps, by_sorting(&a, &b));
    }

    #[test]
    fn equal_samples_are_at_no_distance_and_both_zeros_are_one_value() {
        let found = kolmogorov_smirnov(&[0.0, 1.0], &[-0.0, 1.0]).unwrap();
        assert_eq!((found.distance, found.log_p, found.exact), (0.0, 0.0, true));
    }

    #[test]
    fn the_published_critical_value_has_its_level() {
        // Massey 1951, two samples of 10: D = 0.6 has P = 0.0524.
        let a: Vec<f64> = (0..10).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|value| value + 5.5).collect();
        assert_eq!(distance(&a, &b).unwrap().value(), 0.6);
        assert!((p_exact(&a, &b).unwrap() - 0.0524).abs() < 5e-5);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(
            distance(&[1.0, f64::NAN], &[1.0]).unwrap_err().code(),
            "non_finite_input"
        );
        assert_eq!(
            distance(&[1.0], &[f64::INFINITY]).unwrap_err().code(),
            "non_finite_input"
        );
        assert_eq!(distance(&[], &[1.0]).unwrap_err().code(), "empty_input");
    }
}
