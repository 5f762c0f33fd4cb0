//! Attributes and audience rules.

use super::fault::{At, CompileError, Fault};
use super::unsupported::unsupported;
use super::{Attributes, limits, text};
use crate::attribute::{Attribute, AttributeId};
use crate::audience::{Rule, Test};
use watershed_proto::filter::v1::{
    Attribute as AttributeSpec, Condition, Rule as RuleSpec, Rules, attribute::Source,
    condition::Test as TestSpec, rule::Rule as Kind,
};
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// The attribute's place in the table, where it gets one if it is new.
pub(super) fn attribute(
    at: At<'_>,
    field: &str,
    spec: &AttributeSpec,
    attributes: &mut Attributes,
) -> Result<AttributeId, CompileError> {
    parse(spec)
        .map(|attribute| attributes.id(attribute))
        .map_err(|fault| at.fault(field, fault))
}

fn parse(spec: &AttributeSpec) -> Result<Attribute, Fault> {
    Ok(match spec.source.as_ref().ok_or(Fault::Missing)? {
        Source::Header(name) => Attribute::Header(header(name)?),
        Source::Cookie(name) => {
            text::token(name)?;
            Attribute::Cookie(name.as_str().into())
        }
        Source::Query(name) => {
            text::name(name, limits::NAME_BYTES)?;
            Attribute::Query(name.as_str().into())
        }
        Source::Path(_) => Attribute::Path,
        Source::Method(_) => Attribute::Method,
        Source::Host(_) => Attribute::Host,
        Source::JwtClaim(_) => return Err(unsupported("jwt_claim")),
        Source::Body(_) => return Err(unsupported("body")),
        Source::SourceAddress(_) => return Err(unsupported("source_address")),
        Source::BodySize(_) => return Err(unsupported("body_size")),
        Source::TimeOfDay(_) => return Err(unsupported("time_of_day")),
        Source::DayOfWeek(_) => return Err(unsupported("day_of_week")),
        Source::Date(_) => return Err(unsupported("date")),
        Source::Generated(_) => return Err(unsupported("generated")),
        Source::Request(_) => return Err(unsupported("request")),
    })
}

fn header(written: &str) -> Result<Box<str>, Fault> {
    text::token(written)?;
    let name = written.to_ascii_lowercase();
    // What a client sends under these names is stripped; a rule that read it would trust it.
    if [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER].contains(&name.as_str()) {
        return Err(Fault::Reserved { name });
    }
    Ok(name.into())
}

/// A rule and everything below it.
pub(super) fn rule(
    at: At<'_>,
    field: &str,
    spec: &RuleSpec,
    attributes: &mut Attributes,
) -> Result<Rule, CompileError> {
    let mut walk = Walk { at, attributes };
    walk.rule(field, spec, limits::RULE_DEPTH)
}

struct Walk<'a, 'b> {
    at: At<'a>,
    attributes: &'b mut Attributes,
}

impl Walk<'_, '_> {
    /// `left` is how many levels there may still be, this one included.
    fn rule(&mut self, field: &str, spec: &RuleSpec, left: usize) -> Result<Rule, CompileError> {
        let Some(below) = left.checked_sub(1) else {
            let limit = limits::RULE_DEPTH;
            return Err(self.at.fault(field, Fault::TooDeep { limit }));
        };
        match &spec.rule {
            None => Err(self.at.fault(field, Fault::Missing)),
            Some(Kind::All(rules)) => self
                .rules(&format!("{field}.all"), rules, below)
                .map(Rule::All),
            Some(Kind::Any(rules)) => self
                .rules(&format!("{field}.any"), rules, below)
                .map(Rule::Any),
            Some(Kind::Not(rule)) => self
                .rule(&format!("{field}.not"), rule, below)
                .map(|rule| Rule::Not(Box::new(rule))),
            Some(Kind::Condition(condition)) => {
                self.condition(&format!("{field}.condition"), condition)
            }
            Some(Kind::Segment(_)) => Err(self.at.fault(field, unsupported("segment"))),
        }
    }

    fn rules(
        &mut self,
        field: &str,
        spec: &Rules,
        left: usize,
    ) -> Result<Box<[Rule]>, CompileError> {
        text::count(spec.rules.len(), limits::RULES).map_err(|f| self.at.fault(field, f))?;
        spec.rules
            .iter()
            .enumerate()
            .map(|(index, rule)| self.rule(&format!("{field}[{index}]"), rule, left))
            .collect()
    }

    fn condition(&mut self, field: &str, spec: &Condition) -> Result<Rule, CompileError> {
        let place = format!("{field}.attribute");
        let source = spec
            .attribute
            .as_ref()
            .ok_or_else(|| self.at.fault(&place, Fault::Missing))?;
        let id = attribute(self.at, &place, source, self.attributes)?;
        if spec.ignore_case {
            return Err(self.at.fault(field, unsupported("ignore_case")));
        }
        let test = test(spec.test.as_ref()).map_err(|fault| self.at.fault(field, fault))?;
        Ok(Rule::Test(id, test))
    }
}

fn test(spec: Option<&TestSpec>) -> Result<Test, Fault> {
    Ok(match spec.ok_or(Fault::Missing)? {
        TestSpec::Equals(expected) => Test::Equals(value(expected)?),
        TestSpec::Prefix(prefix) => Test::Prefix(value(prefix)?),
        TestSpec::Present(_) => Test::Present,
        TestSpec::OneOf(strings) => {
            text::count(strings.values.len(), limits::VALUES)?;
            let values: Result<Vec<_>, _> = strings.values.iter().map(|v| value(v)).collect();
            let mut values = values?;
            values.sort_unstable();
            values.dedup();
            Test::OneOf(values.into())
        }
        TestSpec::Suffix(_) => return Err(unsupported("suffix")),
        TestSpec::Contains(_) => return Err(unsupported("contains")),
        TestSpec::Regex(_) => return Err(unsupported("regex")),
        TestSpec::Compare(_) => return Err(unsupported("compare")),
        TestSpec::InNetworks(_) => return Err(unsupported("in_networks")),
    })
}

fn value(written: &str) -> Result<Box<[u8]>, Fault> {
    text::length(written, limits::VALUE_BYTES)?;
    Ok(written.as_bytes().into())
}
