//! From a unit to its bucket. What lives here: the hashes that a configuration can name, each with
//! its salt. What does not: which salt is used where (see [`compile`](crate::compile)).
//!
//! A hash never changes meaning. `MURMUR3_V1` is ours; the others are for units that must keep what
//! another system gave them. With B for the number of buckets:
//!
//! | name | bucket | buckets |
//! | --- | --- | --- |
//! | `MURMUR3_V1` | `murmur3_x86_32("{salt}:{unit}", 0) % 10000` | 10000 |
//! | `FLAGD_V2` | `(u64(murmur3_x86_32("{salt}{unit}", 0)) * B) >> 32` | B |
//! | `UNLEASH` | `murmur3_x86_32("{salt}:{unit}", 0) % B` | B |
//! | `UNLEASH_VARIANT` | `murmur3_x86_32("{salt}:{unit}", 86028157) % B` | B |
//! | `GROWTHBOOK_V2` | `fnv1a32(str(fnv1a32("{salt}{unit}"))) % 10000` | 10000 |
//! | `GROWTHBOOK_V1` | `fnv1a32("{unit}{salt}") % 1000` | 1000 |

use crate::hash::{FNV1A_32_START, State, fnv1a_32};
use crate::ranges::BUCKETS;
use watershed_proto::filter::v1::Hash;

/// The seed that keeps Unleash's variants apart from its rollouts.
const UNLEASH_VARIANT_SEED: u32 = 86_028_157;

/// Buckets for one salt. The salt is absorbed once; after that a unit costs only its own bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bucketer(Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    MurmurV1(State),
    /// The remainder by the number of buckets.
    Remainder(State, u16),
    /// The upper half of the product with the number of buckets.
    Scaled(State, u16),
    GrowthBookV2(u32),
    /// The salt comes last, so nothing can be absorbed beforehand.
    GrowthBookV1(Box<str>),
}

impl Bucketer {
    /// The bucketer of `MURMUR3_V1`.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        Self(Kind::MurmurV1(State::new(0).salted(salt)))
    }

    /// The bucketer of any hash. `None` where the hash has another number of buckets; 0 asks for
    /// the hash's own, or for 10000 where it takes any number up to that.
    #[must_use]
    pub fn with_hash(hash: Hash, salt: &str, buckets: u16) -> Option<Self> {
        let own = match hash {
            Hash::GrowthbookV1 => 1_000,
            _ => BUCKETS,
        };
        let takes_any = matches!(hash, Hash::FlagdV2 | Hash::Unleash | Hash::UnleashVariant);
        let count = if buckets == 0 { own } else { buckets };
        if count > BUCKETS || (count != own && !takes_any) {
            return None;
        }
        Some(Self(match hash {
            Hash::Unspecified | Hash::Murmur3V1 => Kind::MurmurV1(State::new(0).salted(salt)),
            Hash::FlagdV2 => Kind::Scaled(State::new(0).absorb(salt.as_bytes()), count),
            Hash::Unleash => Kind::Remainder(State::new(0).salted(salt), count),
            Hash::UnleashVariant => {
                Kind::Remainder(State::new(UNLEASH_VARIANT_SEED).salted(salt), count)
            }
            Hash::GrowthbookV2 => Kind::GrowthBookV2(fnv1a_32(FNV1A_32_START, salt.as_bytes())),
            Hash::GrowthbookV1 => Kind::GrowthBookV1(salt.into()),
        }))
    }

    /// How many buckets there are.
    #[must_use]
    pub fn buckets(&self) -> u16 {
        match &self.0 {
            Kind::MurmurV1(_) | Kind::GrowthBookV2(_) => BUCKETS,
            Kind::Remainder(_, buckets) | Kind::Scaled(_, buckets) => *buckets,
            Kind::GrowthBookV1(_) => 1_000,
        }
    }

    /// The state of `MURMUR3_V1` behind the salt; `None` for any other hash.
    #[inline]
    pub(crate) fn state(&self) -> Option<&State> {
        match &self.0 {
            Kind::MurmurV1(state) => Some(state),
            _ => None,
        }
    }

    /// The bucket of `unit`, below [`Bucketer::buckets`].
    #[must_use]
    #[inline]
    pub fn bucket(&self, unit: &[u8]) -> u16 {
        match &self.0 {
            Kind::MurmurV1(state) => of_ten_thousand(state.finish_with(unit)),
            other => other.foreign(unit),
        }
    }
}

impl Kind {
    #[cold]
    fn foreign(&self, unit: &[u8]) -> u16 {
        match self {
            Self::MurmurV1(state) => of_ten_thousand(state.finish_with(unit)),
            Self::Remainder(state, buckets) => remainder(state.finish_with(unit), *buckets),
            Self::Scaled(state, buckets) => scaled(state.finish_with(unit), *buckets),
            Self::GrowthBookV2(state) => {
                let (digits, first) = decimal(fnv1a_32(*state, unit));
                let text = digits.get(first..).unwrap_or_default();
                remainder(fnv1a_32(FNV1A_32_START, text), BUCKETS)
            }
            Self::GrowthBookV1(salt) => {
                let hash = fnv1a_32(fnv1a_32(FNV1A_32_START, unit), salt.as_bytes());
                remainder(hash, 1_000)
            }
        }
    }
}

impl State {
    /// `"{salt}:"` absorbed.
    fn salted(self, salt: &str) -> Self {
        self.absorb(salt.as_bytes()).absorb(b":")
    }
}

