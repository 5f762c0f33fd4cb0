//! A quantile sketch that merges exactly: `DDSketch` (Masson, Rim and Lee, "`DDSketch`: a fast and
//! fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019), sparse, for values of
//! either sign. Ours rather than a crate's because values are taken out again where a unit is forgotten,
//! and because its bytes are kept for years.

use prost::Message;
use std::collections::BTreeMap;

/// What a quantile may be off by, as a share of its value.
pub const RELATIVE_ERROR: f64 = 0.01;
/// Nearer to zero is zero.
pub const SMALLEST: f64 = 1e-9;
/// Farther from zero is this.
pub const LARGEST: f64 = 1e18;

pub(crate) const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// Where bins are told by one number: that of a positive value's bin has this added, that of a negative one's as
/// well and is negative then, and zeros are in bin 0.
pub(crate) const SIDE: i32 = 4_096;

/// Values, in bins that grow by [`RELATIVE_ERROR`]; at most some 6,300 of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sketch {
    negative: BTreeMap<i32, u64>,
    zeros: u64,
    positive: BTreeMap<i32, u64>,
}

/// What it is kept as.
#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(sint32, repeated, tag = "1")]
    negative_bins: Vec<i32>,
    #[prost(uint64, repeated, tag = "2")]
    negative_counts: Vec<u64>,
    #[prost(uint64, tag = "3")]
    zeros: u64,
    #[prost(sint32, repeated, tag = "4")]
    positive_bins: Vec<i32>,
    #[prost(uint64, repeated, tag = "5")]
    positive_counts: Vec<u64>,
}

impl Sketch {
    /// Takes a value in; one that is not a number is left out.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let count = self.bin(value);
        *count = count.saturating_add(1);
    }

    /// Takes a value out that was taken in.
    pub fn remove(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let count = self.bin(value);
        *count = count.saturating_sub(1);
        self.negative.retain(|_, count| *count > 0);
        self.positive.retain(|_, count| *count > 0);
    }

    /// Takes in all that the other has.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        for (ours, theirs) in [
            (&mut self.negative, &other.negative),
            (&mut self.positive, &other.positive),
        ] {
            for (bin, count) in theirs {
                let ours = ours.entry(*bin).or_default();
                *ours = ours.saturating_add(*count);
            }
        }
    }

    /// How many values it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.negative.values().chain(self.positive.values());
        counts.fold(self.zeros, |all, count| all.saturating_add(*count))
    }

    /// The value that a share `q` of all is at or below; nothing where there is none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank below `count`; beyond 2^53 it is off by less than the sketch is"
        )]
        let rank = (q * (count - 1) as f64).floor() as u64;
        let negative = self.negative.iter().rev();
        let negative = negative.map(|(bin, count)| (-middle(*bin), *count));
        let positive = self.positive.iter();
        let positive = positive.map(|(bin, count)| (middle(*bin), *count));
        let bins = negative.chain([(0.0, self.zeros)]).chain(positive);
        let mut below = 0_u64;
        bins.filter(|(_, count)| *count > 0)
            .find(|(_, count)| {
                below = below.saturating_add(*count);
                below > rank
            })
            .map(|(value, _)| value)
    }

    /// Each bin's middle and its count, in ascending order of bins.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u64)> {
        let negative = self.negative.iter().rev();
        let negative = negative.map(|(bin, count)| (-middle(*bin), *count));
        let positive = self.positive.iter();
        let positive = positive.map(|(bin, count)| (middle(*bin), *count));
        let zeros = (self.zeros > 0).then_some((0.0, self.zeros));
        negative.chain(zeros).chain(positive)
    }

    /// Of how many values each bin has, by one number a bin: see [`SIDE`].
    pub(crate) fn of_bins(bins: impl IntoIterator<Item = (i32, u64)>) -> Self {
        let mut sketch = Self::default();
        for (bin, values) in bins {
            let count = match bin {
                0 => &mut sketch.zeros,
                1.. => sketch.positive.entry(bin.saturating_sub(SIDE)).or_default(),
                _ => {
                    let bin = bin.saturating_neg().saturating_sub(SIDE);
                    sketch.negative.entry(bin).or_default()
                }
            };
            *count = count.saturating_add(values);
        }
        sketch
    }

    /// What to keep.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let split =
            |bins: &BTreeMap<i32, u64>| bins.iter().map(|(bin, count)| (*bin, *count)).unzip();
        let (negative_bins, negative_counts) = split(&self.negative);
        let (positive_bins, positive_counts) = split(&self.positive);
        let kept = Kept {
            negative_bins,
            negative_counts,
            zeros: self.zeros,
            positive_bins,
            positive_counts,
        };
        kept.encode_to_vec()
    }

    /// What was kept.
    ///
    /// # Errors
    /// Bytes that [`Sketch::to_bytes`] did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let kept = Kept::decode(bytes)?;
        let joined = |bins: Vec<i32>, counts: Vec<u64>| bins.into_iter().zip(counts).collect();
        Ok(Self {
            negative: joined(kept.negative_bins, kept.negative_counts),
            zeros: kept.zeros,
            positive: joined(kept.positive_bins, kept.positive_counts),
        })
    }

    fn bin(&mut self, value: f64) -> &mut u64 {
        let size = value.abs();
        if size < SMALLEST {
            return &mut self.zeros;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within -1,050..=2,100")]
        let bin = (size.min(LARGEST).ln() / GAMMA.ln()).ceil() as i32;
        let side = if value < 0.0 {
            &mut self.negative
        } else {
            &mut self.positive
        };
        side.entry(bin).or_default()
    }
}

/// The value that stands for a bin, within [`RELATIVE_ERROR`] of all in it.
fn middle(bin: i32) -> f64 {
    2.0 * GAMMA.powi(bin) / (GAMMA + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|it| sketch.add(*it));
        sketch
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![Just(0.0), -1e6..1e6_f64, 1e-3..1.0_f64];
        proptest::collection::vec(value, 1..200)
    }

    #[test]
    fn nothing_has_no_quantile_and_what_is_no_number_is_left_out() {
        let sketch = of(&[f64::NAN]);
        assert_eq!((sketch.count(), sketch.quantile(0.5)), (0, None));
        assert_eq!(of(&[1.0]).quantile(1.5), None);
        assert_eq!(of(&[f64::INFINITY]).count(), 1);
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_the_relative_error(values in values(), q in 0.0..=1.0_f64) {
            let got = of(&values).quantile(q).unwrap();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let below = (0..values.len()).rev().find(|it| *it as f64 <= q * (values.len() - 1) as f64);
            let exact = sorted[below.unwrap()];
            prop_assert!((got - exact).abs() <= exact.abs() * (RELATIVE_ERROR + 1e-9), "{got} {exact}");
        }

        #[test]
        fn to_merge_is_to_take_in_both(left in values(), right in values()) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let both: Vec<_> = left.into_iter().chain(right).collect();
            prop_assert_eq!(merged, of(&both));
        }

        #[test]
        fn what_is_taken_out_was_never_there(kept in values(), gone in values()) {
            let mut sketch = of(&kept);
            gone.iter().for_each(|it| sketch.add(*it));
            gone.iter().for_each(|it| sketch.remove(*it));
            prop_assert_eq!(sketch, of(&kept));
        }

        #[test]
        fn its_bytes_come_back(values in values()) {
            let sketch = of(&values);
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()).unwrap(), sketch);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Sketch::from_bytes(&bytes).map(|it| it.quantile(0.5));
        }
    }
}
