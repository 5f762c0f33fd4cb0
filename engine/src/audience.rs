//! Who is eligible. What lives here: rules, how they combine conditions, and named segments. What
//! does not: the conditions themselves (see [`condition`](crate::condition)) and the evaluation,
//! which is part of the one walk (see [`walk`](crate::walk)).

use crate::condition::{Check, Condition};

/// A rule over attributes.
///
/// A missing attribute makes every condition false, so [`Rule::Not`] of it is true.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum Rule {
    /// True where every rule is; true when empty.
    All(Box<[Rule]>),
    /// True where one rule is; false when empty.
    Any(Box<[Rule]>),
    /// True where the rule is not.
    Not(Box<Rule>),
    /// True where the condition's attribute is there and passes.
    Condition(ConditionId),
    /// True where the segment's rule is.
    Segment(SegmentId),
}

impl Rule {
    /// The rule in short, where it is a list of conditions of most of which numbers tell.
    pub(crate) fn checks(&self, conditions: &[Condition]) -> Option<Box<[Check]>> {
        let check = |rule: &Self| match rule {
            Self::Condition(id) => conditions.get(id.0 as usize)?.check(),
            _ => None,
        };
        match self {
            Self::All(rules) => rules.iter().map(check).collect(),
            _ => None,
        }
    }
}

/// A condition by its place in the plan: equal conditions are kept once.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ConditionId(pub(crate) u32);

/// A segment by its place in the plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct SegmentId(pub(crate) u32);

/// A rule that audiences and routing rules share by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    pub(crate) key: Box<str>,
    pub(crate) rule: Rule,
}

impl Segment {
    /// The segment's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}