/// The remainder favours the first 7,296 buckets by one part in 429,496, far below what any
/// experiment could notice.
#[inline]
#[allow(clippy::cast_possible_truncation)] // A remainder by 10,000 fits.
pub(crate) fn of_ten_thousand(hash: u32) -> u16 {
    const COUNT: u32 = BUCKETS as u32;
    (hash % COUNT) as u16
}

fn remainder(hash: u32, buckets: u16) -> u16 {
    let bucket = hash.checked_rem(buckets.into()).unwrap_or(0);
    u16::try_from(bucket).unwrap_or(0)
}

fn scaled(hash: u32, buckets: u16) -> u16 {
    let product = u64::from(hash).wrapping_mul(buckets.into());
    u16::try_from(product.wrapping_shr(32)).unwrap_or(0)
}

/// The decimal digits of a number, at the end of ten, and where they start.
fn decimal(mut number: u32) -> ([u8; 10], usize) {
    let mut digits = [b'0'; 10];
    let mut first = 10;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        first = usize::wrapping_sub(first, 1);
        if number == 0 {
            break;
        }
    }
    (digits, first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::murmur3_x86_32;
    use proptest::prelude::*;

    fn bucket(hash: Hash, salt: &str, unit: &str, buckets: u16) -> u16 {
        let bucketer = Bucketer::with_hash(hash, salt, buckets).unwrap();
        bucketer.bucket(unit.as_bytes())
    }

    /// `hash` cases of GrowthBook's SDK test suite (`cases.json`): seed, value, result.
    #[test]
    fn growthbook_vectors_come_out() {
        let v1 = [
            ("", "a", 220),
            ("", "b", 77),
            ("b", "a", 946),
            ("ef", "d", 652),
            ("asdf", "8952klfjas09ujk", 549),
            ("", "123", 11),
            ("", "___)((*\":&", 563),
        ];
        for (seed, value, expected) in v1 {
            assert_eq!(
                bucket(Hash::GrowthbookV1, seed, value, 0),
                expected,
                "{seed} {value}"
            );
        }
        let v2 = [
            ("seed", "a", 505),
            ("seed", "b", 2_696),
            ("foo", "ab", 2_575),
            ("foo", "def", 2_019),
            ("89123klj", "8952klfjas09ujkasdf", 1_240),
            ("90850943850283058242805", "123", 7_516),
            ("()**(%$##$%#$#", "___)((*\":&", 128),
        ];
        for (seed, value, expected) in v2 {
            assert_eq!(
                bucket(Hash::GrowthbookV2, seed, value, 0),
                expected,
                "{seed} {value}"
            );
        }
    }

    #[test]
    fn a_hash_with_its_own_number_of_buckets_takes_no_other() {
        let taken =
            |hash, buckets| Bucketer::with_hash(hash, "s", buckets).map(|one| one.buckets());
        for hash in [Hash::Unspecified, Hash::Murmur3V1, Hash::GrowthbookV2] {
            assert_eq!(taken(hash, 0), Some(10_000));
            assert_eq!(taken(hash, 10_000), Some(10_000));
            assert_eq!(taken(hash, 100), None);
        }
        assert_eq!(taken(Hash::GrowthbookV1, 0), Some(1_000));
        assert_eq!(taken(Hash::GrowthbookV1, 10_000), None);
        for hash in [Hash::FlagdV2, Hash::Unleash, Hash::UnleashVariant] {
            assert_eq!(taken(hash, 0), Some(10_000));
            assert_eq!(taken(hash, 7), Some(7));
            assert_eq!(taken(hash, 10_001), None);
        }
    }

    #[test]
    fn decimals_are_written_as_everywhere() {
        for number in [0, 9, 10, 1_234_567_890, u32::MAX] {
            let (digits, first) = decimal(number);
            assert_eq!(
                str::from_utf8(&digits[first..]).unwrap(),
                number.to_string()
            );
        }
    }

    const ALL: [Hash; 6] = [
        Hash::Murmur3V1,
        Hash::FlagdV2,
        Hash::Unleash,
        Hash::UnleashVariant,
        Hash::GrowthbookV2,
        Hash::GrowthbookV1,
    ];

    proptest! {
        #[test]
        fn ours_is_the_hash_of_salt_colon_and_unit(salt in "\\PC{0,20}", unit in "\\PC{0,40}") {
            let whole = format!("{salt}:{unit}");
            let bucket = Bucketer::new(&salt).bucket(unit.as_bytes());
            prop_assert_eq!(u32::from(bucket), murmur3_x86_32(whole.as_bytes(), 0) % 10_000);
        }

        #[test]
        fn foreign_formulas_are_what_they_say(salt in "\\PC{0,20}", unit in "\\PC{0,40}", buckets in 1..=10_000_u16) {
            let glued = murmur3_x86_32(format!("{salt}{unit}").as_bytes(), 0);
            let colon = format!("{salt}:{unit}");
            let expected = (u64::from(glued) * u64::from(buckets)) >> 32;
            prop_assert_eq!(u64::from(bucket(Hash::FlagdV2, &salt, &unit, buckets)), expected);
            for (hash, seed) in [(Hash::Unleash, 0), (Hash::UnleashVariant, 86_028_157)] {
                let expected = murmur3_x86_32(colon.as_bytes(), seed) % u32::from(buckets);
                prop_assert_eq!(u32::from(bucket(hash, &salt, &unit, buckets)), expected);
            }
        }

        #[test]
        fn a_bucket_is_below_their_number(salt in ".{0,8}", unit in prop::collection::vec(any::<u8>(), 0..40)) {
            for hash in ALL {
                let bucketer = Bucketer::with_hash(hash, &salt, 0).unwrap();
                prop_assert!(bucketer.bucket(&unit) < bucketer.buckets());
            }
        }
    }
}
