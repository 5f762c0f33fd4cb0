//! Changes: the only way from one model to the next. Pure: who may change, what is kept and who is
//! told is decided elsewhere.

use super::cluster::ClusterSpec;
use super::document::{Entry, named};
use super::experiment_spec::ExperimentSpec;
use super::fault::Faults;
use super::integrity::{self, Conflict};
use super::key::Key;
use super::layer::LayerSpec;
use super::lifecycle::{Action, State, WrongStep};
use super::placement::PlacementError;
use super::service::ServiceSpec;
use super::weights::WeightsSpec;
use super::{Kind, LayerDesign, Meta, Model, experiment_change};
use jiff::Timestamp;
use std::sync::Arc;
use thiserror::Error;

/// One wish to change the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Make the thing of that name say this.
    Put(Key, Spec),
    /// Take the thing of that name away.
    Delete(Kind, Key),
    /// Give the variants of an experiment new weights.
    Weights(Key, WeightsSpec),
    /// Take an experiment a step through its life.
    Act(Key, Action),
}

/// What a thing shall say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spec {
    /// A cluster.
    Cluster(ClusterSpec),
    /// A service.
    Service(ServiceSpec),
    /// A layer.
    Layer(LayerSpec),
    /// An experiment.
    Experiment(Box<ExperimentSpec>),
}

/// What must be true of the thing as it is, for a change to be made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// There is one.
    Exists,
    /// It has this revision.
    Revision(u64),
}

/// The outcome of a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// The model afterwards.
    pub model: Model,
    /// What is different; nothing where the change asked for what already was.
    pub edit: Option<Edit>,
}

/// One difference between two models that follow one another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The revision of the later model.
    pub revision: u64,
    /// When it was made.
    pub at: Timestamp,
    /// `create`, `update`, `delete`, `weights` or the name of an [`Action`].
    pub action: &'static str,
    /// What was changed.
    pub kind: Kind,
    /// Its name.
    pub key: Key,
    /// How it was; absent where it was made.
    pub before: Option<Entry>,
    /// How it is; absent where it was taken away.
    pub after: Option<Entry>,
}

/// Why a change is refused. The model stays as it was.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum ModelError {
    /// The input is wrong in itself or names what does not exist.
    #[error("the {kind} is not valid: {faults}")]
    Invalid {
        /// What was to be changed.
        kind: Kind,
        /// All that is wrong with it.
        faults: Faults,
    },
    /// There is nothing of that name.
    #[error("there is no {kind} `{key}`")]
    Unknown {
        /// What was asked for.
        kind: Kind,
        /// Its name.
        key: Key,
    },
    /// The precondition does not hold.
    #[error("{kind} `{key}` {}", current_revision(.current))]
    Stale {
        /// What was to be changed.
        kind: Kind,
        /// Its name.
        key: Key,
        /// Its revision; absent where there is none of that name.
        current: Option<u64>,
    },
    /// Others need what was to be deleted.
    #[error("{kind} `{key}` is used by {}", .by.join(", "))]
    InUse {
        /// What was to be deleted.
        kind: Kind,
        /// Its name.
        key: Key,
        /// Who uses it.
        by: Vec<String>,
    },
    /// Fields were changed that would take units out of their variants.
    #[error("{kind} `{key}`: {faults}")]
    Frozen {
        /// What was to be changed.
        kind: Kind,
        /// Its name.
        key: Key,
        /// The fields.
        faults: Faults,
    },
    /// The experiment's state does not have that action.
    #[error("{source}")]
    Step {
        /// The experiment.
        key: Key,
        /// State, action, and what would be allowed.
        source: WrongStep,
    },
    /// The layer has no room, or buckets could not be computed.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// The change conflicts with something else in the model.
    #[error(transparent)]
    Conflict(#[from] Box<Conflict>),
}

fn current_revision(current: &Option<u64>) -> String {
    match current {
        Some(revision) => format!("is at revision {revision}"),
        None => "does not exist".to_owned(),
    }
}

/// Makes `change` at the time `now`.
///
/// # Errors
/// [`ModelError`] where it is refused.
pub fn apply(
    model: &Model,
    change: &Change,
    precondition: Precondition,
    now: Timestamp,
) -> Result<Applied, ModelError> {
    let (kind, key) = change.target();
    let before = model.entry(kind, key);
    check_precondition(precondition, kind, key, before.as_ref())?;
    let after = match change {
        Change::Put(key, spec) => Some(put(model, key, spec, before.as_ref())?),
        Change::Delete(kind, key) => {
            delete(model, *kind, key)?;
            None
        }
        Change::Weights(key, weights) => Some(experiment_change::reweigh(model, key, weights)?),
        Change::Act(key, action) => Some(experiment_change::act(model, key, *action)?),
    };
    if after == before {
        return Ok(Applied {
            model: model.clone(),
            edit: None,
        });
    }
    let revision = model.revision.saturating_add(1);
    let meta = Meta {
        revision,
        created_at: before.as_ref().map_or(now, |entry| entry.meta().created_at),
        updated_at: now,
    };
    let edit = Edit {
        revision,
        at: now,
        action: change.word(before.is_some()),
        kind,
        key: key.clone(),
        before,
        after: after.map(|entry| entry.with_meta(meta)),
    };
    let model = edit.replay(model);
    integrity::check(&model)?;
    Ok(Applied {
        model,
        edit: Some(edit),
    })
}

