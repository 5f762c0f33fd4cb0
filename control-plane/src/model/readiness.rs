//! Readiness: what an experiment must say before it may take a step of its life, and must then go on
//! to say. Which steps there are is [`lifecycle`](super::lifecycle)'s.

use super::fault::Faults;
use super::lifecycle::{Action, State};
use super::{Experiment, ExperimentDesign};
use jiff::Timestamp;

/// Who answers for an experiment, and when it is decided: what no experiment does without once it is
/// no draft.
pub(super) fn accountable(design: &ExperimentDesign, faults: &mut Faults) {
    if design.owner.is_none() {
        let expected = "who answers for the experiment: a person or a team";
        faults.add("/owner", "is missing", expected);
    }
    if design.decision_date.is_none() {
        let expected = "the day by which it is decided, as `2027-03-31`";
        faults.add("/decision_date", "is missing", expected);
    }
}

/// What a design lacks for the step that `action` takes from one state `to` the next, at `now`.
pub(super) fn of_step(
    design: &ExperimentDesign,
    (from, action, to): (State, Action, State),
    now: Timestamp,
) -> Faults {
    let mut faults = Faults::default();
    if from == State::Draft {
        accountable(design, &mut faults);
    }
    if to == State::Canary && design.canary_traffic.is_none() {
        let expected = "how many of the experiment's buckets a canary has";
        faults.add("/canary_traffic", "is missing", expected);
    }
    let window = design.window;
    match window.start {
        None if action == Action::Schedule => {
            faults.add("/start", "is missing", "when the experiment shall start");
        }
        Some(start) if action == Action::Schedule && start <= now => {
            let expected = "a time to come; `start` starts the experiment now";
            faults.add("/start", "is past", expected);
        }
        Some(start) if to.is_stage() && start > now => {
            let message = format!("is still to come: {start}");
            let expected = "no start, or a past one; `schedule` starts the experiment then";
            faults.add("/start", message, expected);
        }
        _ => {}
    }
    if let Some(end) = window.end.filter(|end| *end <= now)
        && (to.is_stage() || to == State::Scheduled)
    {
        let expected = "no end, or one to come";
        faults.add("/end", format!("is past: {end}"), expected);
    }
    faults
}

/// What is there when an experiment is no draft may change, but not go. One from before it had to be
/// there goes on without.
pub(super) fn kept(current: &Experiment, new: &ExperimentDesign) -> Faults {
    let mut was = Faults::default();
    accountable(&current.design, &mut was);
    let mut faults = Faults::default();
    if was.is_empty() {
        accountable(new, &mut faults);
    }
    if current.state == State::Scheduled && new.window.start.is_none() {
        let expected = "when the experiment shall start; `unschedule` takes that back";
        faults.add("/start", "is missing", expected);
    }
    faults
}
