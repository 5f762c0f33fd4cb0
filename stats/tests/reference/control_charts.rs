//! Cases of `control_charts.json`.

use watershed_stats::drift::attribute_chart::{AttributeChart, c_chart, p_chart, u_chart};
use watershed_stats::drift::chart_constants::chart_constants;
use watershed_stats::drift::cusum::Cusum;
use watershed_stats::drift::ewma::Ewma;
use watershed_stats::drift::shewhart::{Spread, false_alarms, individuals};
use watershed_stats::drift::xbar::xbar;

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    let counts = || {
        (
            inputs.numbers("counts"),
            inputs.numbers("n"),
            inputs.number("k"),
        )
    };
    Some(match name {
        "chart_constants" => constants(inputs),
        "shewhart_individuals" => shewhart(inputs),
        "p_chart" => {
            let (counts, n, k) = counts();
            attribute(p_chart(&counts, &n, k), "pbar")
        }
        "u_chart" => {
            let (counts, n, k) = counts();
            attribute(u_chart(&counts, &n, k), "ubar")
        }
        "c_chart" => c(inputs),
        "xbar_chart" => groups(inputs),
        "ewma_chart" => moving_average(inputs),
        "cusum_tabular" => cusum(inputs),
        "arl0_shewhart" => run_length(inputs),
        _ => return None,
    })
}

fn run_length(inputs: &Inputs) -> Outcome {
    let found = false_alarms(inputs.number("k"))?;
    fields![
        ("false_alarm", found.probability),
        ("arl0", found.run_length)
    ]
}

fn places(signals: &[usize]) -> Vec<f64> {
    signals.iter().map(|place| *place as f64).collect()
}

fn constants(inputs: &Inputs) -> Outcome {
    let found = chart_constants(u32::try_from(inputs.count("n")).expect("a group size"))?;
    fields![
        ("c4", found.c4),
        ("d2", found.d2),
        ("d3", found.d3),
        ("published_c4", found.c4),
        ("published_d2", found.d2),
        ("published_d3", found.d3)
    ]
}

fn shewhart(inputs: &Inputs) -> Outcome {
    let spread = match inputs.text("sigma_method") {
        "mr" => Spread::MovingRange,
        "sd" => Spread::StandardDeviation,
        other => panic!("no method `{other}`"),
    };
    let limits = individuals(&inputs.numbers("baseline"), inputs.number("k"), spread)?;
    fields![
        ("center", limits.centre),
        ("sigma", limits.sigma),
        ("ucl", limits.upper),
        ("lcl", limits.lower),
        ("signals", places(&limits.signals(&inputs.numbers("new"))))
    ]
}

fn attribute(chart: watershed_stats::Result<AttributeChart>, centre: &'static str) -> Outcome {
    let chart = chart?;
    fields![
        (centre, chart.centre),
        ("lcl", chart.lower),
        ("ucl", chart.upper),
        ("signals", places(&chart.signals))
    ]
}

fn c(inputs: &Inputs) -> Outcome {
    let chart = c_chart(&inputs.numbers("counts"), inputs.number("k"))?;
    fields![
        ("cbar", chart.centre),
        ("lcl", chart.lower[0]),
        ("ucl", chart.upper[0]),
        ("signals", places(&chart.signals))
    ]
}

fn groups(inputs: &Inputs) -> Outcome {
    let chart = xbar(&inputs.rows("groups"), inputs.number("k"))?;
    fields![
        ("center", chart.by_range.centre),
        ("sigma_r", chart.by_range.sigma),
        ("sigma_s", chart.by_deviation.sigma),
        ("ucl_r", chart.by_range.upper),
        ("lcl_r", chart.by_range.lower),
        ("ucl_s", chart.by_deviation.upper),
        ("lcl_s", chart.by_deviation.lower)
    ]
}

fn moving_average(inputs: &Inputs) -> Outcome {
    let ewma = Ewma {
        target: inputs.number("target"),
        sigma: inputs.number("sigma"),
        weight: inputs.number("lam"),
        limit: inputs.number("L"),
    };
    let chart = ewma.chart(&inputs.numbers("x"))?;
    fields![
        ("z", chart.averages),
        ("ucl", chart.upper),
        ("lcl", chart.lower),
        ("signals", places(&chart.signals))
    ]
}

fn cusum(inputs: &Inputs) -> Outcome {
    let chart = Cusum {
        target: inputs.number("mu0"),
        slack: inputs.number("K"),
        interval: inputs.number("H"),
    }
    .chart(&inputs.numbers("x"))?;
    fields![
        ("c_plus", chart.above),
        ("c_minus", chart.below),
        ("signals", places(&chart.signals))
    ]
}
