//! Cases of `sample_size_power.json`.

use watershed_stats::Result;
use watershed_stats::plan::proportions::{self, Method};
use watershed_stats::plan::{Design, means};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "sample_size_proportions" => sizes(inputs),
        "power_proportions" => power(inputs),
        "mde_proportions" => detectable(inputs),
        "sample_size_means" => mean_size(inputs),
        "power_means" => mean_power(inputs),
        "mde_means" => mean_effect(inputs),
        "mde_relative_delta_method" => lift(inputs),
        "sample_size_cuped_factor" => factor(inputs),
        _ => return None,
    })
}

fn design(inputs: &Inputs) -> Design {
    Design {
        alpha: inputs.number("alpha"),
        power: inputs.number_or("power", 0.8),
        ratio: inputs.number_or("ratio", 1.0),
        two_sided: inputs.number_or("sides", 2.0) == 2.0,
    }
}

fn method(inputs: &Inputs) -> Method {
    match inputs.text("method") {
        "pooled" => Method::Pooled,
        "unpooled" => Method::Unpooled,
        "evan_miller" => Method::EvanMiller,
        "arcsine" => Method::Arcsine,
        "fleiss_cc" => Method::FleissCorrected,
        other => panic!("no method `{other}`"),
    }
}

fn sizes(inputs: &Inputs) -> Outcome {
    let design = design(inputs);
    let n = proportions::size(
        inputs.number("p1"),
        inputs.number("p2"),
        &design,
        method(inputs),
    )?;
    fields![
        ("n1", n),
        ("n1_ceil", n.ceil()),
        ("n2_ceil", (n * design.ratio).ceil())
    ]
}

fn power(inputs: &Inputs) -> Outcome {
    let (p1, p2, n) = (
        inputs.number("p1"),
        inputs.number("p2"),
        inputs.number("n1"),
    );
    let power = proportions::power(p1, p2, n, &design(inputs), method(inputs))?;
    fields![
        ("power_near_tail", power.near_tail),
        ("power_both_tails", power.both_tails)
    ]
}

fn detectable(inputs: &Inputs) -> Outcome {
    let (p1, increase) = (inputs.number("p1"), inputs.text("direction") == "increase");
    let p2 = proportions::detectable(
        p1,
        inputs.number("n1"),
        increase,
        &design(inputs),
        method(inputs),
    )?;
    fields![
        ("p2", p2),
        ("mde_abs", (p2 - p1).abs()),
        ("mde_rel", (p2 - p1).abs() / p1)
    ]
}

fn mean_size(inputs: &Inputs) -> Outcome {
    let (delta, sd, design) = (inputs.number("delta"), inputs.number("sd1"), design(inputs));
    let n = match inputs.text("method") {
        "t" => means::size_t(delta, sd, &design)?,
        _ => means::size_z(delta, sd, inputs.number("sd2"), &design)?,
    };
    fields![("n1", n), ("n1_ceil", n.ceil())]
}

fn mean_power(inputs: &Inputs) -> Outcome {
    let of: fn(f64, f64, f64, &Design) -> Result<f64> = if inputs.text("method") == "t" {
        means::power_t
    } else {
        means::power_z
    };
    fields![(
        "power",
        of(
            inputs.number("delta"),
            inputs.number("sd"),
            inputs.number("n1"),
            &design(inputs)
        )?
    )]
}

fn mean_effect(inputs: &Inputs) -> Outcome {
    fields![(
        "mde_abs",
        means::effect_z(inputs.number("sd"), inputs.number("n1"), &design(inputs))?
    )]
}

fn factor(inputs: &Inputs) -> Outcome {
    fields![("factor", means::cuped_factor(inputs.number("correlation"))?)]
}

fn lift(inputs: &Inputs) -> Outcome {
    let n = inputs.number("n_per_arm");
    fields![(
        "mde_rel",
        means::lift(
            inputs.number("mean"),
            inputs.number("variance"),
            n,
            &design(inputs)
        )?
    )]
}
