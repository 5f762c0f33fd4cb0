//! Conditions: GrowthBook's Mongo-like operators as rules. A missing attribute fails each test, and what is
//! `$ne`, `$nin` or `$not` holds then, in both.

use super::super::value_test::{equal, one_of};
use super::super::{Left, Mapping, all, any, not};
use crate::model::comparison::{ComparisonSpec, Scalar};
use crate::model::rule_spec::RuleSpec;
use serde_json::{Map, Value};

pub(super) struct Conditions<'a> {
    pub(super) mapping: &'a Mapping,
    /// Lists by the ID of a saved group.
    pub(super) groups: Option<&'a Value>,
}

impl Conditions<'_> {
    /// The condition of a rule; nothing where it takes everybody.
    pub(super) fn of(&self, rule: &Value) -> Left<Option<RuleSpec>> {
        match rule.get("condition") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(fields)) if fields.is_empty() => Ok(None),
            Some(Value::Object(fields)) => self.object(fields).map(Some),
            Some(_) => Err("its condition is no object".to_owned()),
        }
    }

    fn object(&self, fields: &Map<String, Value>) -> Left<RuleSpec> {
        let mut rules = Vec::new();
        for (name, value) in fields {
            rules.push(match name.as_str() {
                "$and" => all(self.list(value)?).ok_or("its `$and` is empty")?,
                "$or" => any(self.list(value)?).ok_or("its `$or` is empty")?,
                "$nor" => not(any(self.list(value)?).ok_or("its `$nor` is empty")?),
                "$not" => {
                    let fields = value
                        .as_object()
                        .ok_or("its `$not` is about no condition")?;
                    not(self.object(fields)?)
                }
                field => self.field(field, value)?,
            });
        }
        all(rules).ok_or_else(|| "a part of its condition is empty".to_owned())
    }

    fn list(&self, value: &Value) -> Left<Vec<RuleSpec>> {
        let parts = value
            .as_array()
            .ok_or("a part of its condition is no list")?;
        let each = parts.iter().map(|it| {
            let fields = it
                .as_object()
                .ok_or("a part of its condition is no object")?;
            self.object(fields)
        });
        each.collect()
    }

    fn field(&self, field: &str, value: &Value) -> Left<RuleSpec> {
        let operators = match value {
            Value::Object(fields) if fields.keys().all(|it| it.starts_with('$')) => fields,
            other => return self.operator(field, "$eq", other),
        };
        let rules: Left<Vec<RuleSpec>> = operators
            .iter()
            .map(|(operator, value)| self.operator(field, operator, value))
            .collect();
        all(rules?).ok_or_else(|| format!("its condition on `{field}` is empty"))
    }

    fn operator(&self, field: &str, operator: &str, value: &Value) -> Left<RuleSpec> {
        let bad =
            || format!("its condition `{operator}` on `{field}` is none that a rule of ours says");
        let mut rule = self.mapping.rule(field);
        match operator {
            "$eq" => return equal(rule, value).ok_or_else(bad),
            "$ne" => return equal(rule, value).map(not).ok_or_else(bad),
            "$in" => return one_of(rule, value).ok_or_else(bad),
            "$nin" => return one_of(rule, value).map(not).ok_or_else(bad),
            "$inGroup" => return one_of(rule, self.group(value).ok_or_else(bad)?).ok_or_else(bad),
            "$notInGroup" => {
                let group = self.group(value).ok_or_else(bad)?;
                return one_of(rule, group).map(not).ok_or_else(bad);
            }
            "$not" => return self.field(field, value).map(not),
            "$exists" => {
                rule.present = Some(true);
                let is_there = value.as_bool().ok_or_else(bad)?;
                return Ok(if is_there { rule } else { not(rule) });
            }
            "$regex" => {
                rule.regex = Some(value.as_str().ok_or_else(bad)?.to_owned());
                return Ok(rule);
            }
            _ => {}
        }
        let (is_version, word) = match operator.strip_prefix("$v") {
            Some(word) => (true, word),
            None => (false, operator.trim_start_matches('$')),
        };
        let bound = match (is_version, value) {
            (true, Value::String(version)) => Scalar(version.clone()),
            (false, Value::Number(number)) => Scalar(number.to_string()),
            _ => return Err(bad()),
        };
        let mut compared = ComparisonSpec::default();
        let mut turned = false;
        let place = match word {
            "lt" => &mut compared.less,
            "lte" => &mut compared.at_most,
            "gt" => &mut compared.greater,
            "gte" => &mut compared.at_least,
            "eq" if is_version => &mut compared.equals,
            "ne" if is_version => {
                turned = true;
                &mut compared.equals
            }
            _ => return Err(bad()),
        };
        *place = Some(bound);
        if is_version {
            rule.semver = Some(compared);
        } else {
            rule.number = Some(compared);
        }
        Ok(if turned { not(rule) } else { rule })
    }

    fn group(&self, id: &Value) -> Option<&Value> {
        self.groups?.get(id.as_str()?)
    }
}
