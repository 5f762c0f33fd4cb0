//! What experiments require of each other: the references, no circle, and a bound on how many
//! experiments one leads to, because each is looked at when the first one is.
//!
//! A sticky experiment keeps its units against the others of its layer, so what a request gets of
//! one of those depends on it, too. It has a say only where it can be refused: with requirements of
//! its own.

use super::fault::{At, CompileError, Fault};
use super::path::Path;
use super::tables::Map;
use super::{Compiled, dangling, limits, number, small, text};
use crate::experiment::{Requirement, Variant};
use crate::plan::{ExperimentId, LayerId};
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
    let mut search = Search {
        compiled,
        keepers: keepers(compiled),
        drawn: compiled.iter().map(|_| None).collect(),
        way: Vec::new(),
    };
    for start in 0..compiled.len() {
        search.draw(start)?;
    }
    let drawn = search.drawn;
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

/// The sticky experiments with requirements, by layer.
fn keepers(compiled: &[Compiled<'_>]) -> Map<LayerId, Vec<ExperimentId>> {
    let mut keepers: Map<LayerId, Vec<ExperimentId>> = Map::default();
    for (place, one) in compiled.iter().enumerate() {
        if one.experiment.sticky().is_some() && !one.experiment.requires.is_empty() {
            let list = keepers.entry(one.experiment.layer).or_default();
            list.push(ExperimentId(number(place)));
        }
    }
    keepers
}

/// Finds out whom each experiment draws in.
struct Search<'a> {
    compiled: &'a [Compiled<'a>],
    keepers: Map<LayerId, Vec<ExperimentId>>,
    /// Itself not counted, each as often as the walk may look at it.
    drawn: Vec<Option<Vec<ExperimentId>>>,
    /// How the search came to where it is.
    way: Vec<usize>,
}

impl Search<'_> {
    fn draw(&mut self, place: usize) -> Result<(), CompileError> {
        let Some(one) = self.compiled.get(place) else {
            return Ok(());
        };
        if self.drawn.get(place).is_some_and(Option::is_some) {
            return Ok(());
        }
        if let Some(start) = self.way.iter().position(|other| *other == place) {
            return Err(self.cycle(start, place));
        }
        if self.way.len() > limits::DRAWN_IN {
            return Err(too_much(one.at));
        }
        self.way.push(place);
        let mut all = Vec::new();
        for other in self.asked(place) {
            self.draw(other.0 as usize)?;
            all.push(other);
            let theirs = self.drawn.get(other.0 as usize).and_then(Option::as_ref);
            all.extend(theirs.into_iter().flatten());
            if all.len() > limits::DRAWN_IN {
                return Err(too_much(one.at));
            }
        }
        self.way.pop();
        if let Some(slot) = self.drawn.get_mut(place) {
            *slot = Some(all);
        }
        Ok(())
    }

    /// Whom the experiment at `place` asks: those that it requires, and those that may keep units
    /// from them.
    fn asked(&self, place: usize) -> Vec<ExperimentId> {
        let requires = self.compiled.get(place).map(|one| &one.experiment.requires);
        let mut asked = Vec::new();
        for requirement in requires.into_iter().flatten() {
            let other = requirement.experiment;
            asked.push(other);
            let layer = self.compiled.get(other.0 as usize);
            let keepers = layer.and_then(|one| self.keepers.get(&one.experiment.layer));
            let keepers = keepers.into_iter().flatten().copied();
            asked.extend(keepers.filter(|keeper| *keeper != other));
        }
        asked
    }

    fn cycle(&self, start: usize, place: usize) -> CompileError {
        let way = self.way.iter().skip(start).chain([&place]);
        let keys = way.filter_map(|place| self.compiled.get(*place));
        let through = keys.map(|one| one.spec.key.clone()).collect();
        let at = self
            .compiled
            .get(place)
            .map_or_else(At::config, |one| one.at);
        at.fault("requires", Fault::Cycle { through })
    }
}

fn too_much(at: At<'_>) -> CompileError {
    let fault = Fault::DrawsInTooMuch {
        what: "experiments",
        limit: limits::DRAWN_IN,
    };
    at.fault("requires", fault)
}
