//! The life of an experiment: its states, the actions on it, and the one table that says which
//! action leads from where to where, and which role may take it. What else must hold before a step
//! is taken is in `readiness`; when the clock takes one, in `schedule`.

use crate::auth::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Where an experiment is in its life. It owns its buckets in every one of them but the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written down, never served. Everything about it may change.
    Draft,
    /// Agreed on: at its `start`, the control plane starts it.
    Scheduled,
    /// Only units of the `internal` rule are assigned, and bearers of force tokens.
    Internal,
    /// Units of `canary_traffic` of its buckets are assigned, to the variants that they keep.
    Canary,
    /// Units of all its buckets are assigned.
    Running,
    /// No unit is assigned: requests go to their service's default cluster.
    Paused,
    /// Every eligible unit of its buckets gets the fallback variant.
    RolledBack,
    /// Every eligible unit of its buckets gets the variant that was decided for.
    Decided,
    /// Over: kept to be read, never served again, and without buckets.
    Archived,
}

/// What can be done to an experiment, besides changing what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Have it started at its `start`.
    Schedule,
    /// Take that back.
    Unschedule,
    /// Assign units of the `internal` rule only.
    Internal,
    /// Assign units of `canary_traffic` only.
    Canary,
    /// Assign units of all its buckets.
    Start,
    /// Stop to assign units.
    Pause,
    /// Go on where it was paused, rolled back or decided.
    Resume,
    /// Give everybody the fallback variant.
    Rollback,
    /// Give everybody one variant, and keep that this was decided.
    Decide,
    /// Put it away and free its buckets.
    Archive,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// To this state.
    State(State),
    /// To the stage it was served at: internal, canary or running.
    Stage,
}

/// One step of a life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// Where it can be taken.
    pub from: State,
    /// What takes it.
    pub action: Action,
    /// Where it leads.
    pub to: To,
    /// The least role that may take it.
    pub role: Role,
}

/// Every step there is; the page of documents `docs/lifecycle.md` holds the same table.
///
/// Who changes what requests get is an operator; whoever may write may stop, too. A rollback is one
/// step from whatever is served, and one of what is rolled back leads to where it is, so that it
/// can be repeated when nobody knows whether the first one arrived.
pub const STEPS: &[Step] = {
    use Action as A;
    use Role::{Editor, Operator};
    use State as S;
    &[
        row(S::Draft, A::Schedule, To::State(S::Scheduled), Operator),
        row(S::Draft, A::Internal, To::State(S::Internal), Operator),
        row(S::Draft, A::Canary, To::State(S::Canary), Operator),
        row(S::Draft, A::Start, To::State(S::Running), Operator),
        row(S::Scheduled, A::Unschedule, To::State(S::Draft), Editor),
        row(S::Scheduled, A::Start, To::State(S::Running), Operator),
        row(S::Internal, A::Canary, To::State(S::Canary), Operator),
        row(S::Internal, A::Start, To::State(S::Running), Operator),
        row(S::Internal, A::Pause, To::State(S::Paused), Editor),
        row(S::Internal, A::Rollback, To::State(S::RolledBack), Editor),
        row(S::Canary, A::Internal, To::State(S::Internal), Operator),
        row(S::Canary, A::Start, To::State(S::Running), Operator),
        row(S::Canary, A::Pause, To::State(S::Paused), Editor),
        row(S::Canary, A::Rollback, To::State(S::RolledBack), Editor),
        row(S::Canary, A::Decide, To::State(S::Decided), Operator),
        row(S::Running, A::Canary, To::State(S::Canary), Operator),
        row(S::Running, A::Pause, To::State(S::Paused), Editor),
        row(S::Running, A::Rollback, To::State(S::RolledBack), Editor),
        row(S::Running, A::Decide, To::State(S::Decided), Operator),
        row(S::Paused, A::Resume, To::Stage, Operator),
        row(S::Paused, A::Canary, To::State(S::Canary), Operator),
        row(S::Paused, A::Rollback, To::State(S::RolledBack), Editor),
        row(S::Paused, A::Decide, To::State(S::Decided), Operator),
        row(S::Paused, A::Archive, To::State(S::Archived), Operator),
        row(S::RolledBack, A::Resume, To::Stage, Operator),
        row(S::RolledBack, A::Canary, To::State(S::Canary), Operator),
        row(S::RolledBack, A::Rollback, To::State(S::RolledBack), Editor),
        row(S::RolledBack, A::Decide, To::State(S::Decided), Operator),
        row(S::RolledBack, A::Archive, To::State(S::Archived), Operator),
        row(S::Decided, A::Resume, To::Stage, Operator),
        row(S::Decided, A::Rollback, To::State(S::RolledBack), Operator),
        row(S::Decided, A::Decide, To::State(S::Decided), Operator),
        row(S::Decided, A::Archive, To::State(S::Archived), Operator),
    ]
};

const fn row(from: State, action: Action, to: To, role: Role) -> Step {
    Step {
        from,
        action,
        to,
        role,
    }
}

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

/// The step that `action` takes from `state`, where there is one.
#[must_use]
pub fn step(state: State, action: Action) -> Option<&'static Step> {
    let mut steps = STEPS.iter();
    steps.find(|step| (step.from, step.action) == (state, action))
}

