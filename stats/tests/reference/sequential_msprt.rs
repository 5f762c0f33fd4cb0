//! Cases of `sequential_msprt.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "msprt_johari_normal",
    "msprt_normal",
    "msprt_proportions",
    "msprt_sequence_known_variance",
    "msprt_two_sample",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
