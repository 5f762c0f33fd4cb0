//! The life of an experiment: its states, the actions on it, and the one table that says which
//! action leads from where to where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Where an experiment is in its life. It owns its buckets in every one of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written down, never served. Everything about it may change.
    Draft,
    /// Units are assigned.
    Running,
    /// No unit is assigned: requests go to their service's default cluster.
    Paused,
    /// Every eligible unit of its buckets gets the fallback variant.
    RolledBack,
}

/// What can be done to an experiment, besides changing what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Begin to assign units.
    Start,
    /// Stop to assign units.
    Pause,
    /// Assign units again.
    Resume,
    /// Give everybody the fallback variant.
    Rollback,
}

/// Every step there is. A rollback of what is rolled back is a step to where one is, so that it
/// can be repeated when nobody knows whether the first one arrived.
pub const STEPS: &[(State, Action, State)] = &[
    (State::Draft, Action::Start, State::Running),
    (State::Running, Action::Pause, State::Paused),
    (State::Running, Action::Rollback, State::RolledBack),
    (State::Paused, Action::Resume, State::Running),
    (State::Paused, Action::Rollback, State::RolledBack),
    (State::RolledBack, Action::Resume, State::Running),
    (State::RolledBack, Action::Rollback, State::RolledBack),
];

/// An action that a state does not have.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("cannot {action} an experiment that is {state}; it can: {}", list(.allowed))]
pub struct WrongStep {
    /// Where the experiment is.
    pub state: State,
    /// What was asked.
    pub action: Action,
    /// What could be asked.
    pub allowed: Vec<Action>,
}

/// Where `action` leads from `state`.
///
/// # Errors
/// [`WrongStep`] where [`STEPS`] has no such step.
pub fn next(state: State, action: Action) -> Result<State, WrongStep> {
    let step = STEPS
        .iter()
        .find(|(from, by, _)| (*from, *by) == (state, action));
    step.map(|(_, _, to)| *to).ok_or_else(|| WrongStep {
        state,
        action,
        allowed: allowed(state),
    })
}

/// The actions that `state` has.
#[must_use]
pub fn allowed(state: State) -> Vec<Action> {
    let from = STEPS.iter().filter(|(from, _, _)| *from == state);
    from.map(|(_, action, _)| *action).collect()
}

impl State {
    /// Whether requests are affected: whether the experiment is in the filter's configuration.
    #[must_use]
    pub fn is_served(self) -> bool {
        matches!(self, Self::Running | Self::RolledBack)
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Start, Self::Pause, Self::Resume, Self::Rollback];

    /// The word for it, as in a path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
        }
    }
}

fn list(actions: &[Action]) -> String {
    let names: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
    names.join(", ")
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RolledBack => "rolled_back",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] = [
        State::Draft,
        State::Running,
        State::Paused,
        State::RolledBack,
    ];

    #[test]
    fn each_state_has_at_most_one_step_by_an_action() {
        for state in STATES {
            for action in Action::ALL {
                let steps = STEPS
                    .iter()
                    .filter(|step| (step.0, step.1) == (state, action));
                assert!(steps.count() <= 1, "{state} {action}");
            }
        }
    }

    #[test]
    fn what_has_been_served_never_becomes_a_draft_again() {
        assert!(STEPS.iter().all(|(_, _, to)| *to != State::Draft));
    }

    #[test]
    fn a_rollback_can_be_repeated() {
        assert_eq!(
            next(State::RolledBack, Action::Rollback),
            Ok(State::RolledBack)
        );
    }

    #[test]
    fn a_wrong_step_names_the_state_and_what_could_be_done() {
        let wrong = next(State::Draft, Action::Pause).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "cannot pause an experiment that is draft; it can: start"
        );
    }
}
