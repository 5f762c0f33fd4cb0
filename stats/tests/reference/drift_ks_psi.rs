//! Cases of `drift_ks_psi.json`.

use watershed_stats::drift::ks;
use watershed_stats::drift::psi::{SMOOTHING, bin, psi};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "ks_two_sample" => ks_two_sample(inputs),
        "ks_p_from_d" => ks_p_from_d(inputs),
        "psi_from_counts" => psi_from_counts(inputs),
        "psi_from_samples" => psi_from_samples(inputs),
        _ => return None,
    })
}

fn psi_from_counts(inputs: &Inputs) -> Outcome {
    let (baseline, current) = (inputs.numbers("baseline"), inputs.numbers("current"));
    fields![(
        "psi",
        psi(&baseline, &current, inputs.number_or("eps", SMOOTHING))?
    )]
}

fn ks_two_sample(inputs: &Inputs) -> Outcome {
    let (a, b) = (inputs.numbers("a"), inputs.numbers("b"));
    let distance = ks::distance(&a, &b)?;
    fields![
        ("D", distance.value()),
        ("p_asymptotic", distance.log_p_asymptotic().exp()),
        ("p_exact", ks::p_exact(&a, &b)?)
    ]
}

fn ks_p_from_d(inputs: &Inputs) -> Outcome {
    let log_p = ks::log_p_asymptotic(inputs.number("n"), inputs.number("m"), inputs.number("D"))?;
    fields![("p_asymptotic", log_p.exp()), ("log_p", log_p)]
}

fn psi_from_samples(inputs: &Inputs) -> Outcome {
    let binned = bin(
        &inputs.numbers("baseline"),
        &inputs.numbers("current"),
        inputs.count("bins"),
    )?;
    let found = psi(&binned.baseline, &binned.current, inputs.number("eps"))?;
    fields![
        ("inner_edges", binned.edges),
        ("baseline_counts", binned.baseline),
        ("current_counts", binned.current),
        ("psi", found)
    ]
}
