//! Changes: the only way from one model to the next. Pure: who may change, what is kept and who is
//! told is decided elsewhere.

use super::cluster::ClusterSpec;
use super::decision::DecisionSpec;
use super::document::named;
use super::entry::Entry;
use super::experiment_spec::ExperimentSpec;
use super::fault::Faults;
use super::holdout::HoldoutSpec;
use super::integrity::{self, Conflict};
use super::key::Key;
use super::layer::LayerSpec;
use super::lifecycle::{Action, WrongStep};
use super::metric::MetricSpec;
use super::placement::PlacementError;
use super::segment::SegmentSpec;
use super::service::ServiceSpec;
use super::settings::SettingsSpec;
use super::switch::{self, Switch};
use super::weights::WeightsSpec;
use super::{Kind, Meta, Model, experiment_change, frozen, reference};
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
    /// Give everybody one variant of an experiment, and keep that this was decided.
    Decide(Key, DecisionSpec),
    /// Give every unit of an experiment its variant anew.
    Reshuffle(Key),
    /// Throw the kill switch of an experiment, a layer or the settings.
    Switch(Kind, Key, Switch),
}

/// What a thing shall say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spec {
    /// The settings.
    Settings(SettingsSpec),
    /// A cluster.
    Cluster(ClusterSpec),
    /// A segment.
    Segment(Box<SegmentSpec>),
    /// A service.
    Service(ServiceSpec),
    /// A layer.
    Layer(LayerSpec),
    /// A holdout.
    Holdout(HoldoutSpec),
    /// A metric.
    Metric(Box<MetricSpec>),
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
    /// `create`, `update`, `delete`, `weights`, `reshuffle`, or the name of an [`Action`] or a
    /// [`Switch`].
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
    /// The experiment does not say what it must for the action.
    #[error("experiment `{key}` is not ready for `{action}`: {faults}")]
    Unready {
        /// The experiment.
        key: Key,
        /// What was asked.
        action: Action,
        /// What it should say.
        faults: Faults,
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
    let revision = model.revision.saturating_add(1);
    check_precondition(precondition, kind, key, before.as_ref())?;
    let after = match change {
        Change::Put(key, spec) => Some(put(model, key, spec, before.as_ref())?),
        Change::Delete(kind, key) => {
            delete(model, *kind, key)?;
            None
        }
        Change::Weights(key, weights) => Some(experiment_change::reweigh(model, key, weights)?),
        Change::Act(key, action) => Some(experiment_change::act(model, key, (*action, None), now)?),
        Change::Decide(key, decision) => {
            let decide = (Action::Decide, Some(decision));
            Some(experiment_change::act(model, key, decide, now)?)
        }
        Change::Reshuffle(key) => Some(experiment_change::reshuffle(model, key, revision)?),
        Change::Switch(kind, key, switch) => Some(switch::throw(model, *kind, key, *switch)?),
    };
    if after == before {
        return Ok(Applied {
            model: model.clone(),
            edit: None,
        });
    }
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
    if kind == Kind::Service {
        integrity::listeners(&model, key)?;
    }
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
            Self::Delete(kind, key) | Self::Switch(kind, key, _) => (*kind, key),
            Self::Weights(key, _)
            | Self::Act(key, _)
            | Self::Decide(key, _)
            | Self::Reshuffle(key) => (Kind::Experiment, key),
        }
    }

    fn word(&self, existed: bool) -> &'static str {
        match self {
            Self::Put(..) if existed => "update",
            Self::Put(..) => "create",
            Self::Delete(..) => "delete",
            Self::Weights(..) => "weights",
            Self::Act(_, action) => action.as_str(),
            Self::Decide(..) => Action::Decide.as_str(),
            Self::Reshuffle(_) => "reshuffle",
            Self::Switch(_, _, switch) => switch.as_str(),
        }
    }
}

impl Spec {
    /// What kind of thing says it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Settings(_) => Kind::Settings,
            Self::Cluster(_) => Kind::Cluster,
            Self::Segment(_) => Kind::Segment,
            Self::Service(_) => Kind::Service,
            Self::Layer(_) => Kind::Layer,
            Self::Holdout(_) => Kind::Holdout,
            Self::Metric(_) => Kind::Metric,
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
    let key = key.clone();
    let mut faults = Faults::default();
    Ok(match spec {
        Spec::Settings(spec) => {
            let current = model.settings.get(&key).map(|it| &it.design);
            let design = spec.validate(current, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Settings(named(key, meta, design))
        }
        Spec::Cluster(spec) => {
            let design = spec.validate(&mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Cluster(named(key, meta, design))
        }
        Spec::Segment(spec) => {
            let design = spec.validate(&mut faults);
            reference::of_segment(model, &key, spec, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Segment(named(key, meta, design))
        }
        Spec::Service(spec) => {
            let design = spec.validate(&mut faults);
            reference::of_service(model, spec, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Service(named(key, meta, design))
        }
        Spec::Layer(spec) => {
            let design = spec.validate(&key, &mut faults);
            let mut design = faults.or(design).map_err(invalid)?;
            let current = model.layers.get(&key);
            design.disabled = kept(spec.disabled, current.map(|it| it.design.disabled));
            frozen::layer(model, &key, &design)?;
            Entry::Layer(named(key, meta, design))
        }
        Spec::Holdout(spec) => {
            let design = spec.validate(&key, &mut faults);
            reference::of_holdout(model, spec, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            frozen::holdout(model, &key, &design)?;
            Entry::Holdout(named(key, meta, design))
        }
        Spec::Metric(spec) => {
            let design = spec.validate(&key, &mut faults);
            let design = faults.or(design).map_err(invalid)?;
            Entry::Metric(named(key, meta, design))
        }
        Spec::Experiment(spec) => {
            let design = spec.validate(&mut faults);
            let current = model.experiments.get(&key);
            reference::of_experiment(model, &key, spec, &mut faults);
            reference::metrics(model, current.map(AsRef::as_ref), spec, &mut faults);
            let mut design = faults.or(design).map_err(invalid)?;
            design.disabled = kept(spec.disabled, current.map(|it| it.design.disabled));
            Entry::Experiment(Arc::new(experiment_change::put(model, &key, design)?))
        }
    })
}

/// A kill switch of which a document says nothing stays as it is: whoever applies a file again must
/// not bring back what somebody has switched off.
fn kept(said: Option<bool>, is: Option<bool>) -> bool {
    said.or(is).unwrap_or_default()
}

/// The meta of what was never in a model; replaced before it is.
pub(super) const UNBORN: Meta = Meta {
    revision: 0,
    created_at: Timestamp::UNIX_EPOCH,
    updated_at: Timestamp::UNIX_EPOCH,
};

fn delete(model: &Model, kind: Kind, key: &Key) -> Result<(), ModelError> {
    if model.entry(kind, key).is_none() {
        return Err(ModelError::Unknown {
            kind,
            key: key.clone(),
        });
    }
    let by = reference::users(model, kind, key);
    if by.is_empty() {
        return Ok(());
    }
    Err(ModelError::InUse {
        kind,
        key: key.clone(),
        by,
    })
}
