//! Tests that are decided by a number. Most values that rules name have at most seven bytes and most
//! versions are small releases: comparing one number is a call to `memcmp` or a walk over digits less.

use super::{Comparison, Test, version};
use crate::hash::GOLDEN;
use std::iter::successors;

/// Up to so many texts are told apart by numbers.
const FEW: usize = 8;

/// The number of what has none: a text that is too long, a version that is no small release.
const UNKNOWN: u64 = u64::MAX;

/// The number of a value that is not there.
const MISSING: u64 = u64::MAX - 1;

/// The number of nothing at all: no value has it.
const NOBODY: u64 = u64::MAX - 2;

/// How a value is made a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Numbering {
    /// A number of its own for each text of up to seven bytes: the bytes, and in the highest place the
    /// length.
    Head,
    /// The three numbers of a release in one, in whose order releases are, where each is below 2^20.
    Release,
    /// No value has a number.
    None,
}

impl Numbering {
    /// All of them, in the order of [`Numbering::of`].
    pub(crate) const ALL: [Self; 3] = [Self::Head, Self::Release, Self::None];

    /// The one of a value's numbers by [`Numbering::ALL`] that is meant.
    #[inline]
    pub(crate) fn of(self, numbers: &[u64; Self::ALL.len()]) -> u64 {
        numbers.get(self as usize).copied().unwrap_or(UNKNOWN)
    }

    /// The number of a value, which is read only where it matters.
    #[inline]
    pub(crate) fn number<'a>(self, value: impl FnOnce() -> Option<&'a [u8]>) -> u64 {
        let number = match self {
            Self::Head => value().map(head),
            Self::Release => value().map(|value| version::release(value).unwrap_or(UNKNOWN)),
            Self::None => Some(UNKNOWN),
        };
        number.unwrap_or(MISSING)
    }
}

/// A test in numbers, with the same verdict as the [`Test`] that it was made of: true from one number on
/// for as many more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quick {
    pub(super) by: Numbering,
    least: u64,
    more: u64,
    otherwise: Otherwise,
}

/// The verdict on all other numbers.
#[derive(Clone, Debug, PartialEq)]
enum Otherwise {
    /// False.
    No,
    /// True for these, false for others.
    OneOf(Box<Numbers>),
    /// False, but unknown for what has no number.
    NoOrUnknown,
}

impl Quick {
    pub(super) fn of(test: &Test, ignore_case: bool) -> Self {
        match test {
            Test::Equals(expected) if !ignore_case => Self::one_of(&[head(expected)]),
            Test::OneOf(texts) if !ignore_case && texts.len() <= FEW => {
                let heads: Vec<u64> = texts.iter().map(head).collect();
                Self::one_of(&heads)
            }
            Test::Version(comparison, expected) => {
                within(*comparison, expected).unwrap_or(Self::UNKNOWN)
            }
            _ => Self::UNKNOWN,
        }
    }

    /// Numbers don't tell.
    const UNKNOWN: Self = Self {
        by: Numbering::None,
        least: NOBODY,
        more: 0,
        otherwise: Otherwise::NoOrUnknown,
    };

    /// Whether the value's head is one of these.
    fn one_of(heads: &[u64]) -> Self {
        if heads.contains(&UNKNOWN) {
            return Self::UNKNOWN;
        }
        let (least, otherwise) = match heads {
            [] => (NOBODY, Otherwise::No),
            [one] => (*one, Otherwise::No),
            many => match Numbers::new(many) {
                Some(numbers) => (NOBODY, Otherwise::OneOf(numbers.into())),
                None => return Self::UNKNOWN,
            },
        };
        Self {
            by: Numbering::Head,
            least,
            more: 0,
            otherwise,
        }
    }

    /// Whether numbers tell of most values.
    pub(super) fn tells(&self) -> bool {
        self.by != Numbering::None
    }

