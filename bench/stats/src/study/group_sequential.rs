//! Group-sequential tests on simulated paths: by each look they have rejected as often as they have spent,
//! and under the planned effect as often as the integral says.

use crate::bounds;
use crate::draw::{normal, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent, range};
use watershed_stats::sequential::boundary::{Boundary, Sides, boundaries};
use watershed_stats::sequential::crossing::{crossing, looks_of};
use watershed_stats::sequential::spending::Spending;

const ALPHA_SIDE: f64 = 0.025;
const REPEATS: u64 = 400_000;
const DRIFT: f64 = 2.801_585_218_112_97;

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let equal: Vec<f64> = (1..=14).map(|look| f64::from(look) / 14.0).collect();
    let uneven = vec![0.0016, 0.05, 0.051, 0.3, 0.9, 1.0];
    let designs = [
        ("O'Brien-Fleming, 14 looks", Spending::ObrienFleming, &equal),
        ("Pocock, 14 looks", Spending::Pocock, &equal),
        (
            "Kim-DeMets ρ = 2, 14 looks",
            Spending::KimDeMets { rho: 2.0 },
            &equal,
        ),
        (
            "Hwang-Shih-DeCani γ = -4, 14 looks",
            Spending::HwangShihDeCani { gamma: -4.0 },
            &equal,
        ),
        (
            "Pocock, uneven looks (first at 0.0016)",
            Spending::Pocock,
            &uneven,
        ),
    ];
    let mut study = Study {
        title: "Group-sequential tests spend exactly their error",
        text: format!(
            "{REPEATS} simulated paths for each design, two sides, α = 5%. At each look the share rejected so far must hold the error\n\
             spent so far in its 99.9% interval (99.9% because there are many looks); the table has the last look, the plot all.\n\
             Power is at the effect that one look finds with 80%."
        ),
        head: vec![
            "design",
            "rejected, no effect",
            "99% interval",
            "spent",
            "each look holds",
            "power",
            "by theory",
            "holds",
        ],
        ..Study::default()
    };
    let mut series = Vec::new();
    for (place, (name, spending, times)) in designs.into_iter().enumerate() {
        let found = boundaries(times, spending, ALPHA_SIDE, Sides::Both)?;
        let null = rejected(&found, 0.0, 300 + place as u64);
        let effect = rejected(&found, DRIFT, 350 + place as u64);
        let holds = found.iter().zip(&null).all(|(boundary, count)| {
            let (low, high) = bounds::both(*count, REPEATS, 0.999);
            low <= 2.0 * boundary.spent && 2.0 * boundary.spent <= high
        });
        let spent = found.last().map_or(0.0, |last| 2.0 * last.spent);
        let last = null.last().copied().unwrap_or_default();
        let power = effect.last().copied().unwrap_or_default();
        let theory = crossing(&looks_of(&found, Sides::Both), DRIFT)?.power();
        let (low, high) = bounds::both(power, REPEATS, 0.999);
        let looks_hold = study.check(holds, format!("{name}: the error at some look"));
        let power_holds = study.check(low <= theory && theory <= high, format!("{name}: power"));
        study.rows.push(vec![
            name.into(),
            percent(last as f64 / REPEATS as f64),
            range(bounds::both(last, REPEATS, 0.99)),
            percent(spent),
            looks_hold,
            percent(power as f64 / REPEATS as f64),
            percent(theory),
            power_holds,
        ]);
        if place < 4 {
            let at =
                |values: Vec<f64>| found.iter().map(|b| b.time).zip(values).collect::<Vec<_>>();
            let short = name.split(',').next().unwrap_or(name).to_owned();
            series.push(Series {
                name: short,
                points: at(null
                    .iter()
                    .map(|count| *count as f64 / REPEATS as f64)
                    .collect()),
                dashed: false,
            });
            series.push(Series {
                name: "its spending".into(),
                points: at(found.iter().map(|boundary| 2.0 * boundary.spent).collect()),
                dashed: true,
            });
        }
    }
    study.plots.push(Plot {
        file: "group-sequential",
        title: "Error of group-sequential tests, measured and spent".into(),
        axes: ("information time", "share rejected so far"),
        log_x: false,
        series,
    });
    Ok(study)
}

/// How many paths are rejected by each look.
fn rejected(boundaries: &[Boundary], drift: f64, seed: u64) -> Vec<u64> {
    let mut draws = seeded(seed);
    let mut counts = vec![0; boundaries.len()];
    for _ in 0..REPEATS {
        let (mut at, mut time) = (0.0, 0.0);
        for (boundary, count) in boundaries.iter().zip(&mut counts) {
            let gap = boundary.time - time;
            at += drift * gap + gap.sqrt() * normal(&mut draws);
            time = boundary.time;
            if f64::abs(at) > boundary.z * time.sqrt() {
                *count += 1;
                break;
            }
        }
    }
    let mut sum = 0;
    for count in &mut counts {
        sum += *count;
        *count = sum;
    }
    counts
}
