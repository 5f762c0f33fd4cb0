//! What results say. Every number is finite; what does not exist is left out. The JSON form is the one that the API
//! serves, so names here are names there.

use super::input::{Direction, MinimumEffect, Role, View};
use super::winsorized::Winsorized;
use serde::{Deserialize, Serialize};

/// An experiment's results: whether to believe them first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Whether the data can be believed.
    pub trust: Trust,
    /// By which variant units are counted.
    pub view: View,
    /// How it was computed, so that anyone can redo it.
    pub method: MethodUsed,
    /// The control's key.
    pub control: String,
    /// The units of each phase against what its weights promise.
    pub phases: Vec<PhaseUnits>,
    /// The metrics that decide and inform.
    pub metrics: Vec<MetricResult>,
    /// The metrics that must not get worse.
    pub guardrails: Vec<MetricResult>,
}

/// The checks, and whether one withholds the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// False where a check failed: then every verdict is `invalid`.
    pub valid: bool,
    /// The checks, in the order in which they matter.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// What came out.
    pub status: Status,
    /// The p-value, where it is a test.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p: Option<f64>,
    /// The p-value that holds however often one looks, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub always_valid_p: Option<f64>,
    /// What was measured, where it is a share.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// What it was held against.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threshold: Option<f64>,
    /// In words.
    pub detail: String,
}

/// The checks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Sample ratio mismatch.
    SampleRatio,
    /// Missing telemetry.
    Telemetry,
    /// Units in more than one variant.
    Contamination,
    /// A/A tests of the installation.
    AaHistory,
    /// An effect too large to be likely (Twyman's law).
    Twyman,
    /// An effect that fades or grows with the days since first exposure.
    Novelty,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing against it.
    Pass,
    /// To be looked into; withholds nothing.
    Warn,
    /// The verdict is withheld.
    Fail,
    /// It could not be asked.
    Unknown,
}

/// The units of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseUnits {
    /// Each variant's units, and what the weights promise of the phase's total.
    pub arms: Vec<ArmUnits>,
}

/// Units against what was promised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmUnits {
    /// The variant's key.
    pub variant: String,
    /// Its units.
    pub units: u64,
    /// What its weight promises.
    pub expected: f64,
}

/// The method with every parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodUsed {
    /// `sequential`, `msprt`, `fixed` or `group_sequential`.
    pub name: String,
    /// The level over both sides, over a family.
    pub alpha: f64,
    /// The correction over a family, `holm` and so on.
    pub adjustment: String,
    /// How many comparisons the experiment's family has.
    pub family: usize,
    /// How many the guardrails' family has.
    pub guardrail_family: usize,
    /// Units planned, over all variants.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planned_units: Option<f64>,
    /// Whether the planned units are in; unknown without a plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan_reached: Option<bool>,
    /// The spending function, of a group-sequential test.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spending: Option<crate::sequential::spending::Spending>,
    /// The information times of the looks so far.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub looks: Vec<f64>,
    /// The critical value at this look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub critical_value: Option<f64>,
    /// What is assumed and how effects, intervals and p-values come about, in words.
    pub notes: Vec<String>,
}

/// A metric's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Its key.
    pub metric: String,
    /// What it is for.
    pub role: Role,
    /// `mean`, `proportion`, `ratio` or `quantile`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which quantile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quantile: Option<f64>,
    /// Where units' values were clipped before they were summed up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub winsorized: Option<Winsorized>,
    /// Which way is better.
    pub direction: Direction,
    /// The smallest effect that matters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minimum_effect: Option<MinimumEffect>,
    /// Every variant by itself, the control too.
    pub arms: Vec<ArmResult>,
    /// Every treatment against the control.
    pub comparisons: Vec<Comparison>,
    /// What is to be looked into before this metric is believed; withholds nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<Check>,
    /// The effects with all units up to a day, where days were given.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub series: Vec<DayResult>,
    /// The effects by the days since units were first exposed, where that is measured.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub by_age: Vec<AgeResult>,
}

/// A variant by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// Its key.
    pub variant: String,
    /// Units (of a quantile: values).
    pub n: f64,
    /// Mean, share, ratio or quantile; over several phases, weighted by the phases' units in all variants.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mean: Option<f64>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub standard_error: Option<f64>,
}

/// A treatment against the control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The treatment's key.
    pub variant: String,
    /// What to do with it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The numbers, where the data give them.
    #[serde(skip_serializing_if = "Option::is_none", default, flatten)]
    pub numbers: Option<Numbers>,
}

/// The numbers of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Units of both arms that went into it.
    pub n: f64,
    /// The difference, treatment minus control.
    pub absolute: EffectInterval,
    /// The difference as a share of the control's absolute value; none where that is 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relative: Option<EffectInterval>,
    /// The p-value; always valid where the method is sequential, repeated where it is group sequential.
    pub p: f64,
    /// Its natural logarithm, finite where `p` underflows.
    pub log_p: f64,
    /// The p-value after the correction over the family.
    pub p_adjusted: f64,
    /// The probability that the treatment is the better one, by a flat prior.
    pub chance_to_beat: f64,
    /// The power that this look has for the smallest effect that matters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub power: Option<f64>,
    /// Degrees of freedom (Satterthwaite).
    pub degrees_of_freedom: f64,
    /// What standard errors were multiplied with for the intervals.
    pub multiplier: f64,
    /// The units that a confidence sequence is tuned to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tuned_to: Option<f64>,
    /// The effect that a mixture test is tuned to, in the metric's unit: the standard deviation of its mixture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tuned_effect: Option<f64>,
    /// The share of the variance that the covariate took out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variance_reduction: Option<f64>,
    /// Phases that had no units to compare, by their place.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phases_left_out: Vec<usize>,
}

/// An effect, its error and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectInterval {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The interval's lower bound.
    pub lower: f64,
    /// The interval's upper bound.
    pub upper: f64,
}

impl EffectInterval {
    /// As many standard errors to both sides of an estimate.
    pub(super) fn around(estimate: f64, standard_error: f64, multiplier: f64) -> Self {
        let half = standard_error * multiplier;
        Self {
            estimate,
            standard_error,
            lower: estimate - half,
            upper: estimate + half,
        }
    }
}

/// What to do with a treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is better.
    Winner,
    /// It is worse.
    Loser,
    /// An effect as large as the smallest that matters is ruled out (for a guardrail: such a harm).
    NoDifferenceBeyondMde,
    /// Not known yet.
    KeepRunning,
    /// The data can't be believed.
    Invalid,
}

impl Verdict {
    /// Its stable name, in `snake_case`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Winner => "winner",
            Self::Loser => "loser",
            Self::NoDifferenceBeyondMde => "no_difference_beyond_mde",
            Self::KeepRunning => "keep_running",
            Self::Invalid => "invalid",
        }
    }
}

/// The effects with all units up to a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayResult {
    /// The day.
    pub day: String,
    /// For each treatment its effect; none where there was too little.
    pub effects: Vec<Option<EffectInterval>>,
    /// Units of all variants up to then.
    pub units: f64,
}

/// The effects on units that were first exposed that many days before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgeResult {
    /// Days since first exposure, from 0.
    pub day: u32,
    /// For each treatment its effect on that day, with an interval for that day alone; none where there was too little.
    pub effects: Vec<Option<EffectInterval>>,
}
