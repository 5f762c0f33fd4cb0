//! An experiment's results from its sufficient statistics: trust first, then every treatment against the control, by the
//! method of the plan, corrected as one family, with a verdict and the reasons for it. [`Evidence`] goes in, [`Results`]
//! come out; where the sums come from and how results are shown is not known here.
//!
//! * Phases between changes of weights are compared each by itself and then put together by their units.
//! * p-values are those of the absolute difference. Intervals are at the plan's level each by itself; a verdict goes by
//!   the p-value after the correction. Guardrails are a family of their own.
//! * What one metric's sums contradict makes that metric invalid and no other.

mod answer;
mod checks;
mod describe;
mod estimate;
mod input;
mod judge;
mod novelty;
mod repeated;
mod series;
mod verdict;
mod winsorized;

pub use answer::{
    AgeResult, ArmResult, ArmUnits, Check, CheckName, Comparison, DayResult, EffectInterval,
    MethodUsed, MetricResult, Numbers, PhaseUnits, Results, Status, Trust, Verdict,
};
pub use input::{
    Data, Direction, Evidence, Method, Metric, MinimumEffect, Phase, Plan, QuantileArm, Role,
    Slice, Sums, Telemetry, View,
};
pub use winsorized::{Clip, Limit, Winsorized};

use crate::distribution::normal;
use crate::many::{Adjustment, adjust};
use crate::{Result, StatsError, check};
use estimate::{Contrast, Table};
use judge::{Judge, Judged, Tuning};
use novelty::ByAge;

/// The results.
///
/// # Errors
/// A plan that is out of range, phases and weights that do not fit the variants, counts that are not numbers. What is
/// wrong with one metric's sums is told in its verdicts.
pub fn of(evidence: &Evidence) -> Result<Results> {
    let shape = Shape::of(evidence)?;
    let judge = Judge::new(&evidence.plan)?;
    let mut trust = checks::all(evidence)?;
    let distrust: Vec<String> = trust
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail)
        .map(|check| check.detail.clone())
        .collect();
    let mut judged: Vec<JudgedMetric<'_>> = evidence
        .metrics
        .iter()
        .map(|metric| JudgedMetric::of(metric, &shape, &judge))
        .collect::<Result<_>>()?;
    let by_age = judged.iter().map(|it| &it.by_age);
    trust.checks.push(novelty::check(by_age));
    let how = evidence.plan.adjustment;
    let family = correct(&mut judged, how, |role| role != Role::Guardrail)?;
    let guardrail_family = correct(&mut judged, how, |role| role == Role::Guardrail)?;
    let plan_reached = judge.plan_reached(shape.units);
    let premature = evidence.plan.method == Method::Fixed && plan_reached == Some(false);
    let (mut metrics, mut guardrails) = (Vec::new(), Vec::new());
    for metric in judged {
        let into = if metric.metric.role == Role::Guardrail {
            &mut guardrails
        } else {
            &mut metrics
        };
        into.push(metric.answer(&shape, premature, &distrust));
    }
    Ok(Results {
        trust,
        view: evidence.view,
        method: describe::method(evidence, &judge, (family, guardrail_family), plan_reached),
        control: shape.control_key.clone(),
        phases: shape.phase_units(),
        metrics,
        guardrails,
    })
}

/// An experiment's variants and phases, found to fit together.
struct Shape<'a> {
    evidence: &'a Evidence,
    control_key: String,
    /// Units over all phases and variants.
    units: f64,
}

impl<'a> Shape<'a> {
    fn of(evidence: &'a Evidence) -> Result<Self> {
        check::not_empty("phases", &evidence.phases)?;
        for phase in &evidence.phases {
            check::all_finite("weights", &phase.weights)?;
            check::same_length("weights and variants", &phase.weights, &evidence.variants)?;
            check::same_length("units and variants", &phase.units, &evidence.variants)?;
            check::range(
                "weights",
                phase.weights.iter().all(|weight| *weight >= 0.0)
                    && phase.weights.iter().any(|weight| *weight > 0.0),
                "weights of 0 or more, of which one is above 0",
            )?;
        }
        let Some(control_key) = evidence.variants.get(evidence.control).cloned() else {
            return Err(StatsError::OutOfRange {
                input: "control",
                expected: "the place of one of the variants",
            });
        };
        let units = evidence
            .phases
            .iter()
            .flat_map(|phase| &phase.units)
            .map(|units| *units as f64)
            .sum();
        Ok(Self {
            evidence,
            control_key,
            units,
        })
    }

