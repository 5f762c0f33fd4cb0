//! Results: what an experiment's evidence comes to. Puts the model's metrics, the record of changes and the
//! evidence's sums together as the statistics take them. Pure; asking the store is the API's, and every
//! number is [`watershed_stats::results`]'s.

mod ages;
pub mod phases;
mod served;
mod winsorized;

use crate::model::metric::{Direction, Measure, MetricDesign};
use crate::model::{Experiment, Key, Model};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use phases::Stretch;
use schemars::JsonSchema;
use serde::Serialize;
pub use served::served;
use std::collections::BTreeMap;
use watershed_evidence::sketch::Sketch;
use watershed_evidence::store::{Arm, Sufficient, Summary};
use watershed_stats::fixed::quantile::ranks;
use watershed_stats::results as stats;

/// The measure that units are counted by.
pub const UNITS: &str = "requests";
/// Why a metric that was put just now has no sums of its kind.
const NOT_YET: &str = "it is not measured yet; ask again";

/// A metric of the experiment, with what it is for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its key.
    pub key: Key,
    /// What it is for.
    pub role: stats::Role,
    /// What it says.
    pub design: MetricDesign,
}

/// What could not be taken into the results, and why.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Metrics, with the reason.
    pub metrics: BTreeMap<String, String>,
    /// Units that were first exposed on a day on which weights changed, or on which nobody was assigned,
    /// by variant. To pool them would mix splits.
    pub units: BTreeMap<String, u64>,
}

/// What the evidence has of an experiment.
#[derive(Clone, Debug)]
pub struct Found {
    /// Units and counts.
    pub summary: Summary,
    /// By measure.
    pub sums: BTreeMap<String, Sufficient>,
    /// What proxies counted and what of it arrived, where that is known.
    pub telemetry: Option<stats::Telemetry>,
}

/// The metrics that an experiment's results are about: those it names, and where it names none the error
/// rate and the mean latency. Names that are no metrics are left out.
#[must_use]
pub fn wanted(model: &Model, experiment: &Experiment, left_out: &mut LeftOut) -> Vec<Wanted> {
    let design = &experiment.design;
    let primary = design.primary_metric.iter();
    let primary = primary.map(|key| (key.clone(), stats::Role::Primary));
    let guardrails = design.guardrails.iter();
    let guardrails = guardrails.map(|key| (key.clone(), stats::Role::Guardrail));
    let mut named: Vec<(Key, stats::Role)> = primary.chain(guardrails).collect();
    if named.is_empty() {
        let always = ["error_rate", "latency_mean"].into_iter();
        let always = always.filter_map(|key| Key::try_new(key).ok());
        named.extend(always.map(|key| (key, stats::Role::Secondary)));
    }
    let mut wanted = Vec::new();
    for (key, role) in named {
        match model.metric(&key) {
            Some(design) => wanted.push(Wanted { key, role, design }),
            None => {
                let why = "no metric of that name was put";
                left_out.metrics.insert(key.to_string(), why.to_owned());
            }
        }
    }
    wanted
}

/// When, and by which variant, units are counted.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The stretches between changes of weights.
    pub stretches: &'a [Stretch],
    /// By which variant.
    pub view: stats::View,
    /// The present.
    pub now: Timestamp,
}

/// What the statistics are asked.
#[must_use]
pub fn evidence(
    experiment: &Experiment,
    (plan, wanted): (stats::Plan, &[Wanted]),
    seen: Seen<'_>,
    found: &Found,
    left_out: &mut LeftOut,
) -> stats::Evidence {
    let variants: Vec<String> = experiment
        .design
        .variants
        .iter()
        .map(|variant| variant.key.to_string())
        .collect();
    let control = variants
        .iter()
        .position(|variant| experiment.design.control == **variant);
    let shape = Shape {
        variants: &variants,
        seen,
    };
    let counted = found.sums.get(UNITS);
    let phases = shape.phases(counted, left_out);
    let mut metrics = Vec::new();
    for metric in wanted {
        match found.sums.get(metric.key.as_str()) {
            Some(sums) => match shape.data(metric, sums, &plan) {
                Ok(data) => metrics.push(stats::Metric {
                    winsorized: winsorized::limits(&metric.design, sums),
                    key: metric.key.to_string(),
                    role: metric.role,
                    direction: match metric.design.direction {
                        Direction::Increase => stats::Direction::Increase,
                        Direction::Decrease => stats::Direction::Decrease,
                    },
                    minimum_effect: metric
                        .design
                        .minimum_effect
                        .map(|it| stats::MinimumEffect::Relative(it.get())),
                    data,
                    ages: shape.ages(sums),
                }),
                Err(why) => drop(left_out.metrics.insert(metric.key.to_string(), why)),
            },
            None => {
                left_out
                    .metrics
                    .insert(metric.key.to_string(), NOT_YET.to_owned());
            }
        }
    }
    stats::Evidence {
        control: control.unwrap_or_default(),
        view: seen.view,
        plan,
        phases,
        telemetry: found.telemetry,
        contaminated: found.summary.contaminated.values().sum(),
        aa_history: Vec::new(),
        metrics,
        variants,
    }
}

/// The order of variants and phases.
#[derive(Clone, Copy)]
struct Shape<'a> {
    variants: &'a [String],
    seen: Seen<'a>,
}

