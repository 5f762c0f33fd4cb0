//! Rules and everything below them.

use super::fault::{At, CompileError, Fault};
use super::path::Path;
use super::tables::Tables;
use super::{limits, segment, text};
use crate::audience::Rule;
use watershed_proto::filter::v1::{Rule as Spec, Rules, rule::Rule as Kind};

/// A rule with what it comes to, segments included.
pub(super) struct Compiled {
    pub(super) rule: Rule,
    pub(super) depth: usize,
    pub(super) size: usize,
}

/// A rule and everything below it.
pub(super) fn rule<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c Spec,
) -> Result<Rule, CompileError> {
    compile(tables, at, field, spec, limits::RULE_DEPTH).map(|compiled| compiled.rule)
}

/// `left` is how many levels there may still be, this one included.
pub(super) fn compile<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c Spec,
    left: usize,
) -> Result<Compiled, CompileError> {
    let too_deep = || {
        let limit = limits::RULE_DEPTH;
        at.fault(field, Fault::TooDeep { limit })
    };
    let below = left.checked_sub(1).ok_or_else(too_deep)?;
    let kind = spec.rule.as_ref();
    let kind = kind.ok_or_else(|| at.fault(field, Fault::Missing))?;
    let compiled = match kind {
        Kind::All(rules) => {
            let (rules, depth, size) = list(tables, at, &field.field("all"), rules, below)?;
            above(Rule::All(rules), depth, size)
        }
        Kind::Any(rules) => {
            let (rules, depth, size) = list(tables, at, &field.field("any"), rules, below)?;
            above(Rule::Any(rules), depth, size)
        }
        Kind::Not(rule) => {
            let inner = compile(tables, at, &field.field("not"), rule, below)?;
            above(Rule::Not(Box::new(inner.rule)), inner.depth, inner.size)
        }
        Kind::Condition(condition) => {
            let id = tables.condition(at, &field.field("condition"), condition)?;
            above(Rule::Condition(id), 0, 0)
        }
        Kind::Segment(key) => {
            let place = field.field("segment");
            let segment = segment::named(tables, at, &place, key)?;
            if segment.depth > below {
                return Err(too_deep());
            }
            above(Rule::Segment(segment.id), segment.depth, segment.size)
        }
    };
    if compiled.size > limits::RULE_SIZE {
        let fault = Fault::DrawsInTooMuch {
            what: "rules",
            limit: limits::RULE_SIZE,
        };
        return Err(at.fault(field, fault));
    }
    Ok(compiled)
}

fn above(rule: Rule, depth: usize, size: usize) -> Compiled {
    Compiled {
        rule,
        depth: depth.saturating_add(1),
        size: size.saturating_add(1),
    }
}

fn list<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c Rules,
    left: usize,
) -> Result<(Box<[Rule]>, usize, usize), CompileError> {
    text::count(spec.rules.len(), limits::RULES).map_err(|fault| at.fault(field, fault))?;
    let (mut depth, mut size) = (0, 0_usize);
    let mut rules = Vec::with_capacity(spec.rules.len());
    for (index, rule) in spec.rules.iter().enumerate() {
        let compiled = compile(tables, at, &field.index(index), rule, left)?;
        depth = compiled.depth.max(depth);
        size = size.saturating_add(compiled.size);
        rules.push(compiled.rule);
    }
    Ok((rules.into(), depth, size))
}
