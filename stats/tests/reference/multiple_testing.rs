//! Cases of `multiple_testing.json`.

use watershed_stats::many::{Adjustment, adjust};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let how = match name {
        "bonferroni" => Adjustment::Bonferroni,
        "sidak" => Adjustment::Sidak,
        "holm" => Adjustment::Holm,
        "hochberg" => Adjustment::Hochberg,
        "bh" => Adjustment::BenjaminiHochberg,
        "by" => Adjustment::BenjaminiYekutieli,
        _ => return None,
    };
    Some(adjusted(inputs, how))
}

fn adjusted(inputs: &Inputs, how: Adjustment) -> Outcome {
    let adjusted = adjust(&inputs.numbers("p"), how)?;
    let reject: Vec<bool> = adjusted
        .iter()
        .map(|p| *p <= inputs.number("alpha"))
        .collect();
    fields![("adjusted", adjusted), ("reject_05", reject)]
}
