//! Whole experiments of [`VARIANTS`] variants and [`METRICS`] metrics, as the control plane hands them to the statistics.

use crate::draw::{Draws, normal, seeded};
use watershed_stats::Summary;
use watershed_stats::results::{
    Data, Direction, Evidence, Method, Metric, MinimumEffect, Phase, Plan, QuantileArm, Role,
    Slice, Sums, Telemetry, View,
};
use watershed_stats::sequential::spending::Spending;

/// Metrics of an experiment.
pub const METRICS: usize = 50;
/// Variants of an experiment, the control among them.
pub const VARIANTS: usize = 5;
const DAYS: u32 = 28;
const LOOKS: u32 = 14;

/// Means with nothing planned, tested by confidence sequences: what the peers can do too.
#[must_use]
pub fn means(metrics: &[Vec<Summary>]) -> Evidence {
    let metrics = metrics.iter().map(|arms| Data::Mean {
        slices: vec![Slice {
            phase: 0,
            day: None,
            arms: arms.iter().map(sums).collect(),
        }],
        covariate: false,
    });
    experiment(metrics.collect(), Plan::default())
}

/// The same at the last of fourteen planned looks.
#[must_use]
pub fn looked_at(metrics: &[Vec<Summary>]) -> Evidence {
    let looks = (1..=LOOKS).map(|look| f64::from(look) / f64::from(LOOKS));
    Evidence {
        plan: Plan {
            method: Method::GroupSequential {
                spending: Spending::ObrienFleming,
                looks: looks.collect(),
            },
            ..Plan::default()
        },
        ..means(metrics)
    }
}

/// Metrics of every kind, day by day over four weeks, so that each has its series over time.
#[must_use]
pub fn daily() -> Evidence {
    let mut draws = seeded(901);
    let data = |place: usize| match place % 4 {
        0 => Data::Mean {
            slices: days(&mut draws, values),
            covariate: true,
        },
        1 => Data::Ratio {
            slices: days(&mut draws, values),
        },
        2 => Data::Proportion {
            slices: days(&mut draws, shares),
        },
        _ => Data::Quantile {
            q: 0.95,
            alpha: 0.05,
            phases: vec![(0..VARIANTS).map(|_| quantile(&mut draws)).collect()],
        },
    };
    experiment((0..METRICS).map(data).collect(), Plan::default())
}

fn experiment(metrics: Vec<Data>, plan: Plan) -> Evidence {
    let metric = |(place, data): (usize, Data)| Metric {
        key: format!("metric-{place}"),
        role: if place == 0 {
            Role::Primary
        } else {
            Role::Secondary
        },
        direction: Direction::Increase,
        minimum_effect: Some(MinimumEffect::Relative(0.01)),
        winsorized: None,
        data,
        ages: Vec::new(),
    };
    Evidence {
        variants: (0..VARIANTS).map(|it| format!("variant-{it}")).collect(),
        control: 0,
        view: View::IntentToTreat,
        plan,
        phases: vec![Phase {
            weights: vec![1.0; VARIANTS],
            units: vec![100_000; VARIANTS],
        }],
        telemetry: Some(Telemetry {
            counted: 500_000,
            arrived: 499_900,
        }),
        contaminated: 12,
        aa_history: Vec::new(),
        metrics: metrics.into_iter().enumerate().map(metric).collect(),
    }
}

fn sums(arm: &Summary) -> Sums {
    let x = arm.n * arm.mean;
    Sums {
        n: arm.n,
        x,
        xx: arm.variance * (arm.n - 1.0) + x * arm.mean,
        ..Sums::default()
    }
}

/// A slice for each day.
fn days(draws: &mut Draws, arm: fn(f64, &mut Draws) -> Sums) -> Vec<Slice> {
    let mut slice = |day: u32| Slice {
        phase: 0,
        day: Some(format!("2026-03-{day:02}")),
        arms: (0..VARIANTS)
            .map(|_| arm(100_000.0 / f64::from(DAYS), draws))
            .collect(),
    };
    (1..=DAYS).map(&mut slice).collect()
}

/// Units whose value goes half with their covariate, over a denominator about 4.
fn values(n: f64, draws: &mut Draws) -> Sums {
    let (value, denominator) = (10.0 + 0.1 * normal(draws), 4.0 + 0.01 * normal(draws));
    Sums {
        n,
        x: n * value,
        xx: n * (value * value + 25.0),
        y: n * denominator,
        yy: n * (denominator * denominator + 2.0),
        xy: n * (value * denominator + 3.0),
        c: n * value,
        cc: n * (value * value + 25.0),
        xc: n * (value * value + 12.5),
    }
}

/// Units of which a tenth has it.
fn shares(n: f64, draws: &mut Draws) -> Sums {
    let x = n * (0.1 + 0.001 * normal(draws));
    Sums {
        n,
        x,
        xx: x,
        ..Sums::default()
    }
}

fn quantile(draws: &mut Draws) -> QuantileArm {
    let estimate = 250.0 + normal(draws);
    QuantileArm {
        n: 100_000.0,
        estimate,
        lower: Some(estimate - 1.5),
        upper: Some(estimate + 1.5),
    }
}
