//! Cases of `control_charts.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "arl0_shewhart",
    "c_chart",
    "chart_constants",
    "cusum_tabular",
    "ewma_chart",
    "p_chart",
    "shewhart_individuals",
    "u_chart",
    "xbar_chart",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
