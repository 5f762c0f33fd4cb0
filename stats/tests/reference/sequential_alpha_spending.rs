//! Cases of `sequential_alpha_spending.json`.

use crate::compare::Outcome;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "crossing_probabilities",
    "haybittle_peto_last",
    "inflation_factor",
    "ld_obf_total_alpha_convention",
    "naive_peeking_type1",
    "obf_constant",
    "pocock_constant",
    "published_ld98_obf",
    "published_ld_pocock",
    "published_ld_power1",
    "spending_bounds",
    "wang_tsiatis_constant",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let _ = (name, inputs);
    None
}