    fn treatments(&self) -> impl Iterator<Item = (usize, &'a String)> + use<'a> {
        let control = self.evidence.control;
        self.evidence
            .variants
            .iter()
            .enumerate()
            .filter(move |(place, _)| *place != control)
    }

    /// What a test of a metric's effect in a treatment is tuned to.
    fn tuning(&self, metric: &Metric, treatment: usize) -> Tuning {
        Tuning {
            share: self.planned_share(treatment),
            effect: metric.minimum_effect,
        }
    }

    /// The part of all units that the weights first gave to a treatment and the control: what a plan knew. The first
    /// phase in which the treatment has a weight counts.
    fn planned_share(&self, treatment: usize) -> f64 {
        let weight =
            |phase: &Phase, variant: usize| phase.weights.get(variant).copied().unwrap_or(0.0);
        self.evidence
            .phases
            .iter()
            .find(|phase| weight(phase, treatment) > 0.0)
            .map_or(1.0, |phase| {
                let total: f64 = phase.weights.iter().sum();
                (weight(phase, self.evidence.control) + weight(phase, treatment)) / total
            })
    }

    fn phase_units(&self) -> Vec<PhaseUnits> {
        self.evidence
            .phases
            .iter()
            .map(|phase| {
                let units: f64 = phase.units.iter().map(|units| *units as f64).sum();
                let weights: f64 = phase.weights.iter().sum();
                let arms = self
                    .evidence
                    .variants
                    .iter()
                    .zip(&phase.units)
                    .zip(&phase.weights)
                    .map(|((variant, count), weight)| ArmUnits {
                        variant: variant.clone(),
                        units: *count,
                        expected: weight / weights * units,
                    })
                    .collect();
                PhaseUnits { arms }
            })
            .collect()
    }
}

/// A treatment's contrast with the control, tested.
struct Tested {
    contrast: Contrast,
    judged: Judged,
    p_adjusted: f64,
}

/// A metric, tested but not yet corrected.
struct JudgedMetric<'a> {
    metric: &'a Metric,
    arms: Vec<ArmResult>,
    comparisons: Vec<Result<Tested>>,
    series: Vec<DayResult>,
    by_age: ByAge,
}

impl<'a> JudgedMetric<'a> {
    fn of(metric: &'a Metric, shape: &Shape<'_>, judge: &Judge<'_>) -> Result<Self> {
        if let Some(MinimumEffect::Absolute(effect) | MinimumEffect::Relative(effect)) =
            metric.minimum_effect
        {
            check::finite([("minimum_effect", effect)])?;
            check::positive("minimum_effect", effect)?;
        }
        let evidence = shape.evidence;
        let (phases, variants) = (evidence.phases.len(), evidence.variants.len());
        let limits = metric.winsorized.map_or(Ok(()), |it| it.check());
        let table = match limits.and_then(|()| Table::of(&metric.data, phases, variants)) {
            Ok(table) => table,
            Err(error) => return Ok(Self::refused(metric, shape, error)),
        };
        let arms = evidence
            .variants
            .iter()
            .enumerate()
            .map(|(place, variant)| arm_result(&table, place, variant))
            .collect();
        let comparisons = shape
            .treatments()
            .map(|(treatment, _)| {
                let contrast = table.contrast(evidence.control, treatment)?;
                let judged = judge.of(&contrast, shape.tuning(metric, treatment))?;
                Ok(Tested {
                    contrast,
                    judged,
                    p_adjusted: 1.0,
                })
            })
            .collect();
        Ok(Self {
            metric,
            arms,
            comparisons,
            series: series::of(metric, &table, shape, judge)?,
            by_age: ByAge::of(
                metric,
                (phases, variants),
                (evidence.control, evidence.plan.alpha),
            )?,
        })
    }

    fn refused(metric: &'a Metric, shape: &Shape<'_>, error: StatsError) -> Self {
        Self {
            metric,
            arms: Vec::new(),
            comparisons: shape.treatments().map(|_| Err(error)).collect(),
            series: Vec::new(),
            by_age: ByAge::default(),
        }
    }

