//! The effect by the day since a unit's first exposure, and whether it fades or grows: novelty or learning. Each day is
//! compared by itself, over the units that are old enough, and phase by phase as the whole is.

use super::answer::{AgeResult, Check, CheckName, EffectInterval, Status};
use super::checks::unknown;
use super::describe::short;
use super::estimate::{Contrast, Kind, Table};
use super::input::{Data, Metric};
use crate::Result;
use crate::distribution::normal;
use crate::sequential::msprt::Estimate;
use crate::trust::novelty::{Age, Trend, trend};

/// The level of the trends' test: units that come back make it a little too eager, and it warns of many metrics.
const ALPHA: f64 = 0.01;

/// What a metric's days since first exposure say.
#[derive(Default)]
pub(super) struct ByAge {
    pub days: Vec<AgeResult>,
    /// For each treatment; none where there were too few days.
    trends: Vec<Option<Trend>>,
}

impl ByAge {
    /// Of one metric; a day that says too little, or contradicts itself, is left out.
    ///
    /// # Errors
    /// A slice that does not fit the experiment.
    pub fn of(
        metric: &Metric,
        (phases, variants): (usize, usize),
        (control, alpha): (usize, f64),
    ) -> Result<Self> {
        let kind = match metric.data {
            Data::Mean { .. } => Kind::Mean { covariate: false },
            Data::Proportion { .. } => Kind::Proportion,
            Data::Ratio { .. } | Data::Quantile { .. } => return Ok(Self::default()),
        };
        let multiplier = normal::isf(0.5 * alpha)?;
        let treatments: Vec<usize> = (0..variants).filter(|it| *it != control).collect();
        let mut found = Self::default();
        let mut ages: Vec<Vec<Age>> = vec![Vec::new(); treatments.len()];
        for (slices, day) in metric.ages.iter().zip(0_u32..) {
            let table = Table::of_slices(kind, slices, phases, variants)?;
            let mut effects = Vec::with_capacity(treatments.len());
            for (treatment, ages) in treatments.iter().zip(&mut ages) {
                let contrast = table.contrast(control, *treatment).ok();
                ages.extend(contrast.as_ref().map(|it| age(day, it)));
                effects.push(contrast.map(|it| {
                    EffectInterval::around(it.difference, it.standard_error, multiplier)
                }));
            }
            if effects.iter().any(Option::is_some) {
                found.days.push(AgeResult { day, effects });
            }
        }
        found.trends = ages.iter().map(|ages| trend(ages).ok()).collect();
        Ok(found)
    }

    /// The trends that are not likely to be chance, for the treatments of these names.
    pub fn flags(&self, treatments: &[&String]) -> Vec<Check> {
        let trends = self.trends.iter().zip(treatments);
        trends
            .filter_map(|(trend, variant)| Some((trend.as_ref()?, variant)))
            .filter(|(trend, _)| trend.p < ALPHA)
            .map(|(trend, variant)| {
                let word = if trend.fades { "fades" } else { "grows" };
                Check {
                    status: Status::Warn,
                    p: Some(trend.p),
                    threshold: Some(ALPHA),
                    ..unknown(
                        CheckName::Novelty,
                        format!(
                            "{variant}: the effect {word} with the days since a unit's first exposure, by {} a day from {}; wait until it is steady",
                            short(trend.slope),
                            short(trend.first)
                        ),
                    )
                }
            })
            .collect()
    }
}

/// The check of an experiment: the least likely trend of all its metrics, corrected for their number.
pub(super) fn check<'a>(metrics: impl Iterator<Item = &'a ByAge>) -> Check {
    let p: Vec<f64> = metrics
        .flat_map(|it| it.trends.iter().flatten())
        .map(|trend| trend.p)
        .collect();
    if p.is_empty() {
        return unknown(
            CheckName::Novelty,
            "no metric has values on three days since first exposure yet",
        );
    }
    let smallest = p.iter().copied().fold(1.0, f64::min);
    let corrected = (smallest * p.len() as f64).min(1.0);
    let warns = corrected < ALPHA;
    let word = if warns {
        "an effect changes with the days since first exposure: see the metrics"
    } else {
        "effects are steady over the days since first exposure"
    };
    Check {
        status: if warns { Status::Warn } else { Status::Pass },
        p: Some(corrected),
        threshold: Some(ALPHA),
        ..unknown(
            CheckName::Novelty,
            format!("{word} ({} trend(s), Bonferroni)", p.len()),
        )
    }
}

fn age(day: u32, contrast: &Contrast) -> Age {
    Age {
        days: f64::from(day),
        effect: Estimate {
            value: contrast.difference,
            variance: contrast.standard_error * contrast.standard_error,
        },
    }
}
