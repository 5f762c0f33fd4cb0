//! Rules and attributes of the model as messages of the filter's configuration. No decisions.

use crate::model::attribute::{Attribute, JwtClaim, Offset};
use crate::model::audience::{Condition, Rule, Test};
use crate::model::comparison::{Bound, Operator, Ordering};
use watershed_proto::filter::v1 as pb;

/// A rule.
pub(super) fn rule_of(rule: &Rule) -> pb::Rule {
    use pb::rule::Rule as Wire;
    let wire = match rule {
        Rule::All(rules) => Wire::All(list(rules.iter().map(rule_of))),
        Rule::Any(rules) => Wire::Any(list(rules.iter().map(rule_of))),
        Rule::Not(inner) => Wire::Not(Box::new(rule_of(inner))),
        Rule::Segment(key) => Wire::Segment(key.to_string()),
        Rule::Condition(it) => return condition(it),
    };
    pb::Rule { rule: Some(wire) }
}

fn list(rules: impl Iterator<Item = pb::Rule>) -> pb::Rules {
    pb::Rules {
        rules: rules.collect(),
    }
}

/// A condition with several bounds is one for each, and all of them must hold.
fn condition(it: &Condition) -> pb::Rule {
    let rule = |test| pb::Rule {
        rule: Some(pb::rule::Rule::Condition(pb::Condition {
            attribute: Some(attribute(&it.attribute)),
            test: Some(test),
            ignore_case: it.ignore_case,
        })),
    };
    match &it.test {
        Test::Compare(ordering, bounds) => match bounds.as_slice() {
            [bound] => rule(compare(*ordering, bound)),
            several => pb::Rule {
                rule: Some(pb::rule::Rule::All(list(
                    several.iter().map(|bound| rule(compare(*ordering, bound))),
                ))),
            },
        },
        other => rule(test(other)),
    }
}

fn test(test: &Test) -> pb::condition::Test {
    use pb::condition::Test as Wire;
    let strings = |values: &[String]| pb::Strings {
        values: values.to_vec(),
    };
    match test {
        Test::Equals(value) => Wire::Equals(value.clone()),
        Test::OneOf(values) => Wire::OneOf(strings(values)),
        Test::Prefix(value) => Wire::Prefix(value.clone()),
        Test::Suffix(value) => Wire::Suffix(value.clone()),
        Test::Contains(value) => Wire::Contains(value.clone()),
        Test::Regex(value) => Wire::Regex(value.clone()),
        Test::InNetworks(networks) => Wire::InNetworks(strings(networks)),
        // Bounds are conditions of their own, see `condition`.
        Test::Compare(..) | Test::Present => Wire::Present(pb::Empty {}),
    }
}

fn compare(ordering: Ordering, bound: &Bound) -> pb::condition::Test {
    let ordering = match ordering {
        Ordering::Number => pb::Ordering::Number,
        Ordering::Semver => pb::Ordering::Semver,
        Ordering::Text => pb::Ordering::Text,
    };
    let operator = match bound.operator {
        Operator::Equal => pb::Operator::Equal,
        Operator::Less => pb::Operator::Less,
        Operator::AtMost => pb::Operator::LessOrEqual,
        Operator::Greater => pb::Operator::Greater,
        Operator::AtLeast => pb::Operator::GreaterOrEqual,
    };
    pb::condition::Test::Compare(pb::Comparison {
        ordering: ordering.into(),
        operator: operator.into(),
        value: bound.value.clone(),
    })
}

/// An attribute.
pub(super) fn attribute(attribute: &Attribute) -> pb::Attribute {
    use pb::attribute::Source;
    let source = match attribute {
        Attribute::Header(name) => Source::Header(name.clone()),
        Attribute::Cookie(name) => Source::Cookie(name.clone()),
        Attribute::Query(name) => Source::Query(name.clone()),
        Attribute::Path => Source::Path(pb::Empty {}),
        Attribute::Method => Source::Method(pb::Empty {}),
        Attribute::Host => Source::Host(pb::Empty {}),
        Attribute::JwtClaim(claim) => Source::JwtClaim(jwt_claim(claim)),
        Attribute::Body(pointer) => Source::Body(pointer.clone()),
        Attribute::SourceAddress => Source::SourceAddress(pb::Empty {}),
        Attribute::BodySize => Source::BodySize(pb::Empty {}),
        Attribute::TimeOfDay(it) => Source::TimeOfDay(offset(*it)),
        Attribute::DayOfWeek(it) => Source::DayOfWeek(offset(*it)),
        Attribute::Date(it) => Source::Date(offset(*it)),
    };
    pb::Attribute {
        source: Some(source),
    }
}

fn jwt_claim(claim: &JwtClaim) -> pb::JwtClaim {
    pb::JwtClaim {
        provider: claim.provider.clone(),
        path: claim.path.clone(),
    }
}

fn offset(offset: Offset) -> pb::Offset {
    pb::Offset {
        minutes: offset.minutes().into(),
    }
}
