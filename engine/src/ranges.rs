//! Sets of buckets. What lives here: [`Ranges`] and its set algebra. What does not: who owns which
//! buckets and how ownership changes (see [`allocation`](crate::allocation)).

use thiserror::Error;
use watershed_proto::filter::v1::BucketRange;

/// How many buckets a hash is folded into; one bucket is one basis point of traffic.
pub const BUCKETS: u16 = 10_000;

const LAST: u16 = BUCKETS - 1;

/// A set of buckets, kept as disjoint, sorted and merged ranges within `0..=9999`.
///
/// Two sets that hold the same buckets are equal, however they were written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct Ranges(Vec<(u16, u16)>);

/// Why a list of ranges is no set of buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
pub enum RangeError {
    /// A range ends beyond the last bucket.
    #[error("range {start}..={end} leaves the buckets 0..=9999")]
    OutOfBounds {
        /// First bucket, as written.
        start: u32,
        /// Last bucket, as written.
        end: u32,
    },
    /// A range starts behind its end.
    #[error("range {start}..={end} starts after its end")]
    Reversed {
        /// First bucket, as written.
        start: u32,
        /// Last bucket, as written.
        end: u32,
    },
    /// Two ranges of one list share a bucket.
    #[error("ranges overlap at bucket {bucket}")]
    Overlap {
        /// The lowest shared bucket.
        bucket: u16,
    },
}

impl Ranges {
    /// The set of the given `(start, end)` ranges, both ends included, in any order.
    ///
    /// # Errors
    /// [`RangeError`] where a range is reversed, out of bounds or overlaps another.
    pub fn try_new(ranges: impl IntoIterator<Item = (u16, u16)>) -> Result<Self, RangeError> {
        let mut pairs: Vec<_> = ranges.into_iter().collect();
        for &(start, end) in &pairs {
            check(start.into(), end.into())?;
        }
        pairs.sort_unstable();
        let shared = pairs
            .iter()
            .zip(pairs.iter().skip(1))
            .find(|(left, right)| right.0 <= left.1);
        match shared {
            Some((_, right)) => Err(RangeError::Overlap { bucket: right.0 }),
            None => Ok(merge(pairs)),
        }
    }

    /// Every bucket.
    #[must_use]
    pub fn full() -> Self {
        Self(vec![(0, LAST)])
    }

    /// The number of buckets in the set, `0..=10000`.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.iter().map(length).sum()
    }

    /// Whether the set holds no bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `bucket` is in the set.
    #[must_use]
    pub fn contains(&self, bucket: u16) -> bool {
        let following = self.0.partition_point(|&(start, _)| start <= bucket);
        following
            .checked_sub(1)
            .and_then(|index| self.0.get(index))
            .is_some_and(|&(_, end)| bucket <= end)
    }

    /// The ranges as `(start, end)` pairs, both ends included, in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, u16)> + '_ {
        self.0.iter().copied()
    }

    /// The buckets of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut pairs: Vec<_> = self.iter().chain(other.iter()).collect();
        pairs.sort_unstable();
        merge(pairs)
    }

    /// The buckets of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self.iter().flat_map(|(start, end)| {
            other
                .iter()
                .map(move |(low, high)| (start.max(low), end.min(high)))
        });
        Self(pairs.filter(|(start, end)| start <= end).collect())
    }

    /// The buckets of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// The buckets that are not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len().saturating_add(1));
        let mut next = 0_u16;
        for (start, end) in self.iter() {
            if next < start {
                gaps.push((next, start.saturating_sub(1)));
            }
            next = end.saturating_add(1);
        }
        if next <= LAST {
            gaps.push((next, LAST));
        }
        Self(gaps)
    }

    /// Whether the sets share a bucket.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.first_common(other).is_some()
    }

    /// The lowest bucket that is in both sets.
    #[must_use]
    pub fn first_common(&self, other: &Self) -> Option<u16> {
        self.intersection(other).first()
    }

    /// The lowest bucket of the set.
    #[must_use]
    pub fn first(&self) -> Option<u16> {
        self.0.first().map(|&(start, _)| start)
    }

    /// The `count` lowest buckets; the whole set where it has no more than that.
    #[must_use]
    pub fn lowest(&self, count: u32) -> Self {
        let mut wanted = count;
        let mut taken = Vec::new();
        for (start, end) in self.iter() {
            let size = length((start, end)).min(wanted);
            let Some(rest) = size.checked_sub(1) else {
                break;
            };
            let rest = u16::try_from(rest).unwrap_or(LAST);
            taken.push((start, start.saturating_add(rest)));
            wanted = wanted.saturating_sub(size);
        }
        Self(taken)
    }

    /// The wire form.
    #[must_use]
    pub fn to_proto(&self) -> Vec<BucketRange> {
        self.iter()
            .map(|(start, end)| BucketRange {
                start: start.into(),
                end: end.into(),
            })
            .collect()
    }

    /// The set of a wire form.
    ///
    /// # Errors
    /// As [`Ranges::try_new`].
    pub fn from_proto(ranges: &[BucketRange]) -> Result<Self, RangeError> {
        let pairs: Result<Vec<_>, _> = ranges
            .iter()
            .map(|range| check(range.start, range.end))
            .collect();
        Self::try_new(pairs?)
    }
}