    fn answer(self, shape: &Shape<'_>, premature: bool, distrust: &[String]) -> MetricResult {
        let metric = self.metric;
        let plan = &shape.evidence.plan;
        let comparisons: Vec<Comparison> = shape
            .treatments()
            .zip(self.comparisons)
            .map(|((_, variant), tested)| match tested {
                Ok(tested) => {
                    let grounds = verdict::Grounds {
                        alpha: plan.alpha,
                        role: metric.role,
                        direction: metric.direction,
                        minimum_effect: metric.minimum_effect,
                        premature,
                        asymptotic: plan.method != Method::Fixed,
                        smaller_arm: tested.contrast.smaller_arm,
                        distrust,
                    };
                    let numbers = numbers(&tested, metric);
                    let (verdict, reasons) = verdict::of(&numbers, &grounds);
                    Comparison {
                        variant: variant.clone(),
                        verdict,
                        reasons,
                        numbers: Some(numbers),
                    }
                }
                Err(error) => unanswered(variant, error, distrust),
            })
            .collect();
        let (kind, quantile) = match &metric.data {
            Data::Mean { .. } => ("mean", None),
            Data::Proportion { .. } => ("proportion", None),
            Data::Ratio { .. } => ("ratio", None),
            Data::Quantile { q, .. } => ("quantile", Some(*q)),
        };
        let treatments: Vec<&String> = shape.treatments().map(|(_, key)| key).collect();
        let flags = comparisons
            .iter()
            .filter_map(|it| checks::twyman(&it.variant, it.numbers.as_ref()?.relative?))
            .chain(self.by_age.flags(&treatments))
            .collect();
        MetricResult {
            metric: metric.key.clone(),
            role: metric.role,
            kind: kind.into(),
            quantile: quantile.filter(|q| q.is_finite()),
            winsorized: metric.winsorized.filter(|it| it.check().is_ok()),
            direction: metric.direction,
            minimum_effect: metric.minimum_effect,
            arms: self.arms,
            comparisons,
            flags,
            series: self.series,
            by_age: self.by_age.days,
        }
    }
}

/// A comparison without numbers: too little data goes on, data that contradict themselves are invalid.
fn unanswered(variant: &str, error: StatsError, distrust: &[String]) -> Comparison {
    let (verdict, reasons) = match error {
        _ if !distrust.is_empty() => (Verdict::Invalid, distrust.to_vec()),
        StatsError::InsufficientData { .. }
        | StatsError::ZeroVariance { .. }
        | StatsError::ZeroDenominator { .. } => (Verdict::KeepRunning, vec![error.to_string()]),
        error => (Verdict::Invalid, vec![error.to_string()]),
    };
    Comparison {
        variant: variant.into(),
        verdict,
        reasons,
        numbers: None,
    }
}

fn arm_result(table: &Table, place: usize, variant: &str) -> ArmResult {
    let known = table.arm(place).ok();
    ArmResult {
        variant: variant.into(),
        n: Some(table.arm_units(place))
            .filter(|n| n.is_finite())
            .unwrap_or(0.0),
        mean: known.map(|(_, mean, _)| mean),
        standard_error: known.map(|(_, _, error)| error),
    }
}

fn absolute(contrast: &Contrast, multiplier: f64) -> EffectInterval {
    EffectInterval::around(contrast.difference, contrast.standard_error, multiplier)
}

fn numbers(tested: &Tested, metric: &Metric) -> Numbers {
    let (contrast, judged) = (&tested.contrast, &tested.judged);
    let multiplier = judged.interval.value;
    let toward_better = metric.direction.sign() * contrast.difference / contrast.standard_error;
    let power = metric.minimum_effect.and_then(|effect| {
        let shift = effect.absolute(contrast.control_mean) / contrast.standard_error;
        (shift > 0.0).then(|| normal::sf(multiplier - shift) + normal::cdf(-multiplier - shift))
    });
    Numbers {
        n: contrast.n,
        absolute: absolute(contrast, multiplier),
        relative: contrast
            .relative
            .map(|(estimate, error)| EffectInterval::around(estimate, error, multiplier)),
        p: judged.log_p.exp(),
        log_p: judged.log_p,
        p_adjusted: tested.p_adjusted,
        chance_to_beat: normal::cdf(toward_better),
        power,
        degrees_of_freedom: contrast.degrees_of_freedom,
        multiplier,
        tuned_to: judged.interval.tuned_to,
        tuned_effect: judged.interval.tuned_effect,
        variance_reduction: contrast.variance_reduction,
        phases_left_out: contrast.left_out.clone(),
    }
}

/// Corrects one family; gives its size. A comparison without an answer is no member.
fn correct(
    judged: &mut [JudgedMetric<'_>],
    how: Adjustment,
    member: impl Fn(Role) -> bool,
) -> Result<usize> {
    let mut family: Vec<&mut Tested> = judged
        .iter_mut()
        .filter(|metric| member(metric.metric.role))
        .flat_map(|metric| metric.comparisons.iter_mut().flatten())
        .collect();
    if family.is_empty() {
        return Ok(0);
    }
    let p: Vec<f64> = family
        .iter()
        .map(|tested| tested.judged.log_p.exp().min(1.0))
        .collect();
    for (tested, adjusted) in family.iter_mut().zip(adjust(&p, how)?) {
        tested.p_adjusted = adjusted;
    }
    Ok(family.len())
}

#[cfg(test)]
mod tests;
