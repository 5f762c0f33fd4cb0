//! What may not change any more: whatever decides a unit's place, once units have one.

use super::change::ModelError;
use super::fault::Faults;
use super::lifecycle::State;
use super::{Experiment, ExperimentDesign, HoldoutDesign, Key, Kind, LayerDesign, Model};

/// Faults of fields that changed though they may not.
#[derive(Default)]
struct Frozen(Faults);

impl Frozen {
    fn keep(&mut self, pointer: &str, same: bool, message: &str, expected: &str) {
        if !same {
            self.0.add(pointer, message, expected);
        }
    }

    fn result(self, kind: Kind, key: &Key) -> Result<(), ModelError> {
        self.0.or(Some(())).map_err(|faults| ModelError::Frozen {
            kind,
            key: key.clone(),
            faults,
        })
    }
}

/// An experiment that is no draft keeps what decides the place of its units.
pub(super) fn experiment(
    current: &Experiment,
    design: &ExperimentDesign,
) -> Result<(), ModelError> {
    let old = &current.design;
    let why = format!("cannot change while the experiment is {}", current.state);
    let draft = "the value as it is; only a draft may change it";
    let reshuffle = "the value as it is; `reshuffle` gives every unit its variant anew";
    let (was, is) = (old.hashing, design.hashing);
    let mut frozen = Frozen::default();
    frozen.keep("/layer", old.layer == design.layer, &why, draft);
    frozen.keep("/services", old.services == design.services, &why, draft);
    frozen.keep("/unit", old.unit == design.unit, &why, draft);
    frozen.keep("/salt", old.salt == design.salt, &why, reshuffle);
    frozen.keep("/hash", was.hash == is.hash, &why, draft);
    frozen.keep("/buckets", was.buckets == is.buckets, &why, draft);
    let alike = old.strategy.is_like(&design.strategy);
    frozen.keep("/strategy", alike, &why, draft);
    frozen.result(Kind::Experiment, &current.key)
}

/// One that is over is a record.
pub(super) fn archived(key: &Key) -> ModelError {
    ModelError::Frozen {
        kind: Kind::Experiment,
        key: key.clone(),
        faults: Faults::one(
            "",
            "cannot change any more: the experiment is archived",
            "the document as it is, or an experiment of another key",
        ),
    }
}

/// A layer in which an experiment has begun keeps its hash; one whose buckets are owned keeps their
/// number.
pub(super) fn layer(model: &Model, key: &Key, design: &LayerDesign) -> Result<(), ModelError> {
    let Some(current) = model.layers.get(key) else {
        return Ok(());
    };
    let old = &current.design;
    let (was, is) = (old.hashing, design.hashing);
    let mut frozen = Frozen::default();
    if let Some(begun) = begun(model, |e| e.design.layer == *key) {
        let why = not_a_draft(begun);
        let salt = old.salt == design.salt;
        frozen.keep("/salt", salt, &why, "the salt as it is");
        frozen.keep("/hash", was.hash == is.hash, &why, "the hash as it is");
    }
    if let Some(owner) = first(model, |e| {
        e.design.layer == *key && !e.allocation().is_empty()
    }) {
        let why = format!("cannot change while experiment `{}` owns some", owner.key);
        let same = was.buckets == is.buckets;
        frozen.keep("/buckets", same, &why, "the number as it is");
    }
    frozen.result(Kind::Layer, key)
}

/// A holdout of experiments that have begun goes on to hold out whom it held out.
pub(super) fn holdout(model: &Model, key: &Key, design: &HoldoutDesign) -> Result<(), ModelError> {
    let Some(current) = model.holdouts.get(key) else {
        return Ok(());
    };
    let old = &current.design;
    let mut frozen = Frozen::default();
    if let Some(begun) = begun(model, |e| old.covers(&e.design.layer)) {
        let why = not_a_draft(begun);
        let salt = old.salt == design.salt;
        frozen.keep("/salt", salt, &why, "the salt as it is");
        let layer = old.layer == design.layer;
        frozen.keep("/layer", layer, &why, "the layer as it is");
    }
    frozen.result(Kind::Holdout, key)
}

fn not_a_draft(begun: &Experiment) -> String {
    let key = &begun.key;
    format!("cannot change while experiment `{key}` is not a draft")
}

fn begun(model: &Model, is: impl Fn(&Experiment) -> bool) -> Option<&Experiment> {
    first(model, |experiment| {
        let is_over = experiment.state == State::Archived;
        experiment.state.has_begun() && !is_over && is(experiment)
    })
}

fn first(model: &Model, is: impl Fn(&Experiment) -> bool) -> Option<&Experiment> {
    let mut experiments = model.experiments.values().map(AsRef::as_ref);
    experiments.find(|experiment: &&Experiment| is(experiment))
}
