//! Cases of `sample_size_power.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "mde_means",
    "mde_proportions",
    "mde_relative_delta_method",
    "power_means",
    "power_proportions",
    "sample_size_cuped_factor",
    "sample_size_means",
    "sample_size_proportions",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
