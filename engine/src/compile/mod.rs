//! From wire to plan. What lives here: every check a configuration must pass, and the building of
//! the [`Plan`]. What does not: evaluation. Nothing behind this door checks again.
//!
//! A fault names the entry and the field; the first one ends the compilation, because a
//! configuration is taken whole or not at all.

mod attribute;
mod condition;
mod experiment;
mod fault;
mod layer;
pub mod limits;
mod path;
mod requirement;
mod rule;
mod scope;
mod segment;
mod service;
mod settings;
mod strategy;
mod tables;
mod text;
mod variant;
mod wire;

pub use fault::{CompileError, DecodeError, Entry, EntryKind, Fault};

use crate::attributes::Attributes;
use crate::audience::Rule;
use crate::condition::{Check, Condition};
use crate::experiment::Experiment;
use crate::plan::{ExperimentId, Layer, Plan};
use crate::service::ServiceIndex;
use fault::{At, readable};
use tables::{Map, Tables, Uses};
use watershed_proto::filter::v1::{Experiment as ExperimentSpec, FilterConfig};

/// An experiment and what of it is needed only until the scopes are built.
struct Compiled<'c> {
    at: At<'c>,
    spec: &'c ExperimentSpec,
    /// What it reads itself.
    uses: Uses,
    /// Whom it draws in by its requirements, and theirs.
    draws_in: Vec<ExperimentId>,
    experiment: Experiment,
}

impl Compiled<'_> {
    /// Either all variants name a cluster or none does.
    fn routes(&self) -> bool {
        let variants = self.experiment.variants.first();
        variants.is_some_and(|variant| variant.cluster.is_some())
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Plan, DecodeError> {
    let decoded = wire::Decoded::new(bytes)?;
    Ok(build(&decoded.specs())?)
}

pub(crate) fn plan(config: &FilterConfig) -> Result<Plan, CompileError> {
    build(&wire::Specs::of(config))
}

fn build(specs: &wire::Specs<'_>) -> Result<Plan, CompileError> {
    let config = specs.config;
    let settings = settings::settings(config)?;
    let (mut layers, layer_ids) = layer::layers(&config.layers)?;
    let holdouts = layer::holdouts(&config.holdouts, &mut layers, &layer_ids)?;
    let mut tables = Tables::default();
    segment::all(&mut tables, &config.segments)?;
    let mut services = service::services(&mut tables, &config.services)?;
    let service_ids: Map<&str, usize> = config
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| (service.key.as_str(), index))
        .collect();
    let mut builder = experiment::Builder {
        layers: &layers,
        layer_ids: &layer_ids,
        services: &service_ids,
        tables: &mut tables,
        variants: 0,
        who: Vec::new(),
        salt: String::new(),
        is_off: config.disabled,
        has_keys: !settings.keys.is_empty(),
    };
    let mut compiled = builder.experiments(&specs.experiments)?;
    switch_off(&mut compiled, config);
    scope::disjoint(&compiled, &layers)?;
    requirement::resolve(&mut compiled)?;
    mark_plain(&mut compiled, &layers);
    number_audiences(&mut compiled);
    let checks = shorten_audiences(&mut compiled, &tables.conditions);
    let around = scope::Around {
        layers: &layers,
        units: &tables.units,
        body_limit: settings.body_limit,
    };
    scope::attach(&mut services, &compiled, around)?;
    let services: Box<[_]> = services.into_iter().map(|one| one.service).collect();
    Ok(Plan {
        version: config.version.as_str().into(),
        by_key: by_key(&compiled),
        experiments: compiled.into_iter().map(|one| one.experiment).collect(),
        attributes: Attributes::new(tables.attributes),
        conditions: tables.conditions.into(),
        checks,
        units: tables.units.into(),
        segments: segment::finish(tables.segments),
        holdouts: holdouts.into(),
        layers: layers.into(),
        index: ServiceIndex::new(&services),
        services,
        keys: settings.keys,
        force: settings.force,
        trusts_stamps: settings.trusts_stamps,
        body_limit: settings.body_limit,
    })
}

/// The layers' kill switches.
fn switch_off(compiled: &mut [Compiled<'_>], config: &FilterConfig) {
    for one in compiled {
        let layer = config.layers.get(one.experiment.layer.0 as usize);
        one.experiment.is_off |= layer.is_some_and(|layer| layer.disabled);
    }
}

fn mark_plain(compiled: &mut [Compiled<'_>], layers: &[Layer]) {
    for one in compiled {
        if let Some(layer) = layers.get(one.experiment.layer.0 as usize) {
            one.experiment.mark_plain(layer);
        }
    }
}

/// Numbers the audiences that several experiments have, the first one 0.
fn number_audiences(compiled: &mut [Compiled<'_>]) {
    let mut counts: Map<&Rule, (u32, u32)> = Map::default();
    let mut shared = 0;
    for one in &*compiled {
        if let Some(rule) = &one.experiment.audience {
            let (count, own) = counts.entry(rule).or_default();
            *count = count.saturating_add(1);
            if *count == 2 {
                *own = shared;
                shared = shared.saturating_add(1);
            }
        }
    }
    let numbers = compiled.iter().map(|one| {
        let (count, own) = counts.get(one.experiment.audience.as_ref()?)?;
        (*count > 1).then_some(*own)
    });
    let numbers: Vec<Option<u32>> = numbers.collect();
    for (one, own) in compiled.iter_mut().zip(numbers) {
        one.experiment.audience_number = own.unwrap_or(u32::MAX);
    }
}

/// The short forms of audiences, each once.
fn shorten_audiences(
    compiled: &mut [Compiled<'_>],
    conditions: &[Condition],
) -> Box<[Box<[Check]>]> {
    let mut places: Map<&Rule, u32> = Map::default();
    let mut all = Vec::new();
    let mut found = Vec::with_capacity(compiled.len());
    for one in &*compiled {
        let place = one.experiment.audience.as_ref().and_then(|rule| {
            if let Some(place) = places.get(rule) {
                return Some(*place);
            }
            let place = number(all.len());
            all.push(rule.checks(conditions)?);
            places.insert(rule, place);
            Some(place)
        });
        found.push(place);
    }
    for (one, place) in compiled.iter_mut().zip(found) {
        one.experiment.checks = place.unwrap_or(u32::MAX);
    }
    all.into()
}

fn by_key(compiled: &[Compiled<'_>]) -> Box<[ExperimentId]> {
    let mut keys: Vec<(&str, ExperimentId)> = (0..)
        .zip(compiled)
        .map(|(place, one)| (&*one.experiment.key, ExperimentId(place)))
        .collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, id)| id).collect()
}

fn dangling(name: &str) -> Fault {
    if name.is_empty() {
        return Fault::Missing;
    }
    Fault::Dangling {
        value: readable(name),
    }
}

/// A place in a table. The limits keep every table far below `u32::MAX`.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A place among variants; [`limits::VARIANTS`] keeps it small.
fn small(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
