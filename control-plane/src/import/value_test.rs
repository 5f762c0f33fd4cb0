//! Tests of one value that flagd and GrowthBook have in common, as tests of a rule that says where the value
//! is read. Nothing where a rule cannot say it.

use super::not;
use crate::model::comparison::{ComparisonSpec, Scalar};
use crate::model::rule_spec::RuleSpec;
use serde_json::Value;

/// A value as a request would carry it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

/// The value is this: null is none, and a number is the same however it is written.
pub(super) fn equal(mut rule: RuleSpec, value: &Value) -> Option<RuleSpec> {
    match value {
        Value::Null => {
            rule.present = Some(true);
            return Some(not(rule));
        }
        Value::Number(number) => {
            rule.number = Some(ComparisonSpec {
                equals: Some(Scalar(number.to_string())),
                ..ComparisonSpec::default()
            });
        }
        other => rule.equals = Some(scalar(other)?),
    }
    Some(rule)
}

/// The value is in the list.
pub(super) fn one_of(mut rule: RuleSpec, values: &Value) -> Option<RuleSpec> {
    let values: Option<Vec<String>> = values.as_array()?.iter().map(scalar).collect();
    let mut values = values.filter(|values| !values.is_empty())?;
    values.sort();
    values.dedup();
    rule.one_of = Some(values);
    Some(rule)
}
