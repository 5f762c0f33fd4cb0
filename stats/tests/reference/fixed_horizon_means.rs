//! Cases of `fixed_horizon_means.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "relative_lift_delta",
    "relative_lift_fieller",
    "student_t_test",
    "welch_t_test",
    "welch_t_test_raw",
    "z_test",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
