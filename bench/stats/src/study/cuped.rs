//! CUPED on correlated normals: how much variance it takes, whether its test keeps its level and its interval its
//! coverage.

use crate::bounds;
use crate::draw::{Draws, normal, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent, range};
use watershed_stats::variance_reduction::cuped::cuped;
use watershed_stats::variance_reduction::joint::Joint;

const REPEATS: u64 = 4_000;
const UNITS: usize = 200;
const EFFECT: f64 = 0.2;

fn arm(correlation: f64, effect: f64, draws: &mut Draws) -> anyhow::Result<Joint> {
    let noise = (1.0 - correlation * correlation).sqrt();
    let x: Vec<f64> = (0..UNITS).map(|_| normal(draws)).collect();
    let y: Vec<f64> = x
        .iter()
        .map(|x| effect + correlation * x + noise * normal(draws))
        .collect();
    Ok(Joint::from_columns(&y, &[&x])?)
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "CUPED: the variance it takes, its level and its coverage",
        text: format!(
            "{REPEATS} A/A tests and {REPEATS} with an effect of {EFFECT}, {UNITS} units an arm, outcome and covariate normal with\n\
             correlation ρ. The reduction of the variance must be ρ² within 0.01, rejections 5% and coverage 95% within the exact\n\
             99% interval. The plain test's power is 51%."
        ),
        head: vec![
            "ρ",
            "variance reduction",
            "ρ²",
            "A/A rejected",
            "99% interval",
            "coverage",
            "99% interval",
            "power",
            "holds",
        ],
        ..Study::default()
    };
    let (mut counted, mut theory) = (Vec::new(), Vec::new());
    for (place, correlation) in [0.0, 0.3, 0.6, 0.9].into_iter().enumerate() {
        let mut draws = seeded(500 + place as u64);
        let (mut reduction, mut rejected, mut covered, mut found_effect) = (0.0, 0, 0, 0);
        for _ in 0..REPEATS {
            let null = cuped(
                &arm(correlation, 0.0, &mut draws)?,
                &arm(correlation, 0.0, &mut draws)?,
                0.05,
            )?;
            rejected += u64::from(null.p < 0.05);
            reduction += null.variance_reduction / REPEATS as f64;
            let found = cuped(
                &arm(correlation, 0.0, &mut draws)?,
                &arm(correlation, EFFECT, &mut draws)?,
                0.05,
            )?;
            covered += u64::from(found.interval.0 <= EFFECT && EFFECT <= found.interval.1);
            found_effect += u64::from(found.p < 0.05);
        }
        let (level, coverage) = (
            bounds::both(rejected, REPEATS, 0.99),
            bounds::both(covered, REPEATS, 0.99),
        );
        let square = correlation * correlation;
        counted.push((correlation, reduction));
        theory.push((correlation, square));
        let holds = (reduction - square).abs() < 0.01
            && (level.0 <= 0.05 && 0.05 <= level.1)
            && (coverage.0 <= 0.95 && 0.95 <= coverage.1);
        let word = study.check(holds, format!("CUPED at ρ = {correlation}"));
        let share = |count: u64| percent(count as f64 / REPEATS as f64);
        study.rows.push(vec![
            correlation.to_string(),
            format!("{reduction:.3}"),
            format!("{square:.2}"),
            share(rejected),
            range(level),
            share(covered),
            range(coverage),
            share(found_effect),
            word,
        ]);
    }
    let line = |name: &str, points, dashed| Series {
        name: name.into(),
        points,
        dashed,
    };
    study.plots.push(Plot {
        file: "cuped",
        title: "Share of the variance that the covariate takes".into(),
        axes: ("correlation ρ", "variance reduction"),
        log_x: false,
        series: vec![line("counted", counted, false), line("ρ²", theory, true)],
    });
    Ok(study)
}
