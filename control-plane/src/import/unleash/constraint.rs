//! Constraints: Unleash's operators as rules. A context without the field fails whatever the test, and
//! an inverted constraint holds then, in both.

use super::super::{Left, Mapping, any, not, text};
use super::unique;
use crate::model::Faults;
use crate::model::comparison::{ComparisonSpec, Scalar};
use crate::model::rule_spec::RuleSpec;
use crate::model::segment::SegmentSpec;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What a constraint comes to.
#[derive(Debug)]
pub(super) enum Constraint {
    /// It always holds.
    Always,
    /// It never holds.
    Never,
    /// A test.
    Rule(Box<RuleSpec>),
    /// Not before a time.
    From(String),
    /// Before a time.
    Until(String),
}

/// What `spec` comes to.
pub(super) fn rule(spec: &Value, mapping: &Mapping) -> Left<Constraint> {
    let field = text(spec, "contextName").ok_or("one of its constraints names no field")?;
    let operator = text(spec, "operator").unwrap_or_default();
    let inverted = spec
        .get("inverted")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if field == "currentTime" {
        return time(spec, operator, inverted);
    }
    let values: Vec<String> = super::entries(spec, "values")
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let values = unique(values);
    let value = match spec.get("value") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let ignore_case = spec
        .get("caseInsensitive")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let said = |test: fn(&mut RuleSpec, String), value: String, ignore_case: bool| {
        let mut rule = mapping.rule(field);
        test(&mut rule, value);
        rule.ignore_case = ignore_case;
        rule
    };
    let each = |test: fn(&mut RuleSpec, String)| {
        let rules = values
            .iter()
            .map(|value| said(test, value.clone(), ignore_case));
        any(rules.collect())
    };
    let in_list = || {
        let mut rule = mapping.rule(field);
        rule.one_of = Some(values.clone());
        (!values.is_empty()).then_some(rule)
    };
    // Nothing is a test that never holds.
    let (found, turned) = match operator {
        "IN" => (in_list(), inverted),
        "NOT_IN" => (in_list(), !inverted),
        "STR_STARTS_WITH" => (each(|rule, value| rule.prefix = Some(value)), inverted),
        "STR_ENDS_WITH" => (each(|rule, value| rule.suffix = Some(value)), inverted),
        "STR_CONTAINS" => (each(|rule, value| rule.contains = Some(value)), inverted),
        "REGEX" => {
            let rule = said(|rule, value| rule.regex = Some(value), value, ignore_case);
            (Some(rule), inverted)
        }
        other => (compared(mapping.rule(field), other, value)?, inverted),
    };
    Ok(match (found, turned) {
        (None, false) => Constraint::Never,
        (None, true) => Constraint::Always,
        (Some(rule), false) => Constraint::Rule(Box::new(rule)),
        (Some(rule), true) => Constraint::Rule(Box::new(not(rule))),
    })
}

/// A comparison by number or version; nothing where the value is none, so that nothing is like it.
fn compared(mut rule: RuleSpec, operator: &str, value: String) -> Left<Option<RuleSpec>> {
    let unknown = || format!("its constraint's operator `{operator}` is none of ours");
    let (ordering, operator) = operator.split_once('_').ok_or_else(unknown)?;
    let bound = Some(Scalar(value));
    let mut compared = ComparisonSpec::default();
    match operator {
        "EQ" => compared.equals = bound,
        "LT" => compared.less = bound,
        "LTE" => compared.at_most = bound,
        "GT" => compared.greater = bound,
        "GTE" => compared.at_least = bound,
        _ => return Err(unknown()),
    }
    match ordering {
        "NUM" => rule.number = Some(compared),
        "SEMVER" => rule.semver = Some(compared),
        _ => return Err(unknown()),
    }
    let mut faults = Faults::default();
    let segment = SegmentSpec {
        rule: rule.clone(),
        description: None,
    };
    let valid = segment.validate(&mut faults).is_some() && faults.is_empty();
    Ok(valid.then_some(rule))
}

/// Bounds of the current time are the experiment's own.
fn time(spec: &Value, operator: &str, inverted: bool) -> Left<Constraint> {
    let bad =
        || "its constraint on the current time is none that an experiment's start or end says";
    let value = text(spec, "value").ok_or_else(bad)?;
    let at: Timestamp = value.parse().map_err(|_| bad())?;
    // Theirs is after; our start is at.
    let next = at
        .checked_add(SignedDuration::from_millis(1))
        .map_err(|_| bad())?;
    match (operator, inverted) {
        ("DATE_AFTER", false) => Ok(Constraint::From(next.to_string())),
        ("DATE_BEFORE", false) => Ok(Constraint::Until(at.to_string())),
        ("DATE_AFTER", true) => Ok(Constraint::Until(next.to_string())),
        ("DATE_BEFORE", true) => Ok(Constraint::From(at.to_string())),
        _ => Err(bad().to_owned()),
    }
}
