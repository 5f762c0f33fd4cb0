//! Power over the size of the effect, counted beside what the plan says.

use super::case::ALPHA;
use crate::bounds;
use crate::draw::{Draws, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent, range};

const REPEATS: u64 = 4_000;
/// Effects that are tried, up to the largest.
const STEPS: u32 = 6;
/// What plans leave out: they take the normal or the t distribution for that of the statistic.
const NEAR: f64 = 0.01;

/// A test over the size of the effect.
pub(super) struct Curve {
    pub name: &'static str,
    pub largest: f64,
    /// Whether an experiment with this effect rejects.
    pub rejects: fn(f64, &mut Draws) -> anyhow::Result<bool>,
    /// The power that is planned for it.
    pub planned: fn(f64) -> anyhow::Result<f64>,
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "Power over the size of the effect",
        text: format!(
            "{REPEATS} experiments for each effect, α = 5%, against what `plan` says: it must lie within the exact 99% interval around\n\
             what was counted, give or take one point. An effect of 0 has the level for its power."
        ),
        head: vec![
            "test",
            "effect",
            "rejected",
            "99% interval",
            "planned",
            "holds",
        ],
        ..Study::default()
    };
    let mut series = Vec::new();
    for (place, curve) in super::methods::curves().into_iter().enumerate() {
        let mut draws = seeded(1_000 + place as u64);
        let (mut counted, mut planned) = (Vec::new(), Vec::new());
        for step in 0..=STEPS {
            let part = f64::from(step) / f64::from(STEPS);
            let effect = part * curve.largest;
            let mut rejected = 0;
            for _ in 0..REPEATS {
                rejected += u64::from((curve.rejects)(effect, &mut draws)?);
            }
            let expected = if step == 0 {
                ALPHA
            } else {
                (curve.planned)(effect)?
            };
            let (low, high) = bounds::both(rejected, REPEATS, 0.99);
            let holds = low - NEAR <= expected && expected <= high + NEAR;
            let word = study.check(holds, format!("{} at {effect:.4}", curve.name));
            let share = rejected as f64 / REPEATS as f64;
            study.rows.push(vec![
                curve.name.to_owned(),
                format!("{effect:.4}"),
                percent(share),
                range((low, high)),
                percent(expected),
                word,
            ]);
            counted.push((part, share));
            planned.push((part, expected));
        }
        let line = |name: String, points, dashed| Series {
            name,
            points,
            dashed,
        };
        series.push(line(curve.name.into(), counted, false));
        series.push(line(format!("{}, planned", curve.name), planned, true));
    }
    study.plots.push(Plot {
        file: "fixed-power",
        title: "Power of tests that look once".into(),
        axes: ("effect, as a share of the largest", "share rejected"),
        log_x: false,
        series,
    });
    Ok(study)
}
