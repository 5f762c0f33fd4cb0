//! Conditions: the part of JSONLogic that is about one field at a time, as rules. What a request does
//! not have fails each test, as a missing value does there, but for comparisons with `<` and the like,
//! where JSONLogic reads it as 0.

use super::super::{Left, Mapping, any, key_of, not, value_test};
use crate::model::comparison::{ComparisonSpec, Scalar};
use crate::model::rule_spec::RuleSpec;
use serde_json::Value;

pub(super) struct Logic<'a> {
    pub(super) mapping: &'a Mapping,
}

/// The key of an evaluator's segment.
pub(super) fn segment(name: &str) -> String {
    key_of(&format!("flagd-{name}"))
}

/// The one operator of an object, and what it is given.
pub(super) fn operation(logic: &Value) -> Left<(&str, &Value)> {
    let fields = logic.as_object().filter(|fields| fields.len() == 1);
    let operation = fields.and_then(|fields| fields.iter().next());
    let (name, operand) = operation.ok_or_else(|| format!("`{}` is no operation", shown(logic)))?;
    Ok((name.as_str(), operand))
}

/// The field that `{"var": FIELD}` names, without a default.
pub(super) fn field(logic: &Value) -> Option<&str> {
    let (name, operand) = operation(logic).ok()?;
    let path = match operand {
        Value::String(path) => path.as_str(),
        Value::Array(one) => match one.as_slice() {
            [Value::String(path)] => path.as_str(),
            _ => return None,
        },
        _ => return None,
    };
    (name == "var" && !path.is_empty()).then_some(path)
}

fn shown(logic: &Value) -> String {
    logic.to_string().chars().take(80).collect()
}

impl Logic<'_> {
    /// `logic` as a rule.
    pub(super) fn rule(&self, logic: &Value) -> Left<RuleSpec> {
        if let Some(name) = logic.get("$ref").and_then(Value::as_str) {
            return Ok(RuleSpec {
                segment: Some(segment(name)),
                ..RuleSpec::default()
            });
        }
        let (operator, operand) = operation(logic)?;
        let single = std::slice::from_ref(operand);
        let operands = operand.as_array().map_or(single, Vec::as_slice);
        let bad = || {
            format!(
                "its condition `{}` is none that a rule of ours says",
                shown(logic)
            )
        };
        match (operator, operands) {
            ("and", rules) => {
                let rules: Left<Vec<RuleSpec>> = rules.iter().map(|it| self.rule(it)).collect();
                super::super::all(rules?).ok_or_else(bad)
            }
            ("or", rules) => {
                let rules: Left<Vec<RuleSpec>> = rules.iter().map(|it| self.rule(it)).collect();
                any(rules?).ok_or_else(bad)
            }
            ("!", [rule]) => Ok(not(self.rule(rule)?)),
            ("==" | "===", [left, right]) => self.equal(left, right).ok_or_else(bad),
            ("!=" | "!==", [left, right]) => self.equal(left, right).map(not).ok_or_else(bad),
            ("in", [left, right]) => self.within(left, right).ok_or_else(bad),
            ("starts_with", [left, Value::String(value)]) => {
                let mut rule = self.field(left).ok_or_else(bad)?;
                rule.prefix = Some(value.clone());
                Ok(rule)
            }
            ("ends_with", [left, Value::String(value)]) => {
                let mut rule = self.field(left).ok_or_else(bad)?;
                rule.suffix = Some(value.clone());
                Ok(rule)
            }
            ("sem_ver", [left, Value::String(operator), Value::String(version)]) => {
                let rule = self.field(left).ok_or_else(bad)?;
                version_rule(rule, operator, version).ok_or_else(bad)
            }
            ("<" | "<=" | ">" | ">=", [left, right]) => {
                self.compared(operator, left, right).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }

    fn field(&self, logic: &Value) -> Option<RuleSpec> {
        let field = field(logic).filter(|it| !it.starts_with("$flagd"))?;
        Some(self.mapping.rule(field))
    }

    fn equal(&self, left: &Value, right: &Value) -> Option<RuleSpec> {
        let (rule, value) = match self.field(left) {
            Some(rule) => (rule, right),
            None => (self.field(right)?, left),
        };
        value_test::equal(rule, value)
    }

    /// A value in a list, or a text within a text.
    fn within(&self, left: &Value, right: &Value) -> Option<RuleSpec> {
        match (left, right) {
            (_, Value::Array(_)) => value_test::one_of(self.field(left)?, right),
            (Value::String(part), _) if !part.is_empty() => {
                let mut rule = self.field(right)?;
                rule.contains = Some(part.clone());
                Some(rule)
            }
            _ => None,
        }
    }

    fn compared(&self, operator: &str, left: &Value, right: &Value) -> Option<RuleSpec> {
        let (mut rule, number, is_left) = match (self.field(left), right, left) {
            (Some(rule), Value::Number(number), _) => (rule, number, true),
            (None, _, Value::Number(number)) => (self.field(right)?, number, false),
            _ => return None,
        };
        let bound = Some(Scalar(number.to_string()));
        let mut compared = ComparisonSpec::default();
        match (operator, is_left) {
            ("<", true) | (">", false) => compared.less = bound,
            ("<=", true) | (">=", false) => compared.at_most = bound,
            (">", true) | ("<", false) => compared.greater = bound,
            _ => compared.at_least = bound,
        }
        rule.number = Some(compared);
        Some(rule)
    }
}

/// `sem_ver`: `^` is the same major version, `~` the same minor one.
fn version_rule(mut rule: RuleSpec, operator: &str, version: &str) -> Option<RuleSpec> {
    let bound = |version: String| Some(Scalar(version));
    let given = || bound(version.to_owned());
    let mut compared = ComparisonSpec::default();
    let numbers: Option<Vec<u64>> = version
        .split(['-', '+'])
        .next()?
        .split('.')
        .map(|number| number.parse().ok())
        .collect();
    let (major, minor) = match numbers?.as_slice() {
        [major, minor, _] => (*major, *minor),
        _ => return None,
    };
    match operator {
        "=" => compared.equals = given(),
        "!=" => {
            compared.equals = given();
            rule.semver = Some(compared);
            return Some(not(rule));
        }
        "<" => compared.less = given(),
        "<=" => compared.at_most = given(),
        ">" => compared.greater = given(),
        ">=" => compared.at_least = given(),
        "^" => {
            compared.at_least = bound(format!("{major}.0.0-0"));
            compared.less = bound(format!("{}.0.0-0", major.checked_add(1)?));
        }
        "~" => {
            compared.at_least = bound(format!("{major}.{minor}.0-0"));
            compared.less = bound(format!("{major}.{}.0-0", minor.checked_add(1)?));
        }
        _ => return None,
    }
    rule.semver = Some(compared);
    Some(rule)
}
