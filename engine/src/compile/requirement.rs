//! What experiments require of each other: the references, no circle, and a bound on how many
//! experiments one leads to, because each is looked at when the first one is.

use super::fault::{At, CompileError, Fault};
use super::path::Path;
use super::tables::Map;
use super::{Compiled, dangling, limits, number, small, text};
use crate::experiment::{Requirement, Variant};
use crate::plan::ExperimentId;
use watershed_proto::filter::v1::Requirement as Spec;

/// Resolves the requirements and says of each experiment which others it draws in.
pub(super) fn resolve(compiled: &mut [Compiled<'_>]) -> Result<(), CompileError> {
    if compiled.iter().all(|one| one.spec.requires.is_empty()) {
        return Ok(());
    }
    let keys = compiled.iter().enumerate();
    let places: Map<&str, usize> = keys
        .map(|(index, one)| (one.spec.key.as_str(), index))
        .collect();
    let resolved: Result<Vec<_>, _> = compiled
        .iter()
        .map(|one| requirements(one, compiled, &places))
        .collect();
    for (one, requires) in compiled.iter_mut().zip(resolved?) {
        one.experiment.requires = requires;
    }
    let mut drawn: Vec<Option<Vec<ExperimentId>>> = compiled.iter().map(|_| None).collect();
    for start in 0..compiled.len() {
        draw(start, compiled, &mut drawn, &mut Vec::new())?;
    }
    for (one, draws_in) in compiled.iter_mut().zip(drawn) {
        one.draws_in = draws_in.unwrap_or_default();
    }
    Ok(())
}

fn requirements(
    one: &Compiled<'_>,
    compiled: &[Compiled<'_>],
    places: &Map<&str, usize>,
) -> Result<Box<[Requirement]>, CompileError> {
    let list = Path::new("requires");
    let specs = &one.spec.requires;
    text::count(specs.len(), limits::REQUIREMENTS).map_err(|f| one.at.fault(list, f))?;
    let mut requires = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let field = list.index(index);
        let other = places.get(spec.experiment.as_str());
        let other = other.and_then(|place| Some((*place, compiled.get(*place)?)));
        let Some((place, other)) = other else {
            let fault = dangling(&spec.experiment);
            return Err(one.at.fault(field.field("experiment"), fault));
        };
        requires.push(Requirement {
            experiment: ExperimentId(number(place)),
            variants: variants(one.at, &field, spec, &other.experiment.variants)?,
            not: spec.not,
        });
    }
    Ok(requires.into())
}

fn variants(
    at: At<'_>,
    field: &Path<'_>,
    spec: &Spec,
    known: &[Variant],
) -> Result<Box<[u16]>, CompileError> {
    let list = field.field("variants");
    text::count(spec.variants.len(), limits::VARIANTS).map_err(|fault| at.fault(list, fault))?;
    let mut places = Vec::with_capacity(spec.variants.len());
    for (index, key) in spec.variants.iter().enumerate() {
        let place = known.iter().position(|variant| *variant.key == **key);
        let place = place.ok_or_else(|| at.fault(list.index(index), dangling(key)))?;
        places.push(small(place));
    }
    Ok(places.into())
}

/// Collects whom the experiment at `place` draws in, itself not counted, each as often as the walk
/// may look at it. `way` is how the search came here.
fn draw(
    place: usize,
    compiled: &[Compiled<'_>],
    drawn: &mut Vec<Option<Vec<ExperimentId>>>,
    way: &mut Vec<usize>,
) -> Result<(), CompileError> {
    let Some(one) = compiled.get(place) else {
        return Ok(());
    };
    if drawn.get(place).is_some_and(Option::is_some) {
        return Ok(());
    }
    if let Some(start) = way.iter().position(|other| *other == place) {
        return Err(cycle(
            way.iter().skip(start).chain([&place]),
            compiled,
            one.at,
        ));
    }
    let too_much = || {
        let fault = Fault::DrawsInTooMuch {
            what: "experiments",
            limit: limits::DRAWN_IN,
        };
        Err(one.at.fault("requires", fault))
    };
    if way.len() > limits::DRAWN_IN {
        return too_much();
    }
    way.push(place);
    let mut all = Vec::new();
    for requirement in &one.experiment.requires {
        let other = requirement.experiment;
        draw(other.0 as usize, compiled, drawn, way)?;
        all.push(other);
        let theirs = drawn.get(other.0 as usize).and_then(Option::as_ref);
        all.extend(theirs.into_iter().flatten());
    }
    way.pop();
    if all.len() > limits::DRAWN_IN {
        return too_much();
    }
    if let Some(slot) = drawn.get_mut(place) {
        *slot = Some(all);
    }
    Ok(())
}

fn cycle<'w>(
    way: impl Iterator<Item = &'w usize>,
    compiled: &[Compiled<'_>],
    at: At<'_>,
) -> CompileError {
    let keys = way.filter_map(|place| compiled.get(*place));
    let through = keys.map(|one| one.spec.key.clone()).collect();
    at.fault("requires", Fault::Cycle { through })
}
