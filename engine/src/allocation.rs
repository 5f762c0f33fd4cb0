//! Who owns which buckets, and how ownership changes with as few units moving as possible.
//! What lives here: [`reallocate`] for the variants of an experiment and [`resize`] for an
//! experiment within its layer. What does not: the sets themselves (see [`ranges`](crate::ranges)).
//!
//! The rule in both: shrink from the end, grow into what is free. So a unit leaves its variant
//! only where that variant shrinks, and then no more units leave than the shrinking asks for.

use crate::ranges::{BUCKETS, Ranges};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why buckets can't be given out as asked.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum AllocationError {
    /// The weights leave traffic over or promise more than there is.
    #[error("weights add up to {sum}, not to 10000 basis points")]
    Sum {
        /// What they add up to.
        sum: u64,
    },
    /// One list names a variant twice.
    #[error("variant {key:?} is listed twice")]
    Duplicate {
        /// The variant.
        key: String,
    },
    /// Two variants own the same bucket already.
    #[error("variants {first:?} and {second:?} both own bucket {bucket}")]
    Overlap {
        /// The variant listed first.
        first: String,
        /// The variant listed later.
        second: String,
        /// The lowest bucket that both own.
        bucket: u16,
    },
    /// There are fewer free buckets than the growth asks for.
    #[error("{wanted} buckets are wanted, but only {available} are to be had")]
    Full {
        /// Size asked for.
        wanted: u32,
        /// Size that can be reached: owned and free together.
        available: u32,
    },
}

/// New ranges for `weights` (key and basis points, adding up to 10000), in the order of `weights`,
/// that move as few units as possible away from `previous`.
///
/// Variants of `previous` that `weights` does not name are removed; those that only `weights`
/// names are added. Buckets change hands only where a variant shrinks or goes, which is the
/// minimum: the sum over variants of `max(0, old size - new size)`.
///
/// # Errors
/// [`AllocationError`] where the weights don't add up, a key repeats, or `previous` overlaps.
pub fn reallocate(
    previous: &[(String, Ranges)],
    weights: &[(String, u32)],
) -> Result<Vec<(String, Ranges)>, AllocationError> {
    let sum = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if sum != u64::from(BUCKETS) {
        return Err(AllocationError::Sum { sum });
    }
    unique(weights.iter().map(|(key, _)| key))?;
    let before = owners(previous)?;

    let kept: Vec<Ranges> = weights
        .iter()
        .map(|(key, weight)| match before.get(key.as_str()) {
            Some(owned) => owned.lowest(*weight),
            None => Ranges::default(),
        })
        .collect();
    let mut free = kept
        .iter()
        .fold(Ranges::default(), |taken, ranges| taken.union(ranges))
        .complement();
    weights
        .iter()
        .zip(kept)
        .map(|((key, weight), owned)| {
            let ranges = resize(&owned, &free, *weight)?;
            free = free.difference(&ranges);
            Ok((key.clone(), ranges))
        })
        .collect()
}

/// Grows or shrinks `owned` to `size` buckets. Growing takes the lowest buckets of `free` and
/// never gives one up; shrinking takes from the end.
///
/// # Errors
/// [`AllocationError::Full`] where `owned` and `free` together are smaller than `size`.
pub fn resize(owned: &Ranges, free: &Ranges, size: u32) -> Result<Ranges, AllocationError> {
    let Some(growth) = size.checked_sub(owned.size()) else {
        return Ok(owned.lowest(size));
    };
    let free = free.difference(owned);
    if free.size() < growth {
        return Err(AllocationError::Full {
            wanted: size,
            available: owned.size().saturating_add(free.size()),
        });
    }
    Ok(owned.union(&free.lowest(growth)))
}

/// The ranges by key, where no key repeats and no bucket has two owners.
fn owners(previous: &[(String, Ranges)]) -> Result<BTreeMap<&str, &Ranges>, AllocationError> {
    unique(previous.iter().map(|(key, _)| key))?;
    for (index, (second, ranges)) in previous.iter().enumerate() {
        for (first, earlier) in previous.iter().take(index) {
            if let Some(bucket) = earlier.first_common(ranges) {
                return Err(AllocationError::Overlap {
                    first: first.clone(),
                    second: second.clone(),
                    bucket,
                });
            }
        }
    }
    Ok(previous
        .iter()
        .map(|(key, ranges)| (key.as_str(), ranges))
        .collect())
}

