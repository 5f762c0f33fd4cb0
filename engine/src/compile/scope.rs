//! What experiments owe each other: disjoint buckets in a layer, one unit for a layer in a service,
//! one routing decision for a service. And the per-service index that follows from it, with what the
//! service needs of a request.
//!
//! Time windows don't count here: two experiments that run at different times may not share
//! buckets, because nothing else would tell a reader of the evidence whose bucket it was.

use super::fault::{CompileError, Fault};
use super::tables::Uses;
use super::{Compiled, number, service};
use crate::attribute::AttributeId;
use crate::plan::{ExperimentId, Layer, LayerId, Unit};
use crate::scope::{Scope, Slot};
use crate::service::{Needs, Service};
use crate::walk::{abreast, straight};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses two experiments of one layer that own the same bucket.
pub(super) fn disjoint(compiled: &[Compiled<'_>], layers: &[Layer]) -> Result<(), CompileError> {
    let mut owned: Vec<Vec<Slot>> = layers.iter().map(|_| Vec::new()).collect();
    for (index, one) in compiled.iter().enumerate() {
        if let Some(slots) = owned.get_mut(one.experiment.layer.0 as usize) {
            slots.extend(slots_of(index, one));
        }
    }
    for slots in &mut owned {
        slots.sort_unstable();
        let clash = slots
            .iter()
            .zip(slots.iter().skip(1))
            .find(|(left, right)| right.start <= left.end);
        if let Some((left, right)) = clash {
            return Err(overlap(compiled, *left, *right));
        }
    }
    Ok(())
}

/// Blames the experiment that comes later in the configuration.
fn overlap(compiled: &[Compiled<'_>], left: Slot, right: Slot) -> CompileError {
    let first = left.experiment.min(right.experiment).0 as usize;
    let second = left.experiment.max(right.experiment).0 as usize;
    let key = compiled.get(first).map_or("", |one| &one.experiment.key);
    let at = compiled
        .get(second)
        .map_or_else(super::At::config, |one| one.at);
    let fault = Fault::Overlap {
        kind: "experiment",
        key: key.to_owned(),
        bucket: right.start,
    };
    at.fault("allocation", fault)
}

fn slots_of<'a>(index: usize, one: &'a Compiled<'_>) -> impl Iterator<Item = Slot> + 'a {
    let experiment = ExperimentId(number(index));
    one.experiment
        .allocation
        .iter()
        .map(move |(start, end)| Slot {
            start,
            end,
            experiment,
        })
}

/// What a service's scopes refer to.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) units: &'a [Unit],
    pub(super) body_limit: usize,
}

/// Gives each service its scopes, and says what it needs.
pub(super) fn attach(
    services: &mut [service::Compiled],
    compiled: &[Compiled<'_>],
    around: Around<'_>,
) -> Result<(), CompileError> {
    let mut members: Vec<Vec<usize>> = services.iter().map(|_| Vec::new()).collect();
    for (index, one) in compiled.iter().enumerate() {
        match &one.experiment.services {
            None => members.iter_mut().for_each(|list| list.push(index)),
            Some(places) => {
                for place in places {
                    if let Some(list) = members.get_mut(*place as usize) {
                        list.push(index);
                    }
                }
            }
        }
    }
    for (service, list) in services.iter_mut().zip(members) {
        let mut gathered = Gathered::new(service.uses);
        for index in list {
            if let Some(one) = compiled.get(index) {
                gathered.add(&service.service, index, one, around.layers)?;
                gathered.need(one, compiled);
            }
        }
        gathered.finish(&mut service.service, around);
    }
    Ok(())
}

/// The experiments of one layer in one service. The first one sets the unit for all.
struct Members<'a> {
    first: &'a Compiled<'a>,
    slots: Vec<Slot>,
}

/// The scopes and needs of one service, as experiments come in.
struct Gathered<'a> {
    layers: BTreeMap<LayerId, Members<'a>>,
    routed_by: Option<(&'a str, LayerId)>,
    uses: Uses,
    writes_response: bool,
    request_headers: BTreeSet<&'a str>,
    sticky_cookies: BTreeSet<&'a str>,
}

impl<'a> Gathered<'a> {
    fn new(uses: Uses) -> Self {
        Self {
            layers: BTreeMap::new(),
            routed_by: None,
            uses,
            writes_response: false,
            request_headers: BTreeSet::new(),
            sticky_cookies: BTreeSet::new(),
        }
    }

    fn add(
        &mut self,
        service: &Service,
        index: usize,
        one: &'a Compiled<'a>,
        layers: &[Layer],
    ) -> Result<(), CompileError> {
        let layer = one.experiment.layer;
        self.route(service, one, layers)?;
        let members = self.layers.entry(layer).or_insert_with(|| Members {
            first: one,
            slots: Vec::new(),
        });
        if members.first.experiment.unit != one.experiment.unit {
            let fault = Fault::UnitsDiffer {
                other: members.first.experiment.key.to_string(),
                service: service.key.to_string(),
            };
            return Err(one.at.fault("unit_sources", fault));
        }
        members.slots.extend(slots_of(index, one));
        Ok(())
    }

    /// Experiments of one layer never meet in a request, so they may route the same service; those
    /// of different layers may not.
    fn route(
        &mut self,
        service: &Service,
        one: &'a Compiled<'a>,
        layers: &[Layer],
    ) -> Result<(), CompileError> {
        if !one.routes() {
            return Ok(());
        }
        let own = one.experiment.layer;
        let (other, layer) = *self.routed_by.get_or_insert((&one.experiment.key, own));
        if layer == own {
            return Ok(());
        }
        let layer = layers.get(layer.0 as usize).map_or("", |layer| &layer.key);
        let fault = Fault::RoutedTwice {
            service: service.key.to_string(),
            other: other.to_owned(),
            layer: layer.to_owned(),
        };
        Err(one.at.fault("services", fault))
    }

    /// What the experiment needs, and what those need that it draws in.
    fn need(&mut self, one: &'a Compiled<'a>, compiled: &'a [Compiled<'a>]) {
        for variant in &one.experiment.variants {
            let names = variant.request_headers().iter().map(|header| &*header.name);
            self.request_headers.extend(names);
            self.writes_response |= !variant.response_headers().is_empty();
        }
        let drawn_in = one.draws_in.iter();
        let drawn_in = drawn_in.filter_map(|id| compiled.get(id.0 as usize));
        for one in drawn_in.chain([one]) {
            self.uses |= one.uses;
            self.uses.time |= one.experiment.window.is_some();
            if let Some(sticky) = one.experiment.sticky() {
                self.sticky_cookies.insert(&sticky.cookie);
            }
        }
    }

    fn finish(self, service: &mut Service, around: Around<'_>) {
        let names = |set: BTreeSet<&str>| set.into_iter().map(Into::into).collect();
        service.needs = Needs {
            time: self.uses.time,
            body: self.uses.body.then_some(around.body_limit),
            response: self.writes_response
                || self.uses.generated
                || !self.sticky_cookies.is_empty(),
            request_headers: names(self.request_headers),
            sticky_cookies: names(self.sticky_cookies),
        };
        service.scopes = self
            .layers
            .into_iter()
            .map(|(layer, members)| {
                let unit = members.first.experiment.unit;
                let sources = around.units.get(unit.0 as usize);
                let first = sources.and_then(|sources| sources.first().copied());
                let nothing = AttributeId(u32::MAX);
                Scope::new(layer, unit, first.unwrap_or(nothing), members.slots)
            })
            .collect();
        let salted = |scope: &Scope| {
            let layer = around.layers.get(scope.layer.0 as usize)?;
            layer.bucketer.state().copied()
        };
        service.abreast = abreast(&service.scopes, salted);
        service.straight = straight(&service.scopes, salted);
    }
}
