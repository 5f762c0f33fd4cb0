//! Cases of `fixed_horizon_proportions.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "chi2_2x2",
    "chi2_rxc",
    "fisher_exact",
    "proportion_ci",
    "proportion_diff_ci",
    "two_proportion_z_pooled",
    "two_proportion_z_unpooled",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