impl Change {
    /// What the change is about.
    #[must_use]
    pub fn target(&self) -> (Kind, &Key) {
        match self {
            Self::Put(key, spec) => (spec.kind(), key),
            Self::Delete(kind, key) => (*kind, key),
            Self::Weights(key, _) | Self::Act(key, _) => (Kind::Experiment, key),
        }
    }

    fn word(&self, existed: bool) -> &'static str {
        match self {
            Self::Put(..) if existed => "update",
            Self::Put(..) => "create",
            Self::Delete(..) => "delete",
            Self::Weights(..) => "weights",
            Self::Act(_, action) => action.as_str(),
        }
    }
}

impl Spec {
    /// What kind of thing says it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Cluster(_) => Kind::Cluster,
            Self::Service(_) => Kind::Service,
            Self::Layer(_) => Kind::Layer,
            Self::Experiment(_) => Kind::Experiment,
        }
    }
}

impl Edit {
    fn replay(&self, model: &Model) -> Model {
        let mut next = model.clone();
        next.revision = self.revision;
        match &self.after {
            Some(entry) => next.insert(entry.clone()),
            None => next.remove(self.kind, &self.key),
        }
        next
    }
}

fn check_precondition(
    precondition: Precondition,
    kind: Kind,
    key: &Key,
    before: Option<&Entry>,
) -> Result<(), ModelError> {
    let current = before.map(|entry| entry.meta().revision);
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Exists => current.is_some(),
        Precondition::Revision(revision) => current == Some(revision),
    };
    if holds {
        return Ok(());
    }
    Err(ModelError::Stale {
        kind,
        key: key.clone(),
        current,
    })
}

/// The entry that says `spec`. It keeps the meta of what it replaces, so that one that says the
/// same is equal.
fn put(model: &Model, key: &Key, spec: &Spec, before: Option<&Entry>) -> Result<Entry, ModelError> {
    let kind = spec.kind();
    let invalid = |faults| ModelError::Invalid { kind, faults };
    let meta = before.map_or(UNBORN, Entry::meta);
    let mut faults = Faults::default();
    Ok(match spec {
        Spec::Cluster(spec) => {
            let design = spec.validate(&mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Cluster(named(key.clone(), meta, design))
        }
        Spec::Service(spec) => {
            let design = spec.validate(&mut faults);
            integrity::service_refers(model, spec, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Service(named(key.clone(), meta, design))
        }
        Spec::Layer(spec) => {
            let design = spec.validate(key, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            salt_may_change(model, key, &design)?;
            Entry::Layer(named(key.clone(), meta, design))
        }
        Spec::Experiment(spec) => {
            let design = spec.validate(&mut faults);
            integrity::experiment_refers(model, spec, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Experiment(Arc::new(experiment_change::put(model, key, design)?))
        }
    })
}

/// The meta of what was never in a model; replaced before it is.
pub(super) const UNBORN: Meta = Meta {
    revision: 0,
    created_at: Timestamp::UNIX_EPOCH,
    updated_at: Timestamp::UNIX_EPOCH,
};

/// A layer's salt decides which units are in which experiment of it.
fn salt_may_change(model: &Model, key: &Key, design: &LayerDesign) -> Result<(), ModelError> {
    let same = model
        .layers
        .get(key)
        .is_none_or(|layer| layer.design.salt == design.salt);
    let mut begun = model
        .experiments
        .values()
        .filter(|e| e.design.layer == *key && e.state != State::Draft);
    match begun.next() {
        Some(experiment) if !same => Err(ModelError::Frozen {
            kind: Kind::Layer,
            key: key.clone(),
            faults: Faults::one(
                "/salt",
                format!(
                    "cannot change while experiment `{}` is not a draft",
                    experiment.key
                ),
                "the salt as it is",
            ),
        }),
        _ => Ok(()),
    }
}

fn delete(model: &Model, kind: Kind, key: &Key) -> Result<(), ModelError> {
    if model.entry(kind, key).is_none() {
        return Err(ModelError::Unknown {
            kind,
            key: key.clone(),
        });
    }
    let by = integrity::users(model, kind, key);
    if by.is_empty() {
        return Ok(());
    }
    Err(ModelError::InUse {
        kind,
        key: key.clone(),
        by,
    })
}