impl Shape<'_> {
    /// Each stretch with its units; those of other days are left out.
    fn phases(self, counted: Option<&Sufficient>, left_out: &mut LeftOut) -> Vec<stats::Phase> {
        let weight = |stretch: &Stretch, variant: &String| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a weight is at most 10000 or so"
            )]
            let weight = stretch.weights.get(variant).copied().unwrap_or_default() as f64;
            weight
        };
        let stretches = self.seen.stretches;
        let mut phases: Vec<stats::Phase> = stretches
            .iter()
            .map(|stretch| stats::Phase {
                weights: self.variants.iter().map(|it| weight(stretch, it)).collect(),
                units: vec![0; self.variants.len()],
            })
            .collect();
        for (place, variant) in self.variants.iter().enumerate() {
            for (day, sums) in arm(counted, variant).into_iter().flat_map(|arm| &arm.days) {
                let units = u64::try_from(sums.n).unwrap_or_default();
                let phase = phases::of_day(stretches, *day);
                let phase = phase.and_then(|phase| phases.get_mut(phase));
                match phase.and_then(|phase| phase.units.get_mut(place)) {
                    Some(sum) => *sum = sum.saturating_add(units),
                    None => *left_out.units.entry(variant.clone()).or_default() += units,
                }
            }
        }
        phases
    }

    fn data(
        self,
        metric: &Wanted,
        sums: &Sufficient,
        plan: &stats::Plan,
    ) -> Result<stats::Data, String> {
        if metric.design.winsorize.is_some() && sums.clipping.is_none() {
            return Err(NOT_YET.to_owned());
        }
        let slices = || self.slices(sums);
        Ok(match &metric.design.measure {
            Measure::Mean(_) => {
                let has_history = sums.variants.values().any(|arm| arm.sums.cc > 0.0);
                stats::Data::Mean {
                    slices: slices(),
                    covariate: has_history,
                }
            }
            Measure::Proportion(_) => stats::Data::Proportion { slices: slices() },
            Measure::Ratio { .. } => stats::Data::Ratio { slices: slices() },
            Measure::Quantile { at, .. } => {
                if self.seen.view == stats::View::Served {
                    let why = "single values are not kept by who served them";
                    return Err(why.to_owned());
                }
                if self.seen.stretches.len() > 1 {
                    let why = "single values are not kept by phase, and weights have changed";
                    return Err(why.to_owned());
                }
                let (q, alpha) = (at.get(), plan.alpha);
                let arms = self.variants.iter();
                let arms = arms.map(|it| quantile(arm(Some(sums), it), q, alpha));
                stats::Data::Quantile {
                    q,
                    alpha,
                    phases: vec![arms.collect::<Result<_, _>>()?],
                }
            }
        })
    }

    /// A slice for each day that is of one phase.
    fn slices(self, sums: &Sufficient) -> Vec<stats::Slice> {
        let days: std::collections::BTreeSet<i32> = sums
            .variants
            .values()
            .flat_map(|arm| arm.days.keys().copied())
            .collect();
        let slice = |day: i32| {
            Some(stats::Slice {
                phase: phases::of_day(self.seen.stretches, day)?,
                day: date(day).map(|date| date.to_string()),
                arms: self
                    .variants
                    .iter()
                    .map(|it| {
                        let arm = arm(Some(sums), it);
                        arm.and_then(|arm| arm.days.get(&day))
                            .map(counted)
                            .unwrap_or_default()
                    })
                    .collect(),
            })
        };
        days.into_iter().filter_map(slice).collect()
    }
}

fn arm<'a>(sums: Option<&'a Sufficient>, variant: &str) -> Option<&'a Arm> {
    sums.and_then(|sums| sums.variants.get(variant))
}

fn counted(sums: &watershed_evidence::sums::Sums) -> stats::Sums {
    #[expect(clippy::cast_precision_loss, reason = "units are fewer than 2^53")]
    let n = sums.n as f64;
    stats::Sums {
        n,
        x: sums.x,
        xx: sums.xx,
        y: sums.y,
        yy: sums.yy,
        xy: sums.xy,
        c: sums.c,
        cc: sums.cc,
        xc: sums.xc,
    }
}

/// A day of first exposure as a date.
fn date(day: i32) -> Option<Date> {
    let epoch = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC).date();
    epoch.checked_add(day.days()).ok()
}

/// The quantile and its interval by order statistics; each is as exact as the sketch is.
fn quantile(arm: Option<&Arm>, q: f64, alpha: f64) -> Result<stats::QuantileArm, String> {
    let none = Sketch::default();
    let values = arm.map_or(&none, |arm| &arm.values);
    let count = values.count();
    let ranks = ranks(count, q, alpha).map_err(|fault| fault.to_string())?;
    let at = |rank: u64| ranked(values, rank, count);
    let estimate = at(ranks.estimate).ok_or("there are no values")?;
    #[expect(clippy::cast_precision_loss, reason = "values are fewer than 2^53")]
    let n = count as f64;
    Ok(stats::QuantileArm {
        n,
        estimate,
        lower: ranks.lower.and_then(at),
        upper: ranks.upper.and_then(at),
    })
}

/// The value of a rank from 1.
fn ranked(values: &Sketch, rank: u64, count: u64) -> Option<f64> {
    if rank == 0 || rank > count {
        return None;
    }
    let mut below = 0_u64;
    let mut bins = values.bins();
    let bin = bins.find(|(_, count)| {
        below = below.saturating_add(*count);
        below >= rank
    });
    bin.map(|(value, _)| value)
}

#[cfg(test)]
mod tests;
