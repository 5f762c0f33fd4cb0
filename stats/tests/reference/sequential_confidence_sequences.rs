//! Cases of `sequential_confidence_sequences.json`.

use watershed_stats::sequential::boundary::Sides;
use watershed_stats::sequential::confidence_sequence::{ConfidenceSequence, Observed};
use watershed_stats::sequential::eppo::EppoSequence;
use watershed_stats::sequential::sprt::sprt;

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "confseq_bernoulli_confidence_interval",
    "confseq_beta_binomial_log_mixture",
    "confseq_beta_binomial_mixture_bound",
    "confseq_gamma_exponential_log_mixture",
    "confseq_gamma_exponential_mixture_bound",
    "confseq_gamma_poisson_log_mixture",
    "confseq_gamma_poisson_mixture_bound",
    "confseq_normal_log_mixture",
    "confseq_normal_mixture_bound",
    "confseq_poly_stitching_bound",
    "published_confseq_unittest",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "asymp_cs_rho" => rho(inputs),
        "asymp_cs_two_sample" => two_sample_sequence(inputs),
        "eppo_cs_multiplier" => eppo(inputs),
        "sprt_z_loglr" => wald(inputs),
        _ => return None,
    })
}

fn wald(inputs: &Inputs) -> Outcome {
    let found = sprt(
        inputs.number("z"),
        inputs.number("n_a"),
        inputs.number("n_b"),
        inputs.number("cohens_d"),
    )?;
    fields![("theta", found.theta), ("log_lr", found.log_ratio)]
}

fn rho(inputs: &Inputs) -> Outcome {
    let tuned =
        |sides| ConfidenceSequence::tuned(inputs.number("alpha"), inputs.number("n_star"), sides);
    if inputs.has("one_sided") {
        return fields![("rho_one_sided", tuned(Sides::Upper)?.rho())];
    }
    let two = tuned(Sides::Both)?.rho();
    match tuned(Sides::Upper) {
        Ok(one) => fields![("rho_two_sided", two), ("rho_one_sided", one.rho())],
        Err(_) => fields![("rho_two_sided", two)],
    }
}

fn two_sample_sequence(inputs: &Inputs) -> Outcome {
    let (a, b) = crate::inputs::arms(inputs);
    let tuned =
        |sides| ConfidenceSequence::tuned(inputs.number("alpha"), inputs.number("n_star"), sides);
    let (both, upper) = (tuned(Sides::Both)?, tuned(Sides::Upper)?);
    let observed = if inputs.flag("relative") {
        Observed::relative(&a, &b)?
    } else {
        Observed::difference(&a, &b)?
    };
    let (low, high) = both.interval(observed)?;
    let log_p = both.log_p(observed, 0.0)?;
    fields![
        ("estimate", observed.estimate),
        ("se", observed.standard_error),
        ("halfwidth", both.half_width(observed)?),
        ("ci_lo", low),
        ("ci_hi", high),
        ("log_p", log_p),
        ("p", log_p.exp()),
        ("one_sided_halfwidth", upper.half_width(observed)?)
    ]
}

fn eppo(inputs: &Inputs) -> Outcome {
    let sequence = EppoSequence::tuned(inputs.number("confidence"), inputs.number("n_tune"))?;
    fields![
        ("rho", sequence.rho()),
        ("B", sequence.multiplier(inputs.number("t"))?)
    ]
}