    /// Whether the value of this number passes; `None` where the number doesn't tell.
    #[inline(always)]
    pub(super) fn verdict(&self, number: u64) -> Option<bool> {
        if number.wrapping_sub(self.least) <= self.more {
            return Some(true);
        }
        match &self.otherwise {
            Otherwise::No => Some(false),
            Otherwise::OneOf(numbers) => Some(numbers.contain(number)),
            Otherwise::NoOrUnknown => (number != UNKNOWN).then_some(false),
        }
    }
}

/// A handful of numbers in a table with room to spare, in which each has one place where it can be.
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    /// [`NOBODY`] where there is none; its size is a power of two.
    table: Box<[u64]>,
    multiplier: u64,
    /// How far a product is shifted to be a place.
    shift: u32,
}

impl Numbers {
    /// The table of these numbers. With eight numbers in 32 places one multiplier in three gives each a
    /// place of its own; they are tried in turn. `None` where none of them does.
    fn new(numbers: &[u64]) -> Option<Self> {
        const MOST_TRIES: usize = 100;
        let size = numbers.len().saturating_mul(4).next_power_of_two();
        let shift = u64::BITS.wrapping_sub(size.trailing_zeros());
        let next = |multiplier: &u64| Some(multiplier.wrapping_mul(GOLDEN));
        let mut multipliers = successors(Some(GOLDEN), next).take(MOST_TRIES);
        multipliers.find_map(|multiplier| {
            let mut this = Self {
                table: vec![NOBODY; size].into(),
                multiplier,
                shift,
            };
            for number in numbers {
                let place = this.place(*number);
                let free = this.table.get_mut(place).filter(|one| **one == NOBODY)?;
                *free = *number;
            }
            Some(this)
        })
    }

    #[inline]
    fn place(&self, number: u64) -> usize {
        let product = number.wrapping_mul(self.multiplier);
        #[allow(clippy::cast_possible_truncation)] // Few bits are left.
        let place = product.wrapping_shr(self.shift) as usize;
        place
    }

    #[inline]
    fn contain(&self, number: u64) -> bool {
        self.table.get(self.place(number)) == Some(&number)
    }
}

/// The releases that compare so to the expected one; `None` where there is none or that is no small
/// release.
fn within(comparison: Comparison, expected: &version::Version<Box<[u8]>>) -> Option<Quick> {
    let expected = version::release(expected.to_string().as_bytes())?;
    let (least, most) = match comparison {
        Comparison::Equal => (expected, expected),
        Comparison::Less => (0, expected.checked_sub(1)?),
        Comparison::LessOrEqual => (0, expected),
        Comparison::Greater => (expected.checked_add(1)?, NOBODY),
        Comparison::GreaterOrEqual => (expected, NOBODY),
    };
    Some(Quick {
        by: Numbering::Release,
        least,
        more: most.wrapping_sub(least),
        otherwise: Otherwise::NoOrUnknown,
    })
}

/// A number of its own for each text of up to seven bytes: the bytes, and in the highest place the
/// length; [`UNKNOWN`] for all longer ones.
#[inline]
fn head(bytes: &[u8]) -> u64 {
    let packed = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The last four bytes overlap with the first four and are shifted to their places.
        let Some(places) = [0, 8, 16, 24].get(bytes.len().wrapping_sub(4)) else {
            return UNKNOWN;
        };
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(*places);
        u64::from(u32::from_le_bytes(*first)) | last
    } else {
        match *bytes {
            [one] => one.into(),
            [one, two] => u16::from_le_bytes([one, two]).into(),
            [one, two, three] => u32::from_le_bytes([one, two, three, 0]).into(),
            _ => 0,
        }
    };
    packed | (bytes.len() as u64).wrapping_shl(56)
}

#[cfg(test)]
mod tests {
    use super::super::set::Texts;
    use super::super::{Condition, One};
    use super::*;
    use crate::attribute::AttributeId;
    use proptest::prelude::*;

