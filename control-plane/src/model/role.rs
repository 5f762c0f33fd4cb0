//! Which role each change of the model needs, as the model is. Who has which role is known elsewhere;
//! the steps of an experiment's life carry their role in
//! [`lifecycle::STEPS`](super::lifecycle::STEPS).
//!
//! The rule behind every line: who prepares or stops needs [`Role::Editor`], who changes what requests
//! get needs [`Role::Operator`], who changes whom the installation trusts needs [`Role::Admin`].

use super::change::{Change, Spec};
use super::lifecycle::{self, Action, State};
use super::switch::Switch;
use super::{Key, Kind, Model};
use crate::auth::Role;

/// The role that `change` needs where the model is `model`. A change that the model would refuse
/// needs one too, so that who may not make it does not learn why.
#[must_use]
pub fn needed(model: &Model, change: &Change) -> Role {
    let (kind, key) = change.target();
    match change {
        Change::Put(_, Spec::Experiment(_)) | Change::Weights(..) | Change::Reshuffle(_) => {
            for_experiment(model, key)
        }
        Change::Put(_, Spec::Cluster(_) | Spec::Segment(_) | Spec::Layer(_) | Spec::Metric(_))
            if !model.has(kind, key.as_str()) =>
        {
            Role::Editor
        }
        Change::Put(_, Spec::Settings(_)) => Role::Admin,
        Change::Put(..) => Role::Operator,
        Change::Delete(Kind::Experiment, _) => for_experiment(model, key),
        Change::Switch(Kind::Experiment, _, Switch::Disable) => Role::Editor,
        Change::Delete(..) | Change::Switch(..) => Role::Operator,
        Change::Act(_, action) => for_step(model, key, *action),
        Change::Decide(..) => for_step(model, key, Action::Decide),
    }
}

/// A draft, or none yet, is its editors'.
fn for_experiment(model: &Model, key: &Key) -> Role {
    match model.experiments.get(key) {
        Some(experiment) if experiment.state != State::Draft => Role::Operator,
        _ => Role::Editor,
    }
}

fn for_step(model: &Model, key: &Key, action: Action) -> Role {
    let state = model.experiments.get(key).map(|it| it.state);
    let step = state.and_then(|state| lifecycle::step(state, action));
    step.map_or(Role::Operator, |step| step.role)
}
