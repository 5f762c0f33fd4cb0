//! Semantic Versioning 2.0.0: versions as text and their precedence (section 11). Numbers may have
//! any length; build metadata is checked and doesn't count.

use super::number::{compare_digits, is_digits};
use std::cmp::Ordering;
use std::fmt;

/// A version in its parts. `B` holds text: borrowed from a request, owned in a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version<B> {
    major: B,
    minor: B,
    patch: B,
    /// Empty for a release.
    pre: B,
}

impl<'a> Version<&'a [u8]> {
    /// The version, `None` where the text is none. A leading `v` is none.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (text, build) = split(text, b'+');
        let (core, pre) = split(text, b'-');
        let (major, rest) = split(core, b'.');
        let (minor, patch) = split(rest?, b'.');
        let version = Self {
            major,
            minor,
            patch: patch?,
            pre: pre.unwrap_or_default(),
        };
        let numbers = [version.major, version.minor, version.patch];
        let is_legal = numbers.iter().all(|number| is_number(number))
            && pre.is_none_or(|pre| identifiers(pre).all(is_pre_identifier))
            && build.is_none_or(|build| identifiers(build).all(is_identifier));
        is_legal.then_some(version)
    }

    /// The version for a plan.
    #[must_use]
    pub fn to_owned(self) -> Version<Box<[u8]>> {
        Version {
            major: self.major.into(),
            minor: self.minor.into(),
            patch: self.patch.into(),
            pre: self.pre.into(),
        }
    }
}

/// The three numbers of a release in one, in whose order releases are, where each is below 2^20.
/// `None` for anything else, legal or not.
#[must_use]
#[inline]
pub fn release(text: &[u8]) -> Option<u64> {
    const BITS: u32 = 20;
    let mut bytes = text.iter();
    let mut key = 0_u64;
    for part in 0..3 {
        let mut number = digit(*bytes.next()?)?;
        loop {
            let Some(byte) = bytes.next() else {
                let whole = key.wrapping_shl(BITS) | u64::from(number);
                return (part == 2).then_some(whole);
            };
            let Some(digit) = digit(*byte) else {
                if *byte != b'.' {
                    return None;
                }
                break;
            };
            if number == 0 {
                return None;
            }
            number = number.wrapping_mul(10).wrapping_add(digit);
            if number.wrapping_shr(BITS) != 0 {
                return None;
            }
        }
        key = key.wrapping_shl(BITS) | u64::from(number);
    }
    None
}

#[inline]
fn digit(byte: u8) -> Option<u32> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit.into())
}

impl<B: AsRef<[u8]>> Version<B> {
    /// How this version's precedence compares to that of `other`.
    #[must_use]
    pub fn compare<C: AsRef<[u8]>>(&self, other: &Version<C>) -> Ordering {
        compare_digits(self.major.as_ref(), other.major.as_ref())
            .then_with(|| compare_digits(self.minor.as_ref(), other.minor.as_ref()))
            .then_with(|| compare_digits(self.patch.as_ref(), other.patch.as_ref()))
            .then_with(|| compare_pre(self.pre.as_ref(), other.pre.as_ref()))
    }
}

impl<B: AsRef<[u8]>> fmt::Display for Version<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: &B| String::from_utf8_lossy(part.as_ref()).into_owned();
        let (major, minor, patch) = (text(&self.major), text(&self.minor), text(&self.patch));
        let pre = text(&self.pre);
        let dash = if pre.is_empty() { "" } else { "-" };
        write!(f, "{major}.{minor}.{patch}{dash}{pre}")
    }
}

fn compare_pre(left: &[u8], right: &[u8]) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => identifiers(left)
            .map(Identifier)
            .cmp(identifiers(right).map(Identifier)),
    }
}

/// One identifier of a pre-release, ordered as section 11.4 has it.
#[derive(Eq, PartialEq)]
struct Identifier<'a>(&'a [u8]);

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (is_digits(self.0), is_digits(other.0)) {
            (true, true) => compare_digits(self.0, other.0),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        }
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Up to the first `separator`, and behind it.
fn split(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let at = text.iter().position(|&byte| byte == separator);
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((before, rest)) => (before, rest.get(1..)),
        None => (text, None),
    }
}

fn identifiers(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'.')
}

fn is_number(text: &[u8]) -> bool {
    is_digits(text) && (text.len() == 1 || !text.starts_with(b"0"))
}

fn is_identifier(text: &[u8]) -> bool {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    !text.is_empty() && text.iter().all(is_legal)
}

fn is_pre_identifier(text: &[u8]) -> bool {
    is_identifier(text) && (!is_digits(text) || is_number(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(left: &str, right: &str) -> Ordering {
        let parse = |text: &str| Version::parse(text.as_bytes()).expect(text).to_owned();
        parse(left).compare(&parse(right))
    }

    /// The examples of section 11, and numbers beyond any machine's.
    #[test]
    fn precedence_is_that_of_the_specification() {
        let ascending = [
            "0.0.0",
            "0.0.1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
            "2.10.0",
            "99999999999999999999999.0.0",
            "100000000000000000000000.0.0",
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare("1.0.0+a.1", "1.0.0+b"), Ordering::Equal);
        assert_eq!(compare("1.0.0-a-b+x", "1.0.0-a-b"), Ordering::Equal);
    }

    #[test]
    fn the_short_way_is_taken_by_small_releases_alone() {
        assert_eq!(release(b"0.10.1048575"), Some((10 << 20) + 1_048_575));
        for text in [
            "1.2",
            "01.2.3",
            "1.2.3-a",
            "1.2.3+b",
            "1.2.1048576",
            "1.2.3.4",
            "",
            "1..2",
            "1.2.",
        ] {
            assert_eq!(release(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "01.2.3",
            "1.02.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.3+a+b",
            "1.2.3-é",
            " 1.2.3",
            "1.2.x",
            "-1.2.3",
            "1..3",
        ] {
            assert_eq!(Version::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Version::parse(b"1.2.3-0a").is_some());
        assert!(Version::parse(b"1.2.3+01").is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_version_or_none(bytes in prop::collection::vec(any::<u8>(), 0..20), text in "[0-9.+a-]{0,12}") {
            let _ = (Version::parse(&bytes), Version::parse(text.as_bytes()));
        }

        #[test]
        fn cores_compare_number_by_number(left: [u16; 3], right: [u16; 3]) {
            let text = |n: [u16; 3]| format!("{}.{}.{}", n[0], n[1], n[2]);
            prop_assert_eq!(compare(&text(left), &text(right)), left.cmp(&right));
        }
    }
}
