//! What experiments owe each other: disjoint buckets in a layer, one unit for a layer in a service,
//! one routing decision for a service. And the per-service index that follows from it.
//!
//! Time windows don't count here: two experiments that run at different times may not share
//! buckets, because nothing else would tell a reader of the evidence whose bucket it was.

use super::fault::{CompileError, Fault};
use super::{Compiled, number};
use crate::plan::{ExperimentId, Layer, LayerId};
use crate::service::{Scope, Service, Slot};
use std::collections::BTreeMap;

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

/// Gives each service its scopes.
pub(super) fn attach(
    services: &mut [Service],
    compiled: &[Compiled<'_>],
    layers: &[Layer],
) -> Result<(), CompileError> {
    let everywhere = compiled
        .iter()
        .enumerate()
        .filter(|(_, one)| one.services.is_none());
    let everywhere: Vec<usize> = everywhere.map(|(index, _)| index).collect();
    let mut members: Vec<Vec<usize>> = services.iter().map(|_| everywhere.clone()).collect();
    for (index, one) in compiled.iter().enumerate() {
        for place in one.services.iter().flatten() {
            if let Some(list) = members.get_mut(*place) {
                list.push(index);
            }
        }
    }
    for (service, mut list) in services.iter_mut().zip(members) {
        list.sort_unstable();
        let mut gathered = Gathered::default();
        for index in list {
            if let Some(one) = compiled.get(index) {
                gathered.add(service, index, one, layers)?;
            }
        }
        gathered.finish(service);
    }
    Ok(())
}

/// The experiments of one layer in one service. The first one sets the unit for all.
struct Members<'a> {
    first: &'a Compiled<'a>,
    slots: Vec<Slot>,
}

/// The scopes of one service, as experiments come in.
#[derive(Default)]
struct Gathered<'a> {
    layers: BTreeMap<LayerId, Members<'a>>,
    routed_by: Option<(&'a str, LayerId)>,
    timed: bool,
}

impl<'a> Gathered<'a> {
    fn add(
        &mut self,
        service: &Service,
        index: usize,
        one: &'a Compiled<'a>,
        layers: &[Layer],
    ) -> Result<(), CompileError> {
        let layer = one.experiment.layer;
        self.route(service, one, layers)?;
        self.timed |= one.experiment.window.is_bounded();
        let members = self.layers.entry(layer).or_insert_with(|| Members {
            first: one,
            slots: Vec::new(),
        });
        if members.first.unit != one.unit {
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
        if !one.routes {
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

    fn finish(self, service: &mut Service) {
        service.timed = self.timed;
        service.scopes = self
            .layers
            .into_iter()
            .map(|(layer, mut members)| {
                members.slots.sort_unstable();
                Scope {
                    layer,
                    unit: members.first.unit.clone(),
                    slots: members.slots.into(),
                }
            })
            .collect();
    }
}
