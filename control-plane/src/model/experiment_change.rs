//! How an experiment changes: what it says, its weights, its salt, and the steps of its life. What a
//! change is and how it becomes part of a model is in `change`.

use super::change::{ModelError, UNBORN};
use super::decision::{Decision, DecisionSpec};
use super::entry::Entry;
use super::experiment_spec::WHOLE;
use super::fault::Faults;
use super::frozen;
use super::lifecycle::{self, Action, State};
use super::placement::{Placement, PlacementError};
use super::weights::WeightsSpec;
use super::{Experiment, ExperimentDesign, Key, Kind, Model, readiness};
use jiff::Timestamp;
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
            stage: None,
            decision: None,
            placement,
        });
    };
    if current.state == State::Archived {
        if current.design == design {
            return Ok(Experiment::clone(current));
        }
        return Err(frozen::archived(key));
    }
    if current.state != State::Draft {
        frozen::experiment(current, &design)?;
        let lost = readiness::kept(current, &design);
        lost.or(Some(())).map_err(|faults| ModelError::Invalid {
            kind: Kind::Experiment,
            faults,
        })?;
    }
    decided_stays(current, &design)?;
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
    let current = alive(model, key)?;
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
    let mut experiment = alive(model, key)?.clone();
    experiment.design.salt = format!("r{revision}");
    Ok(Entry::Experiment(Arc::new(experiment)))
}

/// Takes the step that `action` takes at `now`; [`Action::Decide`] needs a `decision`.
pub(super) fn act(
    model: &Model,
    key: &Key,
    (action, decision): (Action, Option<&DecisionSpec>),
    now: Timestamp,
) -> Result<Entry, ModelError> {
    let current = experiment(model, key)?;
    let from = current.state;
    let to = lifecycle::next(from, action, current.stage);
    let to = to.map_err(|source| ModelError::Step {
        key: key.clone(),
        source,
    })?;
    let faults = readiness::of_step(&current.design, (from, action, to), now);
    faults.or(Some(())).map_err(|faults| ModelError::Unready {
        key: key.clone(),
        action,
        faults,
    })?;
    let mut next = current.clone();
    next.state = to;
    next.stage = match (from.is_stage(), to.is_stage()) {
        (_, true) => None,
        (true, false) => Some(from),
        (false, false) => current.stage,
    };
    match to {
        State::Decided => next.decision = Some(decide(current, decision, now)?),
        State::Archived => next.placement = current.placement.freed(),
        _ => next.decision = None,
    }
    Ok(Entry::Experiment(Arc::new(next)))
}

/// What is decided; the same decision again is the one that was made.
fn decide(
    current: &Experiment,
    decision: Option<&DecisionSpec>,
    now: Timestamp,
) -> Result<Decision, ModelError> {
    let variant = match decision {
        Some(decision) => decision.variant(&current.design),
        None => Err(Faults::one("/variant", "is missing", "a variant's key")),
    };
    let variant = variant.map_err(|faults| ModelError::Invalid {
        kind: Kind::Experiment,
        faults,
    })?;
    let made = current.decision.clone();
    Ok(made
        .filter(|made| made.variant == variant)
        .unwrap_or(Decision { variant, at: now }))
}

/// The variant that everybody gets is not taken away.
fn decided_stays(current: &Experiment, design: &ExperimentDesign) -> Result<(), ModelError> {
    match &current.decision {
        Some(decision) if !design.has_variant(&decision.variant) => Err(ModelError::Frozen {
            kind: Kind::Experiment,
            key: current.key.clone(),
            faults: Faults::one(
                "/variants",
                format!("have no `{}`, for which was decided", decision.variant),
                "the decided variant among them",
            ),
        }),
        _ => Ok(()),
    }
}

/// One that is not over.
pub(super) fn alive<'a>(model: &'a Model, key: &Key) -> Result<&'a Experiment, ModelError> {
    let experiment = experiment(model, key)?;
    if experiment.state == State::Archived {
        return Err(frozen::archived(key));
    }
    Ok(experiment)
}

fn experiment<'a>(model: &'a Model, key: &Key) -> Result<&'a Experiment, ModelError> {
    let found = model.experiments.get(key).map(AsRef::as_ref);
    found.ok_or_else(|| ModelError::Unknown {
        kind: Kind::Experiment,
        key: key.clone(),
    })
}
