//! Rules as people write them, and their validation into what `audience` holds.

use super::attribute::{Attribute, AttributeSpec, Fields, JwtClaim, SOURCES};
use super::audience::{Condition, Rule, Test};
use super::check;
use super::comparison::{Bound, ComparisonSpec, Ordering};
use super::fault::Faults;
use super::network;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;
use watershed_engine::condition::pattern::Pattern;

/// A rule as it is written: exactly one of `all`, `any`, `not` and `segment`, or one source with one
/// test.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// True where the segment of that name is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
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
    /// Source: a claim of a verified token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_claim: Option<JwtClaim>,
    /// Source: a JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Source, where true: the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<bool>,
    /// Source, where true: the length of the body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_size: Option<bool>,
    /// Source: the time as `15:04`, at `utc` or an offset as `+02:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<String>,
    /// Source: the day of the week as `mon`, at `utc` or an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_of_week: Option<String>,
    /// Source: the date as `2026-11-21`, at `utc` or an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Test: the value is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Test: the value is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// Test: the value begins with this; for `path`, any prefix of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Test: the value ends with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Test: this is somewhere in the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Test: the expression matches somewhere in the value, in the syntax of Rust's `regex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Test: bounds on the value as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<ComparisonSpec>,
    /// Test: bounds on the value as a semantic version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<ComparisonSpec>,
    /// Test: bounds on the value as text, for times and dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<ComparisonSpec>,
    /// Test: the value is an address in one of these networks, as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_networks: Option<Vec<String>>,
    /// Test, where true: there is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// Whether the test compares ASCII letters without case.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

const SHAPE: &str = "one of `all`, `any`, `not`, `segment`, or one source with one test";
const TESTS: &str = "one of equals, one_of, prefix, suffix, contains, regex, number, semver, text, in_networks, present";

/// A test that asks for one text.
type OfText = fn(String) -> Test;

impl RuleSpec {
    /// Validates, noting every fault below the JSON pointer `at`. Whether the segments exist is for
    /// the model.
    pub fn validate(&self, at: &str, faults: &mut Faults) -> Option<Rule> {
        self.rule(at, 1, faults)
    }

    /// The segments it names, each with its JSON pointer below `at`.
    pub(super) fn segments<'a>(&'a self, at: &str, found: &mut Vec<(String, &'a str)>) {
        let lists = [("all", &self.all), ("any", &self.any)];
        for (name, rules) in lists {
            for (index, rule) in rules.iter().flatten().enumerate() {
                rule.segments(&format!("{at}/{name}/{index}"), found);
            }
        }
        if let Some(rule) = &self.not {
            rule.segments(&format!("{at}/not"), found);
        }
        if let Some(segment) = &self.segment {
            found.push((format!("{at}/segment"), segment));
        }
    }

    fn rule(&self, at: &str, depth: usize, faults: &mut Faults) -> Option<Rule> {
        if depth > limits::RULE_DEPTH {
            let most = format!("at most {} levels", limits::RULE_DEPTH);
            faults.add(at, "nests too deep", most);
            return None;
        }
        let leaf =
            self.ignore_case || !self.sources().given().is_empty() || !self.tests().is_empty();
        match (&self.all, &self.any, &self.not, &self.segment, leaf) {
            (Some(rules), None, None, None, false) => {
                list(rules, &format!("{at}/all"), depth, faults).map(Rule::All)
            }
            (None, Some(rules), None, None, false) => {
                list(rules, &format!("{at}/any"), depth, faults).map(Rule::Any)
            }
            (None, None, Some(rule), None, false) => {
                let inner = rule.rule(&format!("{at}/not"), depth.saturating_add(1), faults);
                inner.map(|rule| Rule::Not(Box::new(rule)))
            }
            (None, None, None, Some(name), false) => {
                check::key(name, &format!("{at}/segment"), faults).map(Rule::Segment)
            }
            (None, None, None, None, true) => self.condition(at, depth, faults),
            (None, None, None, None, false) => {
                faults.add(at, "is empty", SHAPE);
                None
            }
            _ => {
                faults.add(at, "is several things at once", SHAPE);
                None
            }
        }
    }

    fn condition(&self, at: &str, depth: usize, faults: &mut Faults) -> Option<Rule> {
        let sources = self.sources();
        let attribute = match sources.given().as_slice() {
            [_] => sources.read(at, faults),
            given => {
                let expected = format!("one of {SOURCES}");
                faults.add(at, format!("has {}", counted(given, "source")), expected);
                None
            }
        };
        let test = match self.tests().as_slice() {
            [_] => self.test(at, faults),
            given => {
                faults.add(at, format!("has {}", counted(given, "test")), TESTS);
                None
            }
        };
        let (attribute, test) = (attribute?, test?);
        if let Test::Regex(expression) = &test {
            expressed(expression, &format!("{at}/regex"), faults)?;
        }
        if self.ignore_case && !test.has_case() {
            faults.add(
                format!("{at}/ignore_case"),
                "is true, though the test knows no case",
                "ignore_case with equals, one_of, prefix, suffix, contains or regex only",
            );
            return None;
        }
        // Several bounds become a rule around a condition for each.
        let several = matches!(&test, Test::Compare(_, bounds) if bounds.len() > 1);
        if several && depth >= limits::RULE_DEPTH {
            faults.add(at, "nests too deep for several bounds", "one bound here");
            return None;
        }
        Some(Rule::Condition(Condition {
            attribute,
            test,
            ignore_case: self.ignore_case,
        }))
    }

