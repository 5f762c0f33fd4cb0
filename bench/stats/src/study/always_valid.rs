//! Two equal arms, looked at after each observation: how often an always-valid test ever rejects.

use crate::bounds;
use crate::draw::{ALL, Data, Draws, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent};
use watershed_stats::sequential::boundary::Sides;
use watershed_stats::sequential::confidence_sequence::{ConfidenceSequence, GROWTHBOOK_TARGET};
use watershed_stats::sequential::eppo::{self, EppoSequence};

/// Observations of both arms that are planned, and looked at.
const PLANNED: usize = 10_000;
const REPEATS: u64 = 4_000;
const ALPHA: f64 = 0.05;

/// A test as what it multiplies the standard error with, by the number of observations.
struct Method {
    name: &'static str,
    multipliers: Vec<f64>,
    one_sided: bool,
}

/// A running mean and variance.
#[derive(Clone, Copy, Default)]
struct Running {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn push(&mut self, value: f64) {
        self.n += 1.0;
        let gap = value - self.mean;
        self.mean += gap / self.n;
        self.squares += gap * (value - self.mean);
    }

    fn mean_variance(&self) -> f64 {
        self.squares / (self.n - 1.0) / self.n
    }
}

fn methods() -> anyhow::Result<Vec<Method>> {
    let tuned = |name, target: f64, sides| -> anyhow::Result<Method> {
        let sequence = ConfidenceSequence::tuned(ALPHA, target, sides)?;
        let multipliers = (0..=PLANNED)
            .map(|n| sequence.multiplier(n as f64))
            .collect();
        Ok(Method {
            name,
            multipliers,
            one_sided: sides == Sides::Upper,
        })
    };
    let eppo = EppoSequence::tuned(1.0 - ALPHA, eppo::TARGET)?;
    let multipliers = (0..=PLANNED)
        .map(|n| eppo.multiplier(n as f64).unwrap_or(f64::INFINITY))
        .collect();
    Ok(vec![
        tuned("tuned to the planned N", PLANNED as f64, Sides::Both)?,
        tuned(
            "tuned to the planned N, one side",
            PLANNED as f64,
            Sides::Upper,
        )?,
        tuned("GrowthBook's form, N*=5000", GROWTHBOOK_TARGET, Sides::Both)?,
        Method {
            name: "Eppo's form, N*=10000",
            multipliers,
            one_sided: false,
        },
    ])
}

/// When each method first rejects, if it does.
fn one_run(data: Data, methods: &[Method], draws: &mut Draws) -> Vec<Option<usize>> {
    let mut arms = [Running::default(); 2];
    let mut first = vec![None; methods.len()];
    for n in 1..=PLANNED {
        arms[n % 2].push(data.draw(draws));
        if n < 4 {
            continue;
        }
        let variance = arms[0].mean_variance() + arms[1].mean_variance();
        if variance <= 0.0 {
            // The methods answer that nothing varies yet.
            continue;
        }
        let z = (arms[1].mean - arms[0].mean) / variance.sqrt();
        for (method, first) in methods.iter().zip(&mut first) {
            let z = if method.one_sided { z } else { z.abs() };
            if first.is_none() && z > method.multipliers[n] {
                *first = Some(n);
            }
        }
    }
    first
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let methods = methods()?;
    let mut study = Study {
        title: "Always-valid tests, with a look at every observation",
        text: format!(
            "{REPEATS} A/A tests of {PLANNED} observations each, arms alternating, at α = 5%. Counted is how often a test rejects\n\
             at any of the {PLANNED} looks. The 99% upper bound must be at most 5%. An interval misses the true difference exactly\n\
             when its test rejects, so this is one minus the coverage of the confidence sequence at all sample sizes together, too."
        ),
        head: vec![
            "data",
            "method",
            "rejected",
            "99% upper bound",
            "at most 5%",
        ],
        ..Study::default()
    };
    let mut series = Vec::new();
    for (place, data) in ALL.into_iter().enumerate() {
        let mut draws = seeded(100 + place as u64);
        let mut firsts = vec![Vec::new(); methods.len()];
        for _ in 0..REPEATS {
            for (found, first) in firsts.iter_mut().zip(one_run(data, &methods, &mut draws)) {
                found.extend(first);
            }
        }
        for (method, firsts) in methods.iter().zip(&firsts) {
            let rejected = firsts.len() as u64;
            let upper = bounds::upper(rejected, REPEATS, 0.99);
            let holds = study.check(
                upper <= 0.05,
                format!("{} on {} data", method.name, data.name()),
            );
            study.rows.push(vec![
                data.name(),
                method.name.into(),
                percent(rejected as f64 / REPEATS as f64),
                percent(upper),
                holds,
            ]);
        }
        series.push(growth(&data.name(), &mut firsts[0]));
    }
    series.push(Series {
        name: "α".into(),
        points: vec![(10.0, ALPHA), (PLANNED as f64, ALPHA)],
        dashed: true,
    });
    study.plots.push(Plot {
        file: "always-valid",
        title: "A/A tests ever rejected, tuned to the planned N".into(),
        axes: ("observations", "share rejected so far"),
        log_x: true,
        series,
    });
    Ok(study)
}

/// The share that has rejected by each number of observations.
fn growth(name: &str, firsts: &mut [usize]) -> Series {
    firsts.sort_unstable();
    let points = (0..=60)
        .map(|step| 10_f64.powf(1.0 + f64::from(step) / 20.0))
        .map(|n| {
            (
                n,
                firsts.partition_point(|first| *first as f64 <= n) as f64 / REPEATS as f64,
            )
        })
        .collect();
    Series {
        name: name.into(),
        points,
        dashed: false,
    }
}