    const COMPARISONS: [Comparison; 5] = [
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    /// Whether numbers and texts come to the same verdict.
    fn agree(test: Test, ignore_case: bool, value: &[u8]) {
        let condition = Condition::new(AttributeId(0), test, ignore_case);
        let holds = condition.holds(&One(Some(value)));
        assert_eq!(holds, condition.passes(value), "{condition}: {value:?}");
        assert!(!condition.holds(&One(None)), "{condition}");
    }

    #[test]
    fn short_texts_and_small_releases_are_decided_by_numbers() {
        let equals = |text: &str| Quick::of(&Test::Equals(text.as_bytes().into()), false);
        assert_eq!(equals("seven77"), Quick::one_of(&[head(b"seven77")]));
        assert!(equals("seven77").tells());
        assert_eq!(equals("eight888"), Quick::UNKNOWN);
        let version = |comparison, text: &[u8]| {
            let version = version::Version::parse(text).unwrap().to_owned();
            Quick::of(&Test::Version(comparison, version.into()), false)
        };
        let small = 2 << 40 | 3 << 20;
        let above = Quick {
            by: Numbering::Release,
            least: small + 1,
            more: NOBODY - small - 1,
            otherwise: Otherwise::NoOrUnknown,
        };
        assert_eq!(version(Comparison::Greater, b"2.3.0"), above);
        assert_eq!(version(Comparison::Less, b"0.0.0"), Quick::UNKNOWN);
        assert_eq!(version(Comparison::Less, b"2.3.0-a"), Quick::UNKNOWN);
        let same = [&b"2.3.0+a"[..], b"2.3.0"].map(|text| version(Comparison::Less, text));
        assert_eq!(same[0], same[1], "build metadata doesn't count");
    }

    #[test]
    fn eight_numbers_have_a_table_and_no_other_number_is_in_it() {
        for round in 0..200_u64 {
            let numbers: Vec<u64> = (0..FEW as u64)
                .map(|place| head(format!("{round}{}", place * (round + 1)).as_bytes()))
                .collect();
            let table = Numbers::new(&numbers).unwrap();
            assert!(numbers.iter().all(|number| table.contain(*number)));
            let others = [UNKNOWN, MISSING, 0, head(b""), head(b"other")];
            assert!(!others.iter().any(|number| table.contain(*number)));
        }
        assert_eq!(Numbers::new(&[7, 7]), None, "one place each");
    }

    proptest! {
        #[test]
        fn numbers_and_texts_agree_on_texts(
            texts in prop::collection::vec("[ab]{0,9}", 1..12), value in "[abA]{0,9}", ignore_case: bool,
        ) {
            for value in texts.iter().chain([&value]) {
                for text in &texts {
                    agree(Test::Equals(text.as_bytes().into()), ignore_case, value.as_bytes());
                }
                let set = Texts::new(texts.iter().map(String::as_str), ignore_case);
                agree(Test::OneOf(set.into()), ignore_case, value.as_bytes());
            }
        }

        #[test]
        fn numbers_and_texts_agree_on_versions(
            left in "[0-9]{1,2}[.][0-9][.][0-9]{1,10}([-+][a1]{0,2})?", right in "[0-2][.][0-2][.][0-9](-[a1])?",
        ) {
            for comparison in COMPARISONS {
                for value in [&left, &right] {
                    let expected = version::Version::parse(right.as_bytes()).unwrap().to_owned();
                    agree(Test::Version(comparison, expected.into()), false, value.as_bytes());
                }
            }
        }

        #[test]
        fn heads_tell_short_texts_apart(
            text in prop::collection::vec(0..3_u8, 0..12), value in prop::collection::vec(0..3_u8, 0..12),
        ) {
            let is_same = head(&text) == head(&value);
            let are_long = text.len() > 7 && value.len() > 7;
            prop_assert_eq!(is_same, text == value || are_long);
        }
    }
}