    fn test(&self, at: &str, faults: &mut Faults) -> Option<Test> {
        let comparisons = [
            ("number", &self.number, Ordering::Number),
            ("semver", &self.semver, Ordering::Semver),
            ("text", &self.text, Ordering::Text),
        ];
        for (name, spec, ordering) in comparisons {
            if let Some(spec) = spec {
                let bounds = spec.validate(ordering, &format!("{at}/{name}"), faults);
                return bounds.map(|bounds| Test::Compare(ordering, bounds));
            }
        }
        let texts: [(&str, &Option<String>, OfText); 5] = [
            ("equals", &self.equals, Test::Equals),
            ("prefix", &self.prefix, Test::Prefix),
            ("suffix", &self.suffix, Test::Suffix),
            ("contains", &self.contains, Test::Contains),
            ("regex", &self.regex, Test::Regex),
        ];
        for (name, value, test) in texts {
            if let Some(value) = value {
                return bounded(value, &format!("{at}/{name}"), faults).map(test);
            }
        }
        if let Some(values) = &self.one_of {
            return one_of(values, &format!("{at}/one_of"), faults);
        }
        if let Some(networks) = &self.in_networks {
            return in_networks(networks, &format!("{at}/in_networks"), faults);
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
            jwt_claim: self.jwt_claim.as_ref(),
            body: self.body.as_deref(),
            source_address: self.source_address,
            body_size: self.body_size,
            time_of_day: self.time_of_day.as_deref(),
            day_of_week: self.day_of_week.as_deref(),
            date: self.date.as_deref(),
        }
    }

    fn tests(&self) -> Vec<&'static str> {
        [
            ("equals", self.equals.is_some()),
            ("one_of", self.one_of.is_some()),
            ("prefix", self.prefix.is_some()),
            ("suffix", self.suffix.is_some()),
            ("contains", self.contains.is_some()),
            ("regex", self.regex.is_some()),
            ("number", self.number.is_some()),
            ("semver", self.semver.is_some()),
            ("text", self.text.is_some()),
            ("in_networks", self.in_networks.is_some()),
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

fn in_networks(networks: &[String], at: &str, faults: &mut Faults) -> Option<Test> {
    check::length(networks.len(), &(1..=limits::RULES), at, faults)?;
    let read: Vec<Option<String>> = networks
        .iter()
        .enumerate()
        .map(|(index, text)| network::validate(text, &format!("{at}/{index}"), faults))
        .collect();
    let read: Vec<String> = read.into_iter().collect::<Option<_>>()?;
    check::unique(&read, at, faults)?;
    Some(Test::InNetworks(read))
}

/// An expression that the filter can take: its syntax, and the size it comes to.
fn expressed(expression: &str, at: &str, faults: &mut Faults) -> Option<()> {
    let Err(fault) = Pattern::new(expression, false) else {
        return Some(());
    };
    let message = format!("is not an expression: {fault}");
    faults.add(at, message, "the syntax of Rust's `regex`, as `^gpt-[45]`");
    None
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
            Rule::Segment(key) => spec.segment = Some(key.to_string()),
            Rule::Condition(condition) => {
                spec = Self::of(&condition.attribute);
                spec.ignore_case = condition.ignore_case;
                spec.ask(&condition.test);
            }
        }
        spec
    }
}

impl RuleSpec {
    fn of(attribute: &Attribute) -> Self {
        let source = AttributeSpec::from(attribute);
        Self {
            header: source.header,
            cookie: source.cookie,
            query: source.query,
            path: source.path,
            method: source.method,
            host: source.host,
            jwt_claim: source.jwt_claim,
            body: source.body,
            source_address: source.source_address,
            body_size: source.body_size,
            time_of_day: source.time_of_day,
            day_of_week: source.day_of_week,
            date: source.date,
            ..Self::default()
        }
    }

    fn ask(&mut self, test: &Test) {
        let compared = |bounds: &[Bound]| Some(ComparisonSpec::from(bounds));
        match test {
            Test::Equals(value) => self.equals = Some(value.clone()),
            Test::OneOf(values) => self.one_of = Some(values.clone()),
            Test::Prefix(value) => self.prefix = Some(value.clone()),
            Test::Suffix(value) => self.suffix = Some(value.clone()),
            Test::Contains(value) => self.contains = Some(value.clone()),
            Test::Regex(value) => self.regex = Some(value.clone()),
            Test::Compare(Ordering::Number, bounds) => self.number = compared(bounds),
            Test::Compare(Ordering::Semver, bounds) => self.semver = compared(bounds),
            Test::Compare(Ordering::Text, bounds) => self.text = compared(bounds),
            Test::InNetworks(networks) => self.in_networks = Some(networks.clone()),
            Test::Present => self.present = Some(true),
        }
    }
}
