//! Audiences: who is eligible for an experiment, as a tree of all / any / not over conditions.
//! What an audience means for a request is the engine's.

use super::attribute::{Attribute, Fields};
use super::check;
use super::fault::Faults;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;

/// A rule as it is written: exactly one of `all`, `any` and `not`, or one source with one test.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// True where every rule is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<RuleSpec>>,
    /// True where one rule is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<RuleSpec>>,
    /// True where the rule is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<RuleSpec>>,
    /// Source: a request header by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Source: a cookie by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Source: a query parameter by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Source, where true: the path without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<bool>,
    /// Source, where true: the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<bool>,
    /// Source, where true: the host without its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<bool>,
    /// Test: the value is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Test: the value is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// Test: the value begins with this; for `path`, any prefix of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Test, where true: there is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// A validated rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// True where every rule is.
    All(Vec<Rule>),
    /// True where one rule is.
    Any(Vec<Rule>),
    /// True where the rule is not.
    Not(Box<Rule>),
    /// A test of one attribute; false where the attribute is missing.
    Condition(Attribute, Test),
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
    /// There is a value.
    Present,
}

const SHAPE: &str = "one of `all`, `any`, `not`, or one source (header, cookie, query, path, method, host) with one test (equals, one_of, prefix, present)";

impl RuleSpec {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub fn validate(&self, at: &str, faults: &mut Faults) -> Option<Rule> {
        self.rule(at, 1, faults)
    }

    fn rule(&self, at: &str, depth: usize, faults: &mut Faults) -> Option<Rule> {
        if depth > limits::RULE_DEPTH {
            faults.add(
                at,
                "nests too deep",
                format!("at most {} levels", limits::RULE_DEPTH),
            );
            return None;
        }
        let leaf = !self.sources().given().is_empty() || !self.tests().is_empty();
        match (&self.all, &self.any, &self.not, leaf) {
            (Some(rules), None, None, false) => {
                list(rules, &format!("{at}/all"), depth, faults).map(Rule::All)
            }
            (None, Some(rules), None, false) => {
                list(rules, &format!("{at}/any"), depth, faults).map(Rule::Any)
            }
            (None, None, Some(rule), false) => {
                let inner = rule.rule(&format!("{at}/not"), depth.saturating_add(1), faults);
                inner.map(|rule| Rule::Not(Box::new(rule)))
            }
            (None, None, None, true) => self.condition(at, faults),
            (None, None, None, false) => {
                faults.add(at, "is empty", SHAPE);
                None
            }
            _ => {
                faults.add(at, "is several things at once", SHAPE);
                None
            }
        }
    }

    fn condition(&self, at: &str, faults: &mut Faults) -> Option<Rule> {
        let sources = self.sources();
        let attribute = match sources.given().as_slice() {
            [_] => sources.read(at, faults),
            given => {
                faults.add(at, format!("has {}", counted(given, "source")), SHAPE);
                None
            }
        };
        let test = match self.tests().as_slice() {
            [_] => self.test(at, faults),
            given => {
                faults.add(at, format!("has {}", counted(given, "test")), SHAPE);
                None
            }
        };
        Some(Rule::Condition(attribute?, test?))
    }

    fn test(&self, at: &str, faults: &mut Faults) -> Option<Test> {
        if let Some(value) = &self.equals {
            return bounded(value, &format!("{at}/equals"), faults).map(Test::Equals);
        }
        if let Some(value) = &self.prefix {
            return bounded(value, &format!("{at}/prefix"), faults).map(Test::Prefix);
        }
        if let Some(values) = &self.one_of {
            return one_of(values, &format!("{at}/one_of"), faults);
        }
        if self.present == Some(false) {
            faults.add(
                format!("{at}/present"),
                "is false",
                "true; for the opposite put the condition below `not`",
            );
            return None;
        }
        Some(Test::Present)
    }

    fn sources(&self) -> Fields<'_> {
        Fields {
            header: self.header.as_deref(),
            cookie: self.cookie.as_deref(),
            query: self.query.as_deref(),
            path: self.path,
            method: self.method,
            host: self.host,
        }
    }

    fn tests(&self) -> Vec<&'static str> {
        [
            ("equals", self.equals.is_some()),
            ("one_of", self.one_of.is_some()),
            ("prefix", self.prefix.is_some()),
            ("present", self.present.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

fn counted(given: &[&str], what: &str) -> String {
    if given.is_empty() {
        format!("no {what}")
    } else {
        format!("{} {what}s: {}", given.len(), given.join(", "))
    }
}

fn list(specs: &[RuleSpec], at: &str, depth: usize, faults: &mut Faults) -> Option<Vec<Rule>> {
    check::length(specs.len(), &(1..=limits::RULES), at, faults)?;
    let rules: Vec<Option<Rule>> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| spec.rule(&format!("{at}/{index}"), depth.saturating_add(1), faults))
        .collect();
    rules.into_iter().collect()
}

fn one_of(values: &[String], at: &str, faults: &mut Faults) -> Option<Test> {
    check::length(values.len(), &(1..=limits::VALUES), at, faults)?;
    check::unique(values, at, faults)?;
    let values: Vec<Option<String>> = values
        .iter()
        .enumerate()
        .map(|(index, value)| bounded(value, &format!("{at}/{index}"), faults))
        .collect();
    Some(Test::OneOf(values.into_iter().collect::<Option<_>>()?))
}

fn bounded(value: &str, at: &str, faults: &mut Faults) -> Option<String> {
    if value.is_empty() || value.len() > limits::VALUE_BYTES {
        faults.add(
            at,
            format!("has {} bytes", value.len()),
            format!("1 to {} bytes", limits::VALUE_BYTES),
        );
        return None;
    }
    Some(value.to_owned())
}

impl From<&Rule> for RuleSpec {
    fn from(rule: &Rule) -> Self {
        let mut spec = Self::default();
        match rule {
            Rule::All(rules) => spec.all = Some(rules.iter().map(Self::from).collect()),
            Rule::Any(rules) => spec.any = Some(rules.iter().map(Self::from).collect()),
            Rule::Not(rule) => spec.not = Some(Box::new(Self::from(&**rule))),
            Rule::Condition(attribute, test) => {
                spec.name(attribute);
                match test {
                    Test::Equals(value) => spec.equals = Some(value.clone()),
                    Test::OneOf(values) => spec.one_of = Some(values.clone()),
                    Test::Prefix(value) => spec.prefix = Some(value.clone()),
                    Test::Present => spec.present = Some(true),
                }
            }
        }
        spec
    }
}

impl RuleSpec {
    fn name(&mut self, attribute: &Attribute) {
        match attribute {
            Attribute::Header(name) => self.header = Some(name.clone()),
            Attribute::Cookie(name) => self.cookie = Some(name.clone()),
            Attribute::Query(name) => self.query = Some(name.clone()),
            Attribute::Path => self.path = Some(true),
            Attribute::Method => self.method = Some(true),
            Attribute::Host => self.host = Some(true),
        }
    }
}
