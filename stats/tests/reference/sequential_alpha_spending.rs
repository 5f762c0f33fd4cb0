//! Cases of `sequential_alpha_spending.json`.

use watershed_stats::sequential::boundary::{Boundary, Sides, boundaries, boundaries_of_1983};
use watershed_stats::sequential::crossing::{Look, crossing, inflation, looks, looks_of};
use watershed_stats::sequential::shape::{haybittle_peto, wang_tsiatis};
use watershed_stats::sequential::spending::Spending;
use watershed_stats::{Result, StatsError};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "spending_bounds" => spending_bounds(inputs),
        "ld_obf_total_alpha_convention" => of_1983(inputs),
        "obf_constant" => shape_constant(inputs, 0.0, "C"),
        "pocock_constant" => shape_constant(inputs, 0.5, "C"),
        "wang_tsiatis_constant" => shape_constant(inputs, inputs.number("delta"), "C_final"),
        "published_ld98_obf" => published(inputs, Spending::ObrienFleming),
        "published_ld_pocock" => published(inputs, Spending::Pocock),
        "published_ld_power1" => published(inputs, Spending::KimDeMets { rho: 1.0 }),
        "crossing_probabilities" => crossing_probabilities(inputs),
        "naive_peeking_type1" => naive_peeking(inputs),
        "inflation_factor" => inflation_factor(inputs),
        "haybittle_peto_last" => last_of_haybittle_peto(inputs),
        _ => return None,
    })
}

fn spending(inputs: &Inputs) -> Spending {
    match inputs.text("spending") {
        "obf" => Spending::ObrienFleming,
        "pocock" => Spending::Pocock,
        "power" => Spending::KimDeMets {
            rho: inputs.number("param"),
        },
        "hsd" => Spending::HwangShihDeCani {
            gamma: inputs.number("param"),
        },
        other => panic!("no spending function `{other}`"),
    }
}

fn sides(inputs: &Inputs) -> Sides {
    if inputs.flag("symmetric") {
        Sides::Both
    } else {
        Sides::Upper
    }
}

fn z(boundaries: &[Boundary]) -> Vec<f64> {
    boundaries.iter().map(|boundary| boundary.z).collect()
}

fn spending_bounds(inputs: &Inputs) -> Outcome {
    let found = boundaries(
        &inputs.numbers("t"),
        spending(inputs),
        inputs.number("alpha_side"),
        sides(inputs),
    )?;
    fields![
        ("z", z(&found)),
        (
            "cum_alpha_side",
            found.iter().map(|b| b.spent).collect::<Vec<_>>()
        ),
        (
            "nominal_p",
            found.iter().map(|b| b.nominal_p).collect::<Vec<_>>()
        )
    ]
}

fn of_1983(inputs: &Inputs) -> Outcome {
    let found = boundaries_of_1983(&inputs.numbers("t"), inputs.number("alpha_total"))?;
    fields![
        ("z", z(&found)),
        (
            "cum_alpha_total",
            found.iter().map(|b| 2.0 * b.spent).collect::<Vec<_>>()
        )
    ]
}

fn equal_looks(inputs: &Inputs) -> Vec<f64> {
    let count = inputs.number("K");
    let mut times: Vec<f64> = Vec::new();
    while (times.len() as f64) < count {
        times.push((times.len() as f64 + 1.0) / count);
    }
    times
}

fn shape_constant(inputs: &Inputs, delta: f64, field: &'static str) -> Outcome {
    let values = wang_tsiatis(
        &equal_looks(inputs),
        inputs.number("alpha_two_sided"),
        delta,
    )?;
    fields![(field, *values.last().expect("a look"))]
}

fn published(inputs: &Inputs, spending: Spending) -> Outcome {
    let alpha = 0.5 * inputs.number("alpha_two_sided");
    let found = boundaries(&inputs.numbers("t"), spending, alpha, Sides::Both)?;
    let z = z(&found);
    let drift = inflation(&looks_of(&found, Sides::Both), alpha, 0.9)?.drift;
    fields![
        ("z", z.clone()),
        ("published_z", z),
        ("drift_power90", drift),
        ("published_drift", drift)
    ]
}

fn crossing_probabilities(inputs: &Inputs) -> Outcome {
    let looks = looks(&inputs.numbers("t"), &inputs.numbers("z"), sides(inputs))?;
    let crossed = crossing(&looks, inputs.number("drift"))?;
    let power = crossed.power();
    fields![
        ("upper", crossed.upper),
        ("lower", crossed.lower),
        ("power", power)
    ]
}

fn naive_peeking(inputs: &Inputs) -> Outcome {
    let times = equal_looks(inputs);
    let looks = looks(&times, &vec![inputs.number("z"); times.len()], Sides::Both)?;
    fields![("type1", crossing(&looks, 0.0)?.power())]
}

fn inflation_factor(inputs: &Inputs) -> Outcome {
    let alpha = inputs.number("alpha_two_sided");
    let looks = design(inputs.text("design"), &equal_looks(inputs), alpha)?;
    let cost = inflation(&looks, 0.5 * alpha, inputs.number("power"))?;
    fields![
        ("drift", cost.drift),
        ("inflation", cost.maximum),
        ("expected_n_ratio_h1", cost.expected),
        ("published", cost.maximum)
    ]
}

fn design(name: &str, times: &[f64], alpha: f64) -> Result<Vec<Look>> {
    let spent = |spending| {
        Ok(looks_of(
            &boundaries(times, spending, 0.5 * alpha, Sides::Both)?,
            Sides::Both,
        ))
    };
    let shaped = |delta| looks(times, &wang_tsiatis(times, alpha, delta)?, Sides::Both);
    match name {
        "obf" => spent(Spending::ObrienFleming),
        "pocock" => spent(Spending::Pocock),
        "obf_classic" => shaped(0.0),
        "pocock_classic" => shaped(0.5),
        other => match other.strip_prefix("power").and_then(|rho| rho.parse().ok()) {
            Some(rho) => spent(Spending::KimDeMets { rho }),
            None => Err(StatsError::NoSolution {
                unknown: "design of this name",
            }),
        },
    }
}

fn last_of_haybittle_peto(inputs: &Inputs) -> Outcome {
    let last = haybittle_peto(
        &inputs.numbers("t"),
        inputs.number("alpha_two_sided"),
        inputs.number("interim_z"),
    )?;
    fields![("z_last", last), ("published", last)]
}
