//! Cases of `sequential_confidence_sequences.json`.

use watershed_stats::sequential::boundary::Sides;
use watershed_stats::sequential::confidence_sequence::{ConfidenceSequence, Observed};
use watershed_stats::sequential::eppo::EppoSequence;
use watershed_stats::sequential::mixture::{Mixture, Stitching, Tuning, share_interval};
use watershed_stats::sequential::sprt::sprt;

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "asymp_cs_rho" => rho(inputs),
        "asymp_cs_two_sample" => two_sample_sequence(inputs),
        "eppo_cs_multiplier" => eppo(inputs),
        "sprt_z_loglr" => wald(inputs),
        "confseq_poly_stitching_bound" => stitching(inputs),
        "confseq_bernoulli_confidence_interval" => share(inputs),
        "published_confseq_unittest" => published(inputs),
        "confseq_normal_mixture_bound"
        | "confseq_gamma_exponential_mixture_bound"
        | "confseq_gamma_poisson_mixture_bound"
        | "confseq_beta_binomial_mixture_bound" => bound(name, inputs),
        "confseq_normal_log_mixture"
        | "confseq_gamma_exponential_log_mixture"
        | "confseq_gamma_poisson_log_mixture"
        | "confseq_beta_binomial_log_mixture" => log(name, inputs),
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

fn mixture(name: &str, inputs: &Inputs) -> watershed_stats::Result<Mixture> {
    let tuning = Tuning {
        v: inputs.number("v_opt"),
        alpha: inputs.number("alpha_opt"),
    };
    let one_sided = || inputs.flag("is_one_sided");
    match name
        .trim_start_matches("confseq_")
        .trim_end_matches("_mixture_bound")
        .trim_end_matches("_log_mixture")
    {
        "normal" => Mixture::normal(tuning, one_sided()),
        "gamma_exponential" => Mixture::gamma_exponential(tuning, inputs.number("c")),
        "gamma_poisson" => Mixture::gamma_poisson(tuning, inputs.number("c")),
        "beta_binomial" => {
            Mixture::beta_binomial(tuning, inputs.number("g"), inputs.number("h"), one_sided())
        }
        other => panic!("no mixture `{other}`"),
    }
}

fn bound(name: &str, inputs: &Inputs) -> Outcome {
    fields![(
        "value",
        mixture(name, inputs)?.bound(inputs.number("v"), inputs.number("alpha"))?
    )]
}

fn log(name: &str, inputs: &Inputs) -> Outcome {
    fields![(
        "value",
        mixture(name, inputs)?.log(inputs.number("s"), inputs.number("v"))?
    )]
}

fn stitching(inputs: &Inputs) -> Outcome {
    let stitching = Stitching {
        v_min: inputs.number("v_min"),
        c: inputs.number("c"),
        s: inputs.number("s"),
        eta: inputs.number("eta"),
    };
    fields![(
        "value",
        stitching.bound(inputs.number("v"), inputs.number("alpha"))?
    )]
}

fn share(inputs: &Inputs) -> Outcome {
    let tuning = Tuning {
        v: inputs.number("t_opt"),
        alpha: inputs.number("alpha_opt"),
    };
    let (low, high) = share_interval(
        inputs.number("num_successes"),
        inputs.number("num_trials"),
        inputs.number("alpha"),
        tuning,
    )?;
    fields![("lo", low), ("hi", high)]
}

/// The figures of confseq's own test, which says in words what they are of; all are tuned to v = 100 at 0.05.
fn published(inputs: &Inputs) -> Outcome {
    let tuning = Tuning {
        v: 100.0,
        alpha: 0.05,
    };
    let (v, what) = (inputs.number("v"), inputs.text("quantity"));
    let alpha = inputs.number_or("alpha", 0.05);
    if what.starts_with("poly") {
        return fields![(
            "value",
            Stitching {
                v_min: 10.0,
                c: 3.0,
                s: 1.4,
                eta: 2.0
            }
            .bound(v, alpha)?
        )];
    }
    let mixture = match what.split(' ').next().unwrap_or_default() {
        "two_sided_log" | "two_sided_bound" => Mixture::normal(tuning, false)?,
        "one_sided_log" | "one_sided_bound" => Mixture::normal(tuning, true)?,
        "gamma_exponential_log" | "gamma_exponential_bound" => {
            Mixture::gamma_exponential(tuning, 2.0)?
        }
        "gamma_poisson_log" | "gamma_poisson_bound" => Mixture::gamma_poisson(tuning, 2.0)?,
        "beta_binomial" => Mixture::beta_binomial(tuning, 0.2, 0.8, what.contains("one-sided"))?,
        other => panic!("no quantity `{other}`"),
    };
    let value = if what.contains("log") {
        mixture.log(inputs.number("s"), v)?
    } else {
        mixture.bound(v, alpha)?
    };
    fields![("value", value)]
}