/// A range within bounds, or why it is none.
fn check(start: u32, end: u32) -> Result<(u16, u16), RangeError> {
    let outside = RangeError::OutOfBounds { start, end };
    let low = u16::try_from(start).map_err(|_| outside)?;
    let high = u16::try_from(end).map_err(|_| outside)?;
    if low.max(high) > LAST {
        return Err(outside);
    }
    if low > high {
        return Err(RangeError::Reversed { start, end });
    }
    Ok((low, high))
}

fn length((start, end): (u16, u16)) -> u32 {
    u32::from(end)
        .saturating_sub(start.into())
        .saturating_add(1)
}

/// The set of sorted ranges; those that touch or overlap become one.
fn merge(mut sorted: Vec<(u16, u16)>) -> Ranges {
    sorted.dedup_by(|(start, end), before| {
        let touches = *start <= before.1.saturating_add(1);
        if touches {
            before.1 = before.1.max(*end);
        }
        touches
    });
    Ranges(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Any set of buckets, few and long or many and short ranges.
    pub(crate) fn any_ranges() -> impl Strategy<Value = Ranges> {
        prop::collection::vec((0..BUCKETS, 0..400_u16), 0..12).prop_map(|parts| {
            parts
                .into_iter()
                .map(|(start, more)| Ranges(vec![(start, start.saturating_add(more).min(LAST))]))
                .fold(Ranges::default(), |set, part| set.union(&part))
        })
    }

    fn buckets(ranges: &Ranges) -> BTreeSet<u16> {
        ranges.iter().flat_map(|(start, end)| start..=end).collect()
    }

    proptest! {
        #[test]
        fn set_algebra_agrees_with_a_set_of_buckets(a in any_ranges(), b in any_ranges(), n in 0..12_000_u32) {
            let (x, y) = (buckets(&a), buckets(&b));
            prop_assert_eq!(buckets(&a.union(&b)), &x | &y);
            prop_assert_eq!(buckets(&a.difference(&b)), &x - &y);
            prop_assert_eq!(buckets(&a.intersection(&b)), &x & &y);
            prop_assert_eq!(a.first_common(&b), (&x & &y).first().copied());
            prop_assert_eq!(a.intersects(&b), !x.is_disjoint(&y));
            prop_assert_eq!(a.size() as usize, x.len());
            let lowest: BTreeSet<u16> = x.iter().copied().take(n as usize).collect();
            prop_assert_eq!(buckets(&a.lowest(n)), lowest);
            for bucket in 0..BUCKETS {
                prop_assert_eq!(a.contains(bucket), x.contains(&bucket));
            }
        }

        #[test]
        fn results_stay_sorted_disjoint_and_merged(a in any_ranges(), b in any_ranges()) {
            for set in [a.union(&b), a.difference(&b), a.intersection(&b), a.complement()] {
                let pairs: Vec<_> = set.iter().collect();
                prop_assert!(pairs.iter().all(|(start, end)| start <= end && *end <= LAST));
                prop_assert!(pairs.windows(2).all(|two| two[0].1 + 1 < two[1].0));
            }
        }

        #[test]
        fn the_wire_form_gives_the_set_back(a in any_ranges()) {
            prop_assert_eq!(Ranges::from_proto(&a.to_proto()).unwrap(), a);
        }

        #[test]
        fn any_wire_form_is_a_set_or_an_error(pairs in prop::collection::vec((0..20_000_u32, 0..20_000_u32), 0..6)) {
            let wire: Vec<_> = pairs.iter().map(|&(start, end)| BucketRange { start, end }).collect();
            if let Ok(set) = Ranges::from_proto(&wire) {
                let total: u32 = pairs.iter().map(|(start, end)| end - start + 1).sum();
                prop_assert_eq!(set.size(), total);
            }
        }
    }

    #[test]
    fn touching_ranges_become_one() {
        let set = Ranges::try_new([(10, 19), (0, 9)]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [(0, 19)]);
    }

    #[test]
    fn a_fault_names_the_range() {
        let fault = |pairs: &[(u16, u16)]| Ranges::try_new(pairs.iter().copied()).unwrap_err();
        assert_eq!(fault(&[(3, 2)]), RangeError::Reversed { start: 3, end: 2 });
        assert_eq!(
            fault(&[(0, 10_000)]),
            RangeError::OutOfBounds {
                start: 0,
                end: 10_000
            }
        );
        assert_eq!(fault(&[(5, 9), (0, 5)]), RangeError::Overlap { bucket: 5 });
        let wire = [BucketRange {
            start: 70_000,
            end: 70_001,
        }];
        assert_eq!(
            Ranges::from_proto(&wire).unwrap_err().to_string(),
            "range 70000..=70001 leaves the buckets 0..=9999"
        );
    }
}
