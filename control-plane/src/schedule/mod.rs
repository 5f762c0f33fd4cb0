//! The schedule: which steps of experiments' lives the clock takes. Here is what is due, purely;
//! taking the steps is [`driver`]'s. Both times are part of what an experiment says, so nothing
//! of the schedule is kept apart, and a restart makes up for what it missed.

pub mod driver;

use crate::model::lifecycle::{Action, State};
use crate::model::{Experiment, Key, Model};
use jiff::Timestamp;

/// Whom the audit names for a step that the clock took.
pub const ACTOR: &str = "schedule";

/// A step whose time has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// The experiment.
    pub key: Key,
    /// Its revision: who has changed it since has decided otherwise.
    pub revision: u64,
    /// What is due.
    pub action: Action,
    /// Why, for the audit.
    pub reason: String,
}

/// Every step that is due at `now`, by key; at most one of each experiment.
#[must_use]
pub fn due(model: &Model, now: Timestamp) -> Vec<Due> {
    let experiments = model.experiments.values();
    experiments
        .filter_map(|experiment| {
            let (action, reason) = step(experiment, now)?;
            Some(Due {
                key: experiment.key.clone(),
                revision: experiment.meta.revision,
                action,
                reason,
            })
        })
        .collect()
}

fn step(experiment: &Experiment, now: Timestamp) -> Option<(Action, String)> {
    let window = experiment.design.window;
    let (start, end) = (
        window.start.filter(|start| *start <= now),
        window.end.filter(|end| *end <= now),
    );
    match (experiment.state, start, end) {
        (State::Scheduled, _, Some(end)) => Some((
            Action::Unschedule,
            format!("its end, {end}, has passed before it was started"),
        )),
        (State::Scheduled, Some(start), None) => {
            Some((Action::Start, format!("its start, {start}, has come")))
        }
        (state, _, Some(end)) if state.is_stage() => {
            Some((Action::Pause, format!("its end, {end}, has come")))
        }
        _ => None,
    }
}

/// The first time after `now` at which anything is due, where there is one.
#[must_use]
pub fn next(model: &Model, now: Timestamp) -> Option<Timestamp> {
    let experiments = model.experiments.values();
    let times = experiments.flat_map(|experiment| {
        let window = experiment.design.window;
        let start = window
            .start
            .filter(|_| experiment.state == State::Scheduled);
        let ends = experiment.state.is_stage() || experiment.state == State::Scheduled;
        [start, window.end.filter(|_| ends)].into_iter().flatten()
    });
    times.filter(|time| *time > now).min()
}

#[cfg(test)]
mod tests;
