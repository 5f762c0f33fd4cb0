//! Segments. They may name each other in any order, and no circle.

use super::fault::{At, CompileError, EntryKind, Fault};
use super::path::Path;
use super::tables::{Map, Tables, Uses};
use super::{dangling, limits, number, rule, text};
use crate::audience::{Rule, Segment, SegmentId};
use watershed_proto::filter::v1::Segment as Spec;

/// The segments, compiled as they are named.
#[derive(Default)]
pub(super) struct Segments<'c> {
    specs: &'c [Spec],
    places: Map<&'c str, usize>,
    done: Vec<Option<Done>>,
    /// Those that are being compiled, outermost first.
    under_way: Vec<usize>,
}

/// A compiled segment, and what it comes to.
struct Done {
    rule: Rule,
    depth: usize,
    size: usize,
    uses: Uses,
}

/// A segment as a rule sees it.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) id: SegmentId,
    pub(super) depth: usize,
    pub(super) size: usize,
}

/// Takes the segments and compiles each one.
pub(super) fn all<'c>(tables: &mut Tables<'c>, specs: &'c [Spec]) -> Result<(), CompileError> {
    tables.segments.specs = specs;
    tables.segments.done = specs.iter().map(|_| None).collect();
    for (place, spec) in specs.iter().enumerate() {
        let at = At::new(EntryKind::Segment, place, &spec.key);
        text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
        if tables.segments.places.insert(&spec.key, place).is_some() {
            return Err(at.fault("key", Fault::Duplicate));
        }
    }
    for place in 0..specs.len() {
        compiled(tables, place)?;
    }
    tables.take_uses();
    Ok(())
}

/// The compiled segments, in their order.
pub(super) fn finish(segments: Segments<'_>) -> Box<[Segment]> {
    let both = segments.specs.iter().zip(segments.done);
    both.filter_map(|(spec, done)| {
        Some(Segment {
            key: spec.key.as_str().into(),
            rule: done?.rule,
        })
    })
    .collect()
}

/// The segment that a rule names.
pub(super) fn named<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    key: &str,
) -> Result<Named, CompileError> {
    let Some(&place) = tables.segments.places.get(key) else {
        return Err(at.fault(field, dangling(key)));
    };
    if let Some(start) = tables
        .segments
        .under_way
        .iter()
        .position(|one| *one == place)
    {
        let way = tables.segments.under_way.iter().skip(start).chain([&place]);
        let through = way
            .filter_map(|place| tables.segments.specs.get(*place))
            .map(|spec| spec.key.clone())
            .collect();
        return Err(at.fault(field, Fault::Cycle { through }));
    }
    if tables.segments.under_way.len() > limits::RULE_DEPTH {
        let limit = limits::RULE_DEPTH;
        return Err(at.fault(field, Fault::TooDeep { limit }));
    }
    compiled(tables, place)
}

fn compiled(tables: &mut Tables<'_>, place: usize) -> Result<Named, CompileError> {
    if tables.segments.done.get(place).is_none_or(Option::is_none)
        && let Some(spec) = tables.segments.specs.get(place)
    {
        let outer = tables.take_uses();
        tables.segments.under_way.push(place);
        let at = At::new(EntryKind::Segment, place, &spec.key);
        let field = Path::new("rule");
        let written = spec.rule.as_ref();
        let written = written.ok_or_else(|| at.fault(field, Fault::Missing))?;
        let compiled = rule::compile(tables, at, &field, written, limits::RULE_DEPTH)?;
        tables.segments.under_way.pop();
        let done = Done {
            rule: compiled.rule,
            depth: compiled.depth,
            size: compiled.size,
            uses: tables.take_uses(),
        };
        if let Some(slot) = tables.segments.done.get_mut(place) {
            *slot = Some(done);
        }
        tables.note(outer);
    }
    let done = tables.segments.done.get(place).and_then(Option::as_ref);
    let named = done.map_or((0, 0, Uses::default()), |one| {
        (one.depth, one.size, one.uses)
    });
    tables.note(named.2);
    Ok(Named {
        id: SegmentId(number(place)),
        depth: named.0,
        size: named.1,
    })
}
