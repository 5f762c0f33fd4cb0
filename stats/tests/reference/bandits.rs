//! Cases of `bandits.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "epsilon_greedy",
    "linucb",
    "thompson_beta",
    "thompson_gaussian",
    "ucb1",
    "ucb1_tuned",
    "weight_floor",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
