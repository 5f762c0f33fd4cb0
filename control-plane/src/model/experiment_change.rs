//! How an experiment changes: what it says, its weights, its salt, and the steps of its life. What a
//! change is and how it becomes part of a model is in `change`.

use super::change::{ModelError, UNBORN};
use super::entry::Entry;
use super::experiment_spec::WHOLE;
use super::frozen;
use super::lifecycle::{self, Action, State};
use super::placement::{Placement, PlacementError};
use super::weights::WeightsSpec;
use super::{Experiment, ExperimentDesign, Key, Kind, Model};
use std::sync::Arc;

pub(super) fn put(
    model: &Model,
    key: &Key,
    design: ExperimentDesign,
) -> Result<Experiment, ModelError> {
    let Some(current) = model.experiments.get(key) else {
        let placement = place(model, key, &design, None)?;
        return Ok(Experiment {
            key: key.clone(),
            meta: UNBORN,
            design,
            state: State::Draft,
            placement,
        });
    };
    if current.state != State::Draft {
        frozen::experiment(current, &design)?;
    }
    let previous = (current.design.layer == design.layer).then_some(&current.placement);
    let placement = place(model, key, &design, previous)?;
    Ok(Experiment {
        design,
        placement,
        ..Experiment::clone(current)
    })
}

fn place(
    model: &Model,
    key: &Key,
    design: &ExperimentDesign,
    previous: Option<&Placement>,
) -> Result<Placement, PlacementError> {
    let neighbours = model
        .experiments
        .values()
        .filter(|other| other.key != *key && other.design.layer == design.layer)
        .map(|other| (&other.key, other.allocation()));
    let layer = model.layers.get(&design.layer);
    let buckets = layer.map_or(WHOLE, |layer| layer.design.hashing.buckets);
    Placement::compute(design, previous, buckets, neighbours)
}

pub(super) fn reweigh(
    model: &Model,
    key: &Key,
    weights: &WeightsSpec,
) -> Result<Entry, ModelError> {
    let current = experiment(model, key)?;
    let design = weights
        .apply(&current.design)
        .map_err(|faults| ModelError::Invalid {
            kind: Kind::Experiment,
            faults,
        })?;
    let placement = place(model, key, &design, Some(&current.placement))?;
    Ok(Entry::Experiment(Arc::new(Experiment {
        design,
        placement,
        ..current.clone()
    })))
}

/// Another salt of the variant hash: every unit gets its variant anew. The revision has never been a
/// salt before, and names the record of the change.
pub(super) fn reshuffle(model: &Model, key: &Key, revision: u64) -> Result<Entry, ModelError> {
    let mut experiment = experiment(model, key)?.clone();
    experiment.design.salt = format!("r{revision}");
    Ok(Entry::Experiment(Arc::new(experiment)))
}

pub(super) fn act(model: &Model, key: &Key, action: Action) -> Result<Entry, ModelError> {
    let current = experiment(model, key)?;
    let state = lifecycle::next(current.state, action).map_err(|source| ModelError::Step {
        key: key.clone(),
        source,
    })?;
    Ok(Entry::Experiment(Arc::new(Experiment {
        state,
        ..current.clone()
    })))
}

fn experiment<'a>(model: &'a Model, key: &Key) -> Result<&'a Experiment, ModelError> {
    let found = model.experiments.get(key).map(AsRef::as_ref);
    found.ok_or_else(|| ModelError::Unknown {
        kind: Kind::Experiment,
        key: key.clone(),
    })
}
