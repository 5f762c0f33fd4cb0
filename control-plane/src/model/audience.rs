//! Audiences: who is eligible for an experiment, in a segment or meant by a routing rule, as a tree
//! of all / any / not over conditions and segments. What a rule means for a request is the
//! engine's; how people write one is in `rule_spec`.

use super::attribute::Attribute;
use super::comparison::{Bound, Ordering};
use super::key::Key;

/// A validated rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// True where every rule is.
    All(Vec<Rule>),
    /// True where one rule is.
    Any(Vec<Rule>),
    /// True where the rule is not.
    Not(Box<Rule>),
    /// True where the segment's rule is.
    Segment(Key),
    /// A test of one attribute; false where the attribute is missing.
    Condition(Condition),
}

/// A test of one attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What is tested.
    pub attribute: Attribute,
    /// What is asked of it.
    pub test: Test,
    /// Whether ASCII letters are compared without case; only where [`Test::has_case`].
    pub ignore_case: bool,
}

/// What a condition asks of a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// The value is this.
    Equals(String),
    /// The value is one of these; never empty.
    OneOf(Vec<String>),
    /// The value begins with this.
    Prefix(String),
    /// The value ends with this.
    Suffix(String),
    /// This is somewhere in the value.
    Contains(String),
    /// The expression matches somewhere in the value.
    Regex(String),
    /// The value is within every bound; never empty.
    Compare(Ordering, Vec<Bound>),
    /// The value is an address in one of these networks; never empty.
    InNetworks(Vec<String>),
    /// There is a value.
    Present,
}

impl Test {
    /// Whether the test tells upper from lower case.
    #[must_use]
    pub fn has_case(&self) -> bool {
        match self {
            Self::Equals(_)
            | Self::OneOf(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Contains(_)
            | Self::Regex(_) => true,
            Self::Compare(..) | Self::InNetworks(_) | Self::Present => false,
        }
    }
}

impl Rule {
    /// The segments that it names, with repetitions.
    #[must_use]
    pub fn segments(&self) -> Vec<&Key> {
        let mut found = Vec::new();
        self.collect_segments(&mut found);
        found
    }

    fn collect_segments<'a>(&'a self, found: &mut Vec<&'a Key>) {
        match self {
            Self::All(rules) | Self::Any(rules) => {
                for rule in rules {
                    rule.collect_segments(found);
                }
            }
            Self::Not(rule) => rule.collect_segments(found),
            Self::Segment(key) => found.push(key),
            Self::Condition(_) => {}
        }
    }
}
