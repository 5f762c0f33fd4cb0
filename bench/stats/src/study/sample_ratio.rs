//! Sample-ratio mismatch: how often the check cries wolf, and how soon it notices a split that is not the
//! configured one, looked at once and watched all the time.

use crate::bounds;
use crate::draw::{self, Draws, seeded};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent, range};
use watershed_stats::distribution::normal;
use watershed_stats::trust::srm::{Watch, chi_squared};

const REPEATS: u64 = 20_000;
const LOOKS: u32 = 100;
/// Units that come between two looks.
const STEP: f64 = 1_000.0;
/// What withholds a verdict.
const ALPHA: f64 = 0.001;
const CONCENTRATION: f64 = 10_000.0;

/// How many of `STEP` units come to the first arm: a binomial, by its normal limit, in whole units.
fn arrivals(share: f64, draws: &mut Draws) -> f64 {
    let sd = (STEP * share * (1.0 - share)).sqrt();
    (STEP * share + sd * draw::normal(draws))
        .round()
        .clamp(0.0, STEP)
}

/// Whether it is found at the end, and whether any look found it.
fn one_run(share: f64, draws: &mut Draws) -> anyhow::Result<(bool, bool, bool)> {
    let mut watch = Watch::new(&[1.0, 1.0], CONCENTRATION)?;
    let (mut a, mut b) = (0.0, 0.0);
    let (mut watched, mut peeked) = (false, false);
    for _ in 0..LOOKS {
        let first = arrivals(share, draws);
        (a, b) = (a + first, b + STEP - first);
        watched |= watch.look(&[first, STEP - first])? < ALPHA.ln();
        peeked |= chi_squared(&[a, b], &[1.0, 1.0])?.p < ALPHA;
    }
    let once = chi_squared(&[a, b], &[1.0, 1.0])?.p < ALPHA;
    Ok((once, watched, peeked))
}

/// How often one look at the end finds it, by the normal limit.
fn power(share: f64) -> anyhow::Result<f64> {
    let n = STEP * f64::from(LOOKS);
    let critical = normal::isf(0.5 * ALPHA)?;
    let (shift, sd) = (
        (share - 0.5) * (4.0 * n).sqrt(),
        (4.0 * share * (1.0 - share)).sqrt(),
    );
    let tail = |shift: f64| normal::sf((critical - shift) / sd);
    Ok(tail(shift) + tail(-shift))
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "Sample-ratio mismatch: false alarms and detection",
        text: format!(
            "{REPEATS} experiments of 100,000 units that are to be split in halves, at p < 0.1%. *Once* is the chi-squared test at the\n\
             end, *watched* the sequential test at {LOOKS} looks; the last column is what the first one does when it is peeked at, which\n\
             is why the second is there. Once must find what the normal limit says, and watched at most 0.1% of what is no mismatch\n\
             and all but 1% of those two points off; between these lies the price of looking all the time."
        ),
        head: vec![
            "true split",
            "once",
            "99% interval",
            "theory",
            "watched",
            "99% interval",
            "chi-squared, peeked",
            "holds",
        ],
        ..Study::default()
    };
    let names = ["once", "once, theory", "watched", "chi-squared, peeked"];
    let mut lines = names.map(|_| Vec::new());
    for (place, share) in [0.5, 0.502, 0.505, 0.51, 0.52].into_iter().enumerate() {
        let mut draws = seeded(800 + place as u64);
        let (mut once, mut watched, mut peeked) = (0, 0, 0);
        for _ in 0..REPEATS {
            let found = one_run(share, &mut draws)?;
            once += u64::from(found.0);
            watched += u64::from(found.1);
            peeked += u64::from(found.2);
        }
        let (of_once, of_watched) = (
            bounds::both(once, REPEATS, 0.99),
            bounds::both(watched, REPEATS, 0.99),
        );
        let theory = power(share)?;
        let holds = of_once.0 <= theory
            && theory <= of_once.1
            && (share > 0.5 || of_watched.0 <= ALPHA)
            && (share < 0.52 || of_watched.0 > 0.99);
        let word = study.check(holds, format!("the split {share}"));
        let part = |count: u64| count as f64 / REPEATS as f64;
        let found = [part(once), theory, part(watched), part(peeked)];
        for (line, found) in lines.iter_mut().zip(found) {
            line.push((100.0 * share, found));
        }
        let counted = |count: u64| percent(count as f64 / REPEATS as f64);
        study.rows.push(vec![
            format!("{:.1} : {:.1}", 100.0 * share, 100.0 - 100.0 * share),
            counted(once),
            range(of_once),
            percent(theory),
            counted(watched),
            range(of_watched),
            counted(peeked),
            word,
        ]);
    }
    let series = names.into_iter().zip(lines).map(|(name, points)| Series {
        name: name.into(),
        points,
        dashed: name.ends_with("theory"),
    });
    study.plots.push(Plot {
        file: "sample-ratio",
        title: "Splits that are found not to be halves".into(),
        axes: ("true share of the first arm, %", "share found"),
        log_x: false,
        series: series.collect(),
    });
    Ok(study)
}