fn unique<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), AllocationError> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(AllocationError::Duplicate { key: key.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owners = Vec<(String, Ranges)>;

    /// Weights of a few variants out of `names`, adding up to 10000, in any order.
    fn any_weights() -> impl Strategy<Value = Vec<(String, u32)>> {
        let names = prop::sample::subsequence(vec!["a", "b", "c", "d", "e", "f"], 1..=6);
        (
            names.prop_shuffle(),
            prop::collection::vec(0..10_000_u32, 6),
        )
            .prop_map(|(names, cuts)| {
                let last = names.len() - 1;
                let mut left = 10_000;
                let mut weights = Vec::new();
                for (index, name) in names.iter().enumerate() {
                    let weight = if index == last {
                        left
                    } else {
                        cuts[index] % (left + 1)
                    };
                    left -= weight;
                    weights.push(((*name).to_owned(), weight));
                }
                weights
            })
    }

    fn owner(owners: &Owners, bucket: u16) -> Option<&str> {
        owners
            .iter()
            .find(|(_, ranges)| ranges.contains(bucket))
            .map(|(key, _)| key.as_str())
    }

    fn size(owners: &Owners, name: &str) -> u32 {
        owners
            .iter()
            .find(|(key, _)| key == name)
            .map_or(0, |(_, ranges)| ranges.size())
    }

    fn assert_exact(owners: &Owners, weights: &[(String, u32)]) {
        let sizes: Vec<_> = owners
            .iter()
            .map(|(key, ranges)| (key.clone(), ranges.size()))
            .collect();
        assert_eq!(sizes, weights);
        let all = owners
            .iter()
            .fold(Ranges::default(), |all, (_, ranges)| all.union(ranges));
        assert_eq!(all, Ranges::full(), "sizes add up, so full means disjoint");
    }

    proptest! {
        #[test]
        fn as_few_buckets_as_possible_change_hands(history in prop::collection::vec(any_weights(), 2..8)) {
            let mut before = Owners::new();
            for weights in &history {
                let after = reallocate(&before, weights).unwrap();
                assert_exact(&after, weights);
                let moved = (0..BUCKETS)
                    .filter(|&bucket| owner(&before, bucket).is_some())
                    .filter(|&bucket| owner(&before, bucket) != owner(&after, bucket))
                    .count();
                let minimum: u32 = before
                    .iter()
                    .map(|(key, ranges)| ranges.size().saturating_sub(size(&after, key)))
                    .sum();
                prop_assert_eq!(moved, minimum as usize);
                before = after;
            }
        }

        #[test]
        fn a_unit_keeps_its_variant_when_the_weight_grows(from in any_weights(), to in any_weights()) {
            let before = reallocate(&[], &from).unwrap();
            let after = reallocate(&before, &to).unwrap();
            for (key, ranges) in &after {
                let old = before.iter().find(|(other, _)| other == key);
                if let Some((_, old)) = old.filter(|(_, old)| old.size() <= ranges.size()) {
                    prop_assert!(old.difference(ranges).is_empty());
                }
            }
        }

        #[test]
        fn resizing_only_adds_from_free_or_only_drops(
            cut in 0..BUCKETS, low in 0..BUCKETS, size in 0..11_000_u32,
        ) {
            let owned = Ranges::try_new([(cut, 9_999)]).unwrap();
            let free = Ranges::try_new([(0, low)]).unwrap();
            match resize(&owned, &free, size) {
                Ok(after) if size >= owned.size() => {
                    prop_assert_eq!(after.size(), size);
                    prop_assert!(owned.difference(&after).is_empty());
                    prop_assert!(after.difference(&owned).difference(&free).is_empty());
                }
                Ok(after) => {
                    prop_assert_eq!(after.size(), size);
                    prop_assert!(after.difference(&owned).is_empty());
                }
                Err(_) => prop_assert!(size > owned.union(&free).size()),
            }
        }
    }

    fn weights(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
        pairs
            .iter()
            .map(|(key, weight)| ((*key).to_owned(), *weight))
            .collect()
    }

    #[test]
    fn fresh_variants_lie_side_by_side_in_the_order_given() {
        let fresh = reallocate(&[], &weights(&[("a", 7_000), ("b", 2_000), ("c", 1_000)])).unwrap();
        let pairs: Vec<Vec<_>> = fresh
            .iter()
            .map(|(_, ranges)| ranges.iter().collect())
            .collect();
        assert_eq!(
            pairs,
            [vec![(0, 6_999)], vec![(7_000, 8_999)], vec![(9_000, 9_999)]]
        );
    }

    #[test]
    fn weights_that_do_not_add_up_are_refused() {
        let short = reallocate(&[], &weights(&[("a", 7_000)]));
        assert_eq!(short, Err(AllocationError::Sum { sum: 7_000 }));
        let huge = reallocate(&[], &weights(&[("a", u32::MAX), ("b", u32::MAX)]));
        assert_eq!(huge, Err(AllocationError::Sum { sum: 8_589_934_590 }));
        assert_eq!(reallocate(&[], &[]), Err(AllocationError::Sum { sum: 0 }));
    }

    #[test]
    fn a_repeated_key_is_refused() {
        let twice = reallocate(&[], &weights(&[("a", 5_000), ("a", 5_000)]));
        assert_eq!(twice, Err(AllocationError::Duplicate { key: "a".into() }));
    }

    #[test]
    fn a_bucket_with_two_owners_is_named() {
        let before = vec![
            ("a".to_owned(), Ranges::try_new([(0, 5_000)]).unwrap()),
            ("b".to_owned(), Ranges::try_new([(5_000, 9_999)]).unwrap()),
        ];
        let fault = reallocate(&before, &weights(&[("a", 10_000)])).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "variants \"a\" and \"b\" both own bucket 5000"
        );
    }
}
