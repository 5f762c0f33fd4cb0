//! One test of one attribute. What lives here: compiled tests and their evaluation. What does not:
//! how conditions combine (see [`audience`](crate::audience)), and their wire form and its faults
//! (see [`compile`](crate::compile)).

pub mod network;
pub mod number;
pub mod pattern;
mod quick;
pub mod set;
pub mod version;

pub use quick::Numbering;

use crate::attribute::{AttributeId, Subject};
use network::Networks;
use number::Number;
use pattern::{Needle, Pattern};
use quick::Quick;
use set::Texts;
use std::cmp::Ordering;
use std::fmt;
use version::Version;

/// True where the attribute is there and passes the test. A missing attribute passes none.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(crate) attribute: AttributeId,
    pub(crate) ignore_case: bool,
    /// More than one rule asks it.
    pub(crate) is_shared: bool,
    test: Test,
    quick: Quick,
}

/// A condition in short: it may not be able to tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    attribute: AttributeId,
    quick: Quick,
}

impl Check {
    /// As [`Condition::holds`]; `None` where the value has no number.
    #[inline(always)]
    pub(crate) fn holds(&self, subject: &impl Subject) -> Option<bool> {
        let number = subject.number(self.attribute, self.quick.by);
        self.quick.verdict(number)
    }
}

/// What an attribute's value is held against: byte for byte, or without ASCII case where the
/// [`Condition`] says so.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value; an empty one counts.
    Present,
    /// The value is this.
    Equals(Box<[u8]>),
    /// The value is one of these.
    OneOf(Box<Texts>),
    /// The value starts with this.
    Prefix(Box<[u8]>),
    /// The value ends with this.
    Suffix(Box<[u8]>),
    /// The value has this in it.
    Contains(Box<Needle>),
    /// The value matches this somewhere.
    Matches(Box<Pattern>),
    /// The value is a number, and compares like this.
    Number(Comparison, Box<Number<Box<[u8]>>>),
    /// The value is a semantic version, and compares like this.
    Version(Comparison, Box<Version<Box<[u8]>>>),
    /// The value compares like this, byte by byte.
    Text(Comparison, Box<[u8]>),
    /// The value is an address in one of these networks.
    InNetworks(Box<Networks>),
}

/// How a value must compare to what is expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// Neither less nor greater.
    Equal,
    /// Less.
    Less,
    /// Not greater.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Not less.
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Condition {
    pub(crate) fn new(attribute: AttributeId, test: Test, ignore_case: bool) -> Self {
        Self {
            attribute,
            ignore_case,
            is_shared: false,
            quick: Quick::of(&test, ignore_case),
            test,
        }
    }

    /// The attribute that is tested.
    #[must_use]
    pub fn attribute(&self) -> AttributeId {
        self.attribute
    }

    /// What it is held against.
    #[must_use]
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// Whether the subject's value is there and passes. What can be decided by a number is.
    #[inline(always)]
    pub(crate) fn holds(&self, subject: &impl Subject) -> bool {
        let number = subject.number(self.attribute, self.quick.by);
        let verdict = self.quick.verdict(number);
        verdict.unwrap_or_else(|| self.holds_in_full(subject))
    }

    /// The short form, where numbers tell of most values.
    pub(crate) fn check(&self) -> Option<Check> {
        self.quick.tells().then(|| Check {
            attribute: self.attribute,
            quick: self.quick.clone(),
        })
    }

    #[inline(never)]
    fn holds_in_full(&self, subject: &impl Subject) -> bool {
        let value = subject.get(self.attribute);
        value.is_some_and(|value| self.passes(value))
    }

    /// Whether the value passes.
    #[must_use]
    pub fn passes(&self, value: &[u8]) -> bool {
        self.test.passes(value, self.ignore_case)
    }
}

impl Test {
    fn passes(&self, value: &[u8], ignore_case: bool) -> bool {
        let is = |expected: &[u8], part: &[u8]| {
            if ignore_case {
                expected.eq_ignore_ascii_case(part)
            } else {
                expected == part
            }
        };
        match self {
            Self::Present => true,
            Self::Equals(expected) => is(expected, value),
            Self::OneOf(texts) => texts.contain(value),
            Self::Prefix(prefix) => value
                .get(..prefix.len())
                .is_some_and(|start| is(prefix, start)),
            Self::Suffix(suffix) => value
                .len()
                .checked_sub(suffix.len())
                .and_then(|at| value.get(at..))
                .is_some_and(|end| is(suffix, end)),
            Self::Contains(needle) => needle.is_in(value),
            Self::Matches(pattern) => pattern.matches(value),
            Self::Number(comparison, expected) => Number::parse(value)
                .is_some_and(|number| comparison.holds(number.compare(expected))),
            Self::Version(comparison, expected) => Version::parse(value)
                .is_some_and(|version| comparison.holds(version.compare(expected))),
            Self::Text(comparison, expected) => comparison.holds(value.cmp(expected)),
            Self::InNetworks(networks) => networks.contain(value),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equals",
            Self::Less => "less than",
            Self::LessOrEqual => "at most",
            Self::Greater => "greater than",
            Self::GreaterOrEqual => "at least",
        })
    }
}