/// The least role that may take `action` from any state.
#[must_use]
pub fn least_role(action: Action) -> Role {
    let steps = STEPS.iter().filter(|step| step.action == action);
    steps.map(|step| step.role).min().unwrap_or(Role::Admin)
}

/// Where `action` leads from `state`; `stage` is where the experiment was served last, and a
/// database from before there were stages knows only one.
///
/// # Errors
/// [`WrongStep`] where [`STEPS`] has no such step.
pub fn next(state: State, action: Action, stage: Option<State>) -> Result<State, WrongStep> {
    match step(state, action).map(|step| step.to) {
        Some(To::State(to)) => Ok(to),
        Some(To::Stage) => Ok(stage.unwrap_or(State::Running)),
        None => Err(WrongStep {
            state,
            action,
            allowed: allowed(state),
        }),
    }
}

/// The actions that `state` has.
#[must_use]
pub fn allowed(state: State) -> Vec<Action> {
    let from = STEPS.iter().filter(|step| step.from == state);
    from.map(|step| step.action).collect()
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Draft,
        Self::Scheduled,
        Self::Internal,
        Self::Canary,
        Self::Running,
        Self::Paused,
        Self::RolledBack,
        Self::Decided,
        Self::Archived,
    ];

    /// Whether requests are affected: whether the experiment is in the filter's configuration.
    #[must_use]
    pub fn is_served(self) -> bool {
        self.is_stage() || matches!(self, Self::RolledBack | Self::Decided)
    }

    /// Whether units are assigned to variants by their hash.
    #[must_use]
    pub fn is_stage(self) -> bool {
        matches!(self, Self::Internal | Self::Canary | Self::Running)
    }

    /// Whether it may ever have been served, so that its units have their places.
    #[must_use]
    pub fn has_begun(self) -> bool {
        !matches!(self, Self::Draft | Self::Scheduled)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Internal => "internal",
            Self::Canary => "canary",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RolledBack => "rolled_back",
            Self::Decided => "decided",
            Self::Archived => "archived",
        }
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::Schedule,
        Self::Unschedule,
        Self::Internal,
        Self::Canary,
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Rollback,
        Self::Decide,
        Self::Archive,
    ];

    /// The word for it, as in a path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Unschedule => "unschedule",
            Self::Internal => "internal",
            Self::Canary => "canary",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Decide => "decide",
            Self::Archive => "archive",
        }
    }
}

fn list(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "nothing any more".to_owned();
    }
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
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn each_state_has_at_most_one_step_by_an_action() {
        for state in State::ALL {
            for action in Action::ALL {
                let steps = STEPS
                    .iter()
                    .filter(|step| (step.from, step.action) == (state, action));
                assert!(steps.count() <= 1, "{state} {action}");
            }
        }
    }

    #[test]
    fn what_has_been_served_never_becomes_a_draft_again() {
        let back = STEPS
            .iter()
            .filter(|step| step.to == To::State(State::Draft));
        assert!(back.clone().all(|step| !step.from.has_begun()));
        assert_eq!(back.count(), 1);
    }

    #[test]
    fn every_state_can_be_reached_and_only_the_last_is_an_end() {
        for state in State::ALL {
            let reached = STEPS.iter().any(|step| step.to == To::State(state));
            assert!(reached, "{state}");
            assert_eq!(
                allowed(state).is_empty(),
                state == State::Archived,
                "{state}"
            );
        }
    }

    #[test]
    fn whatever_is_served_or_was_is_rolled_back_in_one_step() {
        for state in State::ALL {
            let can = step(state, Action::Rollback).is_some();
            assert_eq!(can, state.is_served() || state == State::Paused, "{state}");
        }
    }

    #[test]
    fn who_changes_what_requests_get_is_an_operator_and_whoever_writes_may_stop() {
        for step in STEPS {
            let stops = matches!(
                step.to,
                To::State(State::Draft | State::Paused | State::RolledBack)
            );
            let least = if stops && step.from != State::Decided {
                Role::Editor
            } else {
                Role::Operator
            };
            assert_eq!(step.role, least, "{step:?}");
        }
    }

    #[test]
    fn it_goes_on_at_the_stage_it_was_at() {
        let resumed = |stage| next(State::Paused, Action::Resume, stage).unwrap();
        assert_eq!(resumed(Some(State::Canary)), State::Canary);
        assert_eq!(resumed(None), State::Running);
    }

    #[test]
    fn a_wrong_step_names_the_state_and_what_could_be_done() {
        let wrong = next(State::Draft, Action::Pause, None).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "cannot pause an experiment that is draft; it can: schedule, internal, canary, start"
        );
        let wrong = next(State::Archived, Action::Start, None).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "cannot start an experiment that is archived; it can: nothing any more"
        );
    }

    /// The table of the document, made from [`STEPS`].
    fn table() -> String {
        let mut text = "| from | action | to | role |\n| --- | --- | --- | --- |\n".to_owned();
        for Step {
            from,
            action,
            to,
            role,
        } in STEPS
        {
            let to = match to {
                To::State(to) => to.as_str(),
                To::Stage => "the stage it was at",
            };
            writeln!(text, "| {from} | {action} | {to} | {role} |").unwrap();
        }
        text
    }

    #[test]
    fn the_document_has_the_same_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lifecycle.md");
        let text = std::fs::read_to_string(page).unwrap();
        assert!(
            text.contains(&table()),
            "docs/lifecycle.md should hold:\n{}",
            table()
        );
    }
}
