//! The speed of the statistics: what is measured, what it may cost at most, and the times of one core.

mod experiment;

use crate::draw::{normal, seeded};
use experiment::{METRICS, VARIANTS};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use watershed_stats::Summary;
use watershed_stats::drift::ks;
use watershed_stats::fixed::means::{Test, welch};
use watershed_stats::results::{self, Evidence};
use watershed_stats::sequential::boundary::{Sides, boundaries};
use watershed_stats::sequential::confidence_sequence::{ConfidenceSequence, Observed};
use watershed_stats::sequential::spending::Spending;

/// Values a side of the Kolmogorov-Smirnov test.
pub const SIDE: usize = 10_000_000;

/// One piece of work, measured.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name.
    pub work: String,
    /// The median time of one run.
    pub ns: f64,
    /// The fastest run: what the machine can do when it is not busy.
    pub fastest_ns: f64,
    /// How many runs there were.
    pub runs: usize,
    /// An answer, to be held against that of the peers.
    pub value: f64,
    /// The most that it may take.
    pub target_ns: Option<f64>,
}

/// What all of them work on.
pub struct Inputs {
    /// Per metric, the control and then the treatments.
    pub metrics: Vec<Vec<Summary>>,
    /// The two samples.
    pub raw: [Vec<f64>; 2],
}

impl Inputs {
    /// Seeded inputs.
    #[must_use]
    pub fn seeded() -> Self {
        let mut draws = seeded(900);
        let metrics = (0..METRICS)
            .map(|_| {
                (0..VARIANTS)
                    .map(|_| {
                        Summary::new(
                            100_000.0,
                            10.0 + 0.02 * normal(&mut draws),
                            25.0 + normal(&mut draws),
                        )
                    })
                    .collect()
            })
            .collect();
        let raw = [0, 1].map(|_| (0..SIDE).map(|_| normal(&mut draws)).collect());
        Self { metrics, raw }
    }

    /// Leaves them where the peers read them.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let arm = |arm: &Summary| serde_json::json!({"n": arm.n, "mean": arm.mean, "variance": arm.variance});
        let metrics: Vec<Vec<_>> = self
            .metrics
            .iter()
            .map(|arms| arms.iter().map(arm).collect())
            .collect();
        std::fs::write(
            folder.join("metrics.json"),
            serde_json::to_string(&metrics)?,
        )?;
        for (name, values) in ["raw-a.f64", "raw-b.f64"].iter().zip(&self.raw) {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            std::fs::write(folder.join(name), bytes)?;
        }
        Ok(())
    }
}

/// The median and the fastest of runs over about this many seconds. A run does its work `batch` times.
fn measure(
    work: &str,
    seconds: f64,
    batch: u32,
    target_ns: Option<f64>,
    mut run: impl FnMut() -> f64,
) -> Figure {
    let value = run();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        for _ in 0..batch {
            black_box(run());
        }
        times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(batch));
    }
    times.sort_unstable_by(f64::total_cmp);
    Figure {
        work: work.into(),
        ns: times[times.len() / 2],
        fastest_ns: times[0],
        runs: times.len(),
        value,
        target_ns,
    }
}

/// Everything, measured.
#[must_use]
pub fn all(inputs: &Inputs) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (looks, target) in [(14_u32, 2e6), (100, 50e6)] {
        let times: Vec<f64> = (1..=looks)
            .map(|look| f64::from(look) / f64::from(looks))
            .collect();
        for (name, spending) in [
            ("", Spending::KimDeMets { rho: 2.0 }),
            ("-obf", Spending::ObrienFleming),
        ] {
            let work = format!("boundaries-{looks}{name}");
            figures.push(measure(&work, 1.0, 1, Some(target), || {
                boundaries(black_box(&times), spending, 0.025, Sides::Both)
                    .ok()
                    .and_then(|found| found.last().map(|last| last.z))
                    .unwrap_or(f64::NAN)
            }));
        }
    }
    let (control, treatment) = (inputs.metrics[0][0], inputs.metrics[0][1]);
    let test = Test {
        alpha: 0.05,
        null: 0.0,
    };
    let few = |arm: Summary, n| Summary { n, ..arm };
    for (work, n, target) in [
        ("welch", control.n, Some(1e9 / 3e6)),
        ("welch-40", 40.0, None),
        ("welch-12", 12.0, None),
    ] {
        let (control, treatment) = (few(control, n), few(treatment, n));
        figures.push(measure(work, 1.0, 1_000, target, || {
            welch(black_box(&control), black_box(&treatment), test)
                .map_or(f64::NAN, |found| found.p_two)
        }));
    }
    let means = experiment::means(&inputs.metrics);
    let looked_at = experiment::looked_at(&inputs.metrics);
    for (work, evidence, target) in [
        ("results-5x50", means, Some(2e6)),
        ("results-5x50-28-days", experiment::daily(), Some(2e6)),
        // Each level of its p-values costs boundaries of its own.
        ("results-5x50-14-looks", looked_at, None),
    ] {
        figures.push(measure(work, 1.0, 1, target, || {
            smallest_p(black_box(&evidence))
        }));
    }
    figures.push(measure("confidence-sequence", 0.5, 1_000, None, || {
        sequence_p(black_box(&control), black_box(&treatment), 100_000.0)
    }));
    figures.push(measure("ks-10m", 3.0, 1, Some(0.3e9), || {
        ks::distance(&inputs.raw[0], &inputs.raw[1]).map_or(f64::NAN, |distance| distance.value())
    }));
    figures
}

fn sequence_p(control: &Summary, treatment: &Summary, target: f64) -> f64 {
    let answer = || -> watershed_stats::Result<f64> {
        let sequence = ConfidenceSequence::tuned(0.05, target, Sides::Both)?;
        let observed = Observed::difference(control, treatment)?;
        black_box(sequence.interval(observed)?);
        Ok(sequence.log_p(observed, 0.0)?.exp())
    };
    answer().unwrap_or(f64::NAN)
}

/// All results of an experiment: its smallest corrected p-value.
fn smallest_p(evidence: &Evidence) -> f64 {
    let Ok(results) = results::of(evidence) else {
        return f64::NAN;
    };
    black_box(&results)
        .metrics
        .iter()
        .flat_map(|metric| &metric.comparisons)
        .filter_map(|comparison| Some(comparison.numbers.as_ref()?.p_adjusted))
        .fold(1.0, f64::min)
}
