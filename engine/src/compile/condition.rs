//! Conditions, one by one.

use super::fault::{At, CompileError, Fault, readable};
use super::path::Path;
use super::tables::Tables;
use super::{limits, text};
use crate::attribute::{Attribute, AttributeId};
use crate::condition::network::Networks;
use crate::condition::number::Number;
use crate::condition::pattern::{Needle, Pattern};
use crate::condition::set::Texts;
use crate::condition::version::Version;
use crate::condition::{Comparison, Condition, Test};
use watershed_proto::filter::v1::{
    Attribute as AttributeSpec, Comparison as ComparisonSpec, Condition as Spec, Operator,
    Ordering, Strings, condition::Test as TestSpec,
};

pub(super) fn compile<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c Spec,
) -> Result<Condition, CompileError> {
    let place = field.field("attribute");
    let source = spec.attribute.as_ref();
    let source = source.ok_or_else(|| at.fault(place, Fault::Missing))?;
    let attribute = readable_attribute(tables, at, &place, source)?;
    let written = spec.test.as_ref();
    let written = written.ok_or_else(|| at.fault(field, Fault::Missing))?;
    let test = test(written, spec.ignore_case).map_err(|fault| at.fault(field, fault))?;
    Ok(Condition::new(attribute, test, spec.ignore_case))
}

/// An attribute that a request has by itself. A generated one would be made for the asking.
pub(super) fn readable_attribute<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    source: &'c AttributeSpec,
) -> Result<AttributeId, CompileError> {
    let id = tables.attribute(at, field, source)?;
    match tables.attributes.get(id.index()) {
        Some(Attribute::Generated(_) | Attribute::Request) => {
            Err(at.fault(field, Fault::UnitSourceOnly))
        }
        _ => Ok(id),
    }
}

fn test(spec: &TestSpec, ignore_case: bool) -> Result<Test, Fault> {
    Ok(match spec {
        TestSpec::Present(_) => Test::Present,
        TestSpec::Equals(expected) => Test::Equals(value(expected)?),
        TestSpec::Prefix(prefix) => Test::Prefix(value(prefix)?),
        TestSpec::Suffix(suffix) => Test::Suffix(value(suffix)?),
        TestSpec::OneOf(strings) => {
            let texts = values(strings)?;
            Test::OneOf(Texts::new(texts, ignore_case).into())
        }
        TestSpec::Contains(needle) => {
            text::length(needle, limits::VALUE_BYTES)?;
            Test::Contains(Needle::new(needle, ignore_case).into())
        }
        TestSpec::Regex(pattern) => {
            let pattern = Pattern::new(pattern, ignore_case);
            Test::Matches(pattern.map_err(|reason| Fault::Pattern { reason })?.into())
        }
        TestSpec::Compare(comparison) => compare(comparison)?,
        TestSpec::InNetworks(strings) => {
            let texts = values(strings)?;
            let networks = Networks::parse(texts);
            Test::InNetworks(networks.map_err(|place| no_network(strings, place))?.into())
        }
    })
}

fn value(written: &str) -> Result<Box<[u8]>, Fault> {
    text::length(written, limits::VALUE_BYTES)?;
    Ok(written.as_bytes().into())
}

fn values(strings: &Strings) -> Result<impl Iterator<Item = &str>, Fault> {
    text::count(strings.values.len(), limits::VALUES)?;
    for value in &strings.values {
        text::length(value, limits::VALUE_BYTES)?;
    }
    Ok(strings.values.iter().map(String::as_str))
}

fn no_network(strings: &Strings, place: usize) -> Fault {
    let written = strings.values.get(place);
    Fault::Illegal {
        value: readable(written.map_or("", String::as_str)),
        expected: "an IP address or a network in CIDR notation",
    }
}

fn compare(spec: &ComparisonSpec) -> Result<Test, Fault> {
    let comparison = comparison(spec.operator)?;
    text::length(&spec.value, limits::VALUE_BYTES)?;
    let written = spec.value.as_bytes();
    let illegal = |expected| Fault::Illegal {
        value: readable(&spec.value),
        expected,
    };
    match Ordering::try_from(spec.ordering) {
        Ok(Ordering::Number) => {
            let number = Number::parse(written).ok_or_else(|| illegal("a number"))?;
            Ok(Test::Number(comparison, number.to_owned().into()))
        }
        Ok(Ordering::Semver) => {
            let version = Version::parse(written).ok_or_else(|| illegal("a semantic version"))?;
            Ok(Test::Version(comparison, version.to_owned().into()))
        }
        Ok(Ordering::Text) => Ok(Test::Text(comparison, written.into())),
        Ok(Ordering::Unspecified) => Err(Fault::Missing),
        Err(_) => Err(Fault::UnknownValue {
            value: spec.ordering,
        }),
    }
}

fn comparison(operator: i32) -> Result<Comparison, Fault> {
    Ok(match Operator::try_from(operator) {
        Ok(Operator::Equal) => Comparison::Equal,
        Ok(Operator::Less) => Comparison::Less,
        Ok(Operator::LessOrEqual) => Comparison::LessOrEqual,
        Ok(Operator::Greater) => Comparison::Greater,
        Ok(Operator::GreaterOrEqual) => Comparison::GreaterOrEqual,
        Ok(Operator::Unspecified) => return Err(Fault::Missing),
        Err(_) => return Err(Fault::UnknownValue { value: operator }),
    })
}
