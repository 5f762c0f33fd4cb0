//! What each way to look early costs: exactly, at fourteen looks, and by simulation where someone looks
//! all the time.

use crate::draw::{normal, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent};
use watershed_stats::distribution::normal::isf;
use watershed_stats::sequential::boundary::{Sides, boundaries};
use watershed_stats::sequential::confidence_sequence::ConfidenceSequence;
use watershed_stats::sequential::crossing::{Look, crossing, inflation, looks, looks_of};
use watershed_stats::sequential::spending::Spending;

const ALPHA: f64 = 0.05;
const LOOKS: u32 = 14;
const PLANNED: f64 = 100_000.0;
/// Looks of one run that is watched all the time.
const WATCHED: u32 = 1_000;
const REPEATS: u32 = 4_000;

fn times() -> Vec<f64> {
    (1..=LOOKS)
        .map(|look| f64::from(look) / f64::from(LOOKS))
        .collect()
}

fn sequence(target: f64) -> anyhow::Result<Vec<Look>> {
    let sequence = ConfidenceSequence::tuned(ALPHA, target, Sides::Both)?;
    let z: Vec<f64> = times()
        .iter()
        .map(|t| sequence.multiplier(t * PLANNED))
        .collect();
    Ok(looks(&times(), &z, Sides::Both)?)
}

fn spent(spending: Spending) -> anyhow::Result<Vec<Look>> {
    Ok(looks_of(
        &boundaries(&times(), spending, 0.5 * ALPHA, Sides::Both)?,
        Sides::Both,
    ))
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let flat = |z: f64| looks(&times(), &[z; LOOKS as usize], Sides::Both);
    let designs = [
        (
            "Lan-DeMets, O'Brien-Fleming",
            spent(Spending::ObrienFleming)?,
            Some(ALPHA),
        ),
        (
            "Kim-DeMets, ρ = 2 (Spotify's)",
            spent(Spending::KimDeMets { rho: 2.0 })?,
            Some(ALPHA),
        ),
        ("Lan-DeMets, Pocock", spent(Spending::Pocock)?, Some(ALPHA)),
        (
            "Bonferroni over the looks",
            flat(isf(0.5 * ALPHA / f64::from(LOOKS))?)?,
            None,
        ),
        ("confidence sequence tuned to N", sequence(PLANNED)?, None),
        (
            "the same, N* = 10,000 (Eppo's default)",
            sequence(10_000.0)?,
            None,
        ),
        (
            "the same, N* = 5,000 (GrowthBook's default)",
            sequence(5_000.0)?,
            None,
        ),
        ("1.96 at each look", flat(isf(0.5 * ALPHA)?)?, None),
    ];
    let fixed = isf(0.5 * ALPHA)? + isf(0.2)?;
    let mut study = Study {
        title: "What looking early costs, and what tuning is worth",
        text: format!(
            "First exactly, by numerical integration: {LOOKS} equal looks, N = {PLANNED} observations, an effect that one look at\n\
             the end finds with 80% power. Then by simulation ({REPEATS} runs, {WATCHED} looks each): the power of a confidence\n\
             sequence that is watched all the time, tuned to the planned N, against one with a fixed default. A plan that is known\n\
             is worth more than any sequence: group-sequential tests are first in the table."
        ),
        head: vec![
            "method",
            "type I error",
            "power",
            "max-N inflation",
            "E[N] / N at the planned effect",
        ],
        ..Study::default()
    };
    for (name, looks, level) in &designs {
        let error = crossing(looks, 0.0)?.power();
        let effect = crossing(looks, fixed)?;
        if let Some(level) = level {
            study.check(
                (error - level).abs() < 1e-9,
                format!("{name} spends {error}, not {level}"),
            );
        }
        let naive = error > 0.1;
        let cost = if naive {
            "–".into()
        } else {
            format!("{:.2}", inflation(looks, 0.5 * ALPHA, 0.8)?.maximum)
        };
        study.rows.push(vec![
            (*name).into(),
            format!("{error:.4}"),
            format!("{:.3}", effect.power()),
            cost,
            if naive {
                "–".into()
            } else {
                format!("{:.2}", effect.expected_time())
            },
        ]);
    }
    watched(&mut study, fixed)?;
    Ok(study)
}

/// Adds the power of sequences that are watched all the time, for several sizes.
fn watched(study: &mut Study, drift: f64) -> anyhow::Result<()> {
    let targets: [(&str, Option<f64>); 3] = [
        ("tuned to the planned N", None),
        ("N* = 10,000", Some(10_000.0)),
        ("N* = 5,000", Some(5_000.0)),
    ];
    let sizes = [5e3, 2e4, 1e5, 5e5, 2e6];
    let mut series: Vec<Series> = targets
        .iter()
        .map(|(name, _)| Series {
            name: (*name).into(),
            points: Vec::new(),
            dashed: false,
        })
        .collect();
    let mut text = String::from(
        "\n\nPower when watched all the time (the fixed-horizon test at the end has 80%; ± 0.8 points is one Monte Carlo\n\
         standard error):\n\n| planned N | tuned to N | N* = 10,000 | N* = 5,000 |\n| --- | --- | --- | --- |\n",
    );
    for (place, size) in sizes.into_iter().enumerate() {
        let mut multipliers = Vec::new();
        for (_, target) in targets {
            let sequence = ConfidenceSequence::tuned(ALPHA, target.unwrap_or(size), Sides::Both)?;
            let of = |look: u32| sequence.multiplier(size * f64::from(look) / f64::from(WATCHED));
            multipliers.push((1..=WATCHED).map(of).collect::<Vec<_>>());
        }
        let found = found(&multipliers, drift, 200 + place as u64);
        let shares: Vec<f64> = found
            .iter()
            .map(|count| f64::from(*count) / f64::from(REPEATS))
            .collect();
        for (series, share) in series.iter_mut().zip(&shares) {
            series.points.push((size, *share));
        }
        let cells: Vec<String> = shares.iter().map(|share| percent(*share)).collect();
        text.push_str(&format!("| {size} | {} |\n", cells.join(" | ")));
        let best = shares[0] + 0.02 >= shares[1].max(shares[2]);
        study.check(
            best,
            format!("tuning to N = {size} loses power against a default: {shares:?}"),
        );
    }
    study.text.push_str(text.trim_end());
    study
        .text
        .push_str("\n\nThe exact table at fourteen looks:");
    study.plots.push(Plot {
        file: "tuning",
        title: "Power of a confidence sequence that is always watched".into(),
        axes: ("planned observations", "power"),
        log_x: true,
        series,
    });
    Ok(())
}

/// How many runs each method rejects in.
fn found(methods: &[Vec<f64>], drift: f64, seed: u64) -> Vec<u32> {
    let mut draws = seeded(seed);
    let gap = 1.0 / f64::from(WATCHED);
    let mut found = vec![0; methods.len()];
    for _ in 0..REPEATS {
        let (mut at, mut time) = (0.0, 0.0);
        let mut crossed = vec![false; methods.len()];
        for look in 0..WATCHED as usize {
            at += drift * gap + gap.sqrt() * normal(&mut draws);
            time += gap;
            let z = (at / f64::sqrt(time)).abs();
            for (crossed, multipliers) in crossed.iter_mut().zip(methods) {
                *crossed |= z > multipliers[look];
            }
        }
        for (found, crossed) in found.iter_mut().zip(crossed) {
            *found += u32::from(crossed);
        }
    }
    found
}