/// As a person would say it: `starts with "2."`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
        match &self.test {
            Test::Present => f.write_str("is present"),
            Test::Equals(expected) => write!(f, "equals {}", text(expected)),
            Test::OneOf(texts) => one_of(f, texts),
            Test::Prefix(prefix) => write!(f, "starts with {}", text(prefix)),
            Test::Suffix(suffix) => write!(f, "ends with {}", text(suffix)),
            Test::Contains(needle) => write!(f, "contains {}", text(needle.text())),
            Test::Matches(pattern) => write!(f, "matches {:?}", pattern.text()),
            Test::Number(comparison, number) => write!(f, "number {comparison} {number}"),
            Test::Version(comparison, version) => write!(f, "version {comparison} {version}"),
            Test::Text(comparison, expected) => write!(f, "text {comparison} {}", text(expected)),
            Test::InNetworks(_) => f.write_str("is in the networks"),
        }?;
        f.write_str(if self.ignore_case {
            " without case"
        } else {
            ""
        })
    }
}

/// The first few; nobody reads 100,000.
fn one_of(f: &mut fmt::Formatter<'_>, texts: &Texts) -> fmt::Result {
    const SHOWN: usize = 5;
    f.write_str("is one of")?;
    for text in texts.iter().take(SHOWN) {
        write!(f, " {:?}", String::from_utf8_lossy(text))?;
    }
    match texts.len().checked_sub(SHOWN) {
        Some(more @ 1..) => write!(f, " and {more} more"),
        _ => Ok(()),
    }
}

/// A subject with one value for every attribute.
#[cfg(test)]
struct One<'a>(Option<&'a [u8]>);

#[cfg(test)]
impl Subject for One<'_> {
    fn get(&self, _: AttributeId) -> Option<&[u8]> {
        self.0
    }

    fn chance(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(test: Test) -> Condition {
        Condition::new(AttributeId(0), test, false)
    }

    /// Each test with a value that passes and one that doesn't.
    fn every_test() -> Vec<(Test, &'static [u8], &'static [u8])> {
        let number = Number::parse(b"2.0").unwrap().to_owned();
        let version = Version::parse(b"2.0.0").unwrap().to_owned();
        let networks = Networks::parse(["10.0.0.0/8"]).unwrap();
        vec![
            (Test::Equals((*b"gold").into()), b"gold", b"Gold"),
            (
                Test::OneOf(Texts::new(["gold", "silver"], false).into()),
                b"gold",
                b"gol",
            ),
            (Test::Prefix((*b"go").into()), b"gold", b"Gold"),
            (Test::Suffix((*b"ld").into()), b"gold", b"golds"),
            (
                Test::Contains(Needle::new("ol", false).into()),
                b"gold",
                b"gOld",
            ),
            (
                Test::Matches(Pattern::new("^g.*d$", false).unwrap().into()),
                b"gold",
                b"golds",
            ),
            (
                Test::Number(Comparison::Greater, number.into()),
                b"2.1",
                b"2",
            ),
            (
                Test::Version(Comparison::Less, version.into()),
                b"2.0.0-rc.1",
                b"2.0.0",
            ),
            (
                Test::Text(Comparison::GreaterOrEqual, (*b"09:00").into()),
                b"09:00",
                b"08:59",
            ),
            (Test::InNetworks(networks.into()), b"10.1.1.1", b"11.1.1.1"),
        ]
    }

    #[test]
    fn every_test_passes_on_its_value_and_on_no_other() {
        for (test, right, wrong) in every_test() {
            let condition = condition(test);
            assert!(condition.holds(&One(Some(right))), "{condition}");
            assert!(!condition.holds(&One(None)), "{condition}");
            assert!(condition.passes(right), "{condition}");
            for wrong in [wrong, b"", b"\xff\xfe", b"nan"] {
                if !matches!(condition.test, Test::Text(..)) {
                    assert!(!condition.passes(wrong), "{condition}");
                    assert!(!condition.holds(&One(Some(wrong))), "{condition}");
                }
            }
        }
        let text = Test::Text(Comparison::Less, (*b"b").into());
        assert!(condition(text).passes(b"a"));
        assert!(condition(Test::Present).passes(b""));
    }

    #[test]
    fn case_is_ignored_where_asked() {
        let any_case = |test| Condition::new(AttributeId(0), test, true);
        let tests = [
            Test::Equals((*b"gold").into()),
            Test::OneOf(Texts::new(["Gold", "silver"], true).into()),
            Test::Prefix((*b"GO").into()),
            Test::Suffix((*b"LD").into()),
            Test::Contains(Needle::new("oL", true).into()),
            Test::Matches(Pattern::new("^G.LD$", true).unwrap().into()),
        ];
        for condition in tests.map(any_case) {
            assert!(condition.passes(b"gOlD"), "{condition}");
            assert!(!condition.passes(b"g"), "{condition}");
            assert!(!condition.passes(b""), "{condition}");
        }
    }

    #[test]
    fn comparisons_mean_what_they_say() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let holds = |comparison: Comparison| {
            [Ordering::Less, Ordering::Equal, Ordering::Greater].map(|o| comparison.holds(o))
        };
        assert_eq!(holds(Equal), [false, true, false]);
        assert_eq!(holds(Less), [true, false, false]);
        assert_eq!(holds(LessOrEqual), [true, true, false]);
        assert_eq!(holds(Greater), [false, false, true]);
        assert_eq!(holds(GreaterOrEqual), [false, true, true]);
    }

    #[test]
    fn a_condition_reads_like_a_sentence() {
        let said: Vec<_> = every_test()
            .into_iter()
            .map(|(test, ..)| condition(test).to_string())
            .collect();
        let expected = [
            "equals \"gold\"",
            "is one of \"gold\" \"silver\"",
            "starts with \"go\"",
            "ends with \"ld\"",
            "contains \"ol\"",
            "matches \"^g.*d$\"",
            "number greater than 2",
            "version less than 2.0.0",
            "text at least \"09:00\"",
            "is in the networks",
        ];
        assert_eq!(said, expected);
    }
}
