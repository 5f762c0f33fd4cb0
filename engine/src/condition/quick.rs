//! Tests that are decided by a number. Most values that rules name have at most seven bytes and most
//! versions are small releases: comparing one number is a call to `memcmp` or a walk over digits less.

use super::{Comparison, Test, version};

/// The number of every text that is longer than seven bytes.
const LONG: u64 = u64::MAX;

/// Up to so many numbers are looked at one by one.
const FEW: usize = 8;

/// A test in numbers, with the same verdict as the [`Test`] that it was made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Quick {
    /// The value's [`head`] is this one.
    Head(u64),
    /// The value's [`head`] is one of these.
    Heads(Box<[u64]>),
    /// The value's [`release`](version::release) lies between these. Says nothing of values that
    /// are no small releases.
    Release { least: u64, most: u64 },
    /// Numbers don't tell.
    Unknown,
}

impl Quick {
    pub(super) fn of(test: &Test, ignore_case: bool) -> Self {
        match test {
            Test::Equals(expected) if !ignore_case => match head(expected) {
                LONG => Self::Unknown,
                head => Self::Head(head),
            },
            Test::OneOf(texts) if !ignore_case && texts.len() <= FEW => {
                let heads: Box<[u64]> = texts.iter().map(head).collect();
                if heads.contains(&LONG) {
                    Self::Unknown
                } else {
                    Self::Heads(heads)
                }
            }
            Test::Version(comparison, expected) => {
                within(*comparison, expected).unwrap_or(Self::Unknown)
            }
            _ => Self::Unknown,
        }
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
        Comparison::Greater => (expected.checked_add(1)?, u64::MAX),
        Comparison::GreaterOrEqual => (expected, u64::MAX),
    };
    Some(Quick::Release { least, most })
}

/// A number of its own for each text of up to seven bytes: the bytes, and in the highest place the
/// length. All longer texts have one number.
#[inline]
#[must_use]
pub fn head(bytes: &[u8]) -> u64 {
    let packed = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The last four bytes overlap with the first four and are shifted to their places.
        let Some(places) = [0, 8, 16, 24].get(bytes.len().wrapping_sub(4)) else {
            return LONG;
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
        assert_eq!(equals("seven77"), Quick::Head(head(b"seven77")));
        assert_eq!(equals("eight888"), Quick::Unknown);
        let version = |comparison, text: &[u8]| {
            let version = version::Version::parse(text).unwrap().to_owned();
            Quick::of(&Test::Version(comparison, version.into()), false)
        };
        let small = 2 << 40 | 3 << 20;
        let above = Quick::Release {
            least: small + 1,
            most: u64::MAX,
        };
        assert_eq!(version(Comparison::Greater, b"2.3.0"), above);
        assert_eq!(version(Comparison::Less, b"0.0.0"), Quick::Unknown);
        assert_eq!(version(Comparison::Less, b"2.3.0-a"), Quick::Unknown);
        let same = [&b"2.3.0+a"[..], b"2.3.0"].map(|text| version(Comparison::Less, text));
        assert_eq!(same[0], same[1], "build metadata doesn't count");
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
