//! Who is eligible. What lives here: compiled rules and their evaluation. What does not: their
//! wire form and its faults (see [`compile`](crate::compile)).

use crate::attribute::{AttributeId, Subject};

/// A rule over attributes.
///
/// A missing attribute makes every [`Test`] false, so [`Rule::Not`] of it is true.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// True where every rule is; true when empty.
    All(Box<[Rule]>),
    /// True where one rule is; false when empty.
    Any(Box<[Rule]>),
    /// True where the rule is not.
    Not(Box<Rule>),
    /// True where the attribute is there and passes.
    Test(AttributeId, Test),
}

/// What an attribute's value is held against, byte for byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// The value is this.
    Equals(Box<[u8]>),
    /// The value is one of these, kept in ascending order.
    OneOf(Box<[Box<[u8]>]>),
    /// The value starts with this.
    Prefix(Box<[u8]>),
    /// There is a value; an empty one counts.
    Present,
}

impl Rule {
    /// The verdict on `subject`.
    pub fn holds(&self, subject: &impl Subject) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.holds(subject)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(subject)),
            Self::Not(rule) => !rule.holds(subject),
            Self::Test(attribute, test) => subject
                .get(*attribute)
                .is_some_and(|value| test.passes(value)),
        }
    }
}

impl Test {
    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Equals(expected) => **expected == *value,
            Self::OneOf(sorted) => sorted
                .binary_search_by(|candidate| (**candidate).cmp(value))
                .is_ok(),
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Present => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One attribute, there or not.
    struct One(Option<&'static [u8]>);

    impl Subject for One {
        fn get(&self, _: AttributeId) -> Option<&[u8]> {
            self.0
        }
    }

    fn test(test: Test) -> Rule {
        Rule::Test(AttributeId(0), test)
    }

    fn not(rule: Rule) -> Rule {
        Rule::Not(Box::new(rule))
    }

    fn every_test() -> [Test; 4] {
        [
            Test::Equals((*b"gold").into()),
            Test::OneOf([(*b"gold").into(), (*b"silver").into()].into()),
            Test::Prefix((*b"go").into()),
            Test::Present,
        ]
    }

    #[test]
    fn every_test_passes_on_its_value() {
        for rule in every_test().map(test) {
            assert!(rule.holds(&One(Some(b"gold"))), "{rule:?}");
            assert!(!not(rule).holds(&One(Some(b"gold"))));
        }
    }

    #[test]
    fn a_missing_attribute_fails_every_test_and_passes_its_not() {
        for rule in every_test().map(test) {
            assert!(!rule.holds(&One(None)), "{rule:?}");
            assert!(not(rule).holds(&One(None)));
        }
    }

    #[test]
    fn values_are_compared_byte_for_byte() {
        let [equals, one_of, prefix, present] = every_test().map(test);
        for value in [&b"Gold"[..], b"", b"g", b"\xff\xfe"] {
            assert!(!equals.holds(&One(Some(b"golden"))));
            assert!(![&equals, &one_of, &prefix].iter().any(|rule| {
                let bytes: &'static [u8] = value;
                rule.holds(&One(Some(bytes)))
            }));
            assert!(present.holds(&One(Some(value))));
        }
    }

    #[test]
    fn empty_all_is_true_and_empty_any_is_false() {
        assert!(Rule::All([].into()).holds(&One(None)));
        assert!(!Rule::Any([].into()).holds(&One(None)));
    }

    #[test]
    fn all_needs_every_rule_and_any_needs_one() {
        let yes = || Rule::All([].into());
        let no = || Rule::Any([].into());
        assert!(!Rule::All([yes(), no()].into()).holds(&One(None)));
        assert!(Rule::Any([no(), yes()].into()).holds(&One(None)));
    }
}
