//! What results are made of: the plan, what the evidence counted, and what is known of its loss. Plain data from
//! outside; nothing is checked until [`super::of`] reads it. Which store it came from is not known here.

use super::winsorized::Winsorized;
use crate::many::Adjustment;
use crate::sequential::spending::Spending;
use serde::{Deserialize, Serialize};

/// One experiment and everything that was counted for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The variants' keys. All lists of arms and weights below are in this order.
    pub variants: Vec<String>,
    /// Which of them is the control.
    pub control: usize,
    /// By which variant units are counted.
    #[serde(default)]
    pub view: View,
    /// How it is to be judged.
    #[serde(default)]
    pub plan: Plan,
    /// The stretches between changes of weights, in the order of time. At least one.
    pub phases: Vec<Phase>,
    /// What is known of lost telemetry; nothing where it was not measured.
    #[serde(default)]
    pub telemetry: Option<Telemetry>,
    /// Units that were seen in more than one variant.
    #[serde(default)]
    pub contaminated: u64,
    /// The p-values of tests in which both arms were the same (A/A), of this installation.
    #[serde(default)]
    pub aa_history: Vec<f64>,
    /// The metrics, the guardrails among them.
    pub metrics: Vec<Metric>,
}

/// By which variant units are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// By the variant that they were assigned, whatever served them: the view that decides.
    #[default]
    IntentToTreat,
    /// Only units that nothing but the variant they were assigned has answered (per protocol). Who that leaves is not
    /// randomised.
    Served,
}

/// How an experiment is judged. The default is the sequential method at 5%, corrected by Holm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// The level, over both sides and over the whole family of tests; of the intervals, each by itself.
    pub alpha: f64,
    /// Which test.
    pub method: Method,
    /// Correction over the experiment's comparisons; guardrails are a family of their own.
    pub adjustment: Adjustment,
    /// Units that are planned, over all variants.
    pub planned_units: Option<f64>,
    /// Below this p-value the split is not the configured one. 0.001 is usual: a false alarm withholds the verdict.
    pub sample_ratio_alpha: f64,
    /// The share of telemetry that may be missing.
    pub telemetry_threshold: f64,
    /// The share of units that may have been seen in more than one variant.
    pub contamination_threshold: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            method: Method::default(),
            adjustment: Adjustment::Holm,
            planned_units: None,
            sample_ratio_alpha: 0.001,
            telemetry_threshold: 0.01,
            contamination_threshold: 0.01,
        }
    }
}

/// Which test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Asymptotic confidence sequences, tuned to the planned units: one may look at any time.
    #[default]
    Sequential,
    /// Mixture sequential probability ratio tests, tuned to each metric's smallest effect that matters: one may look at
    /// any time.
    Msprt,
    /// Welch's t, to be looked at once, when the planned units are in.
    Fixed,
    /// Group sequential by alpha spending.
    GroupSequential {
        /// How the level is spent.
        spending: Spending,
        /// The information times of all looks so far, this one last: ascending, in (0, 1], 1 being the plan's end.
        looks: Vec<f64>,
    },
}

/// A stretch without a change of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The variants' weights, in any unit.
    pub weights: Vec<f64>,
    /// The units that were first exposed in it, by variant.
    pub units: Vec<u64>,
}

/// How much of what proxies counted arrived.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Assignments that the proxies counted.
    pub counted: u64,
    /// Assignments that arrived as exposures.
    pub arrived: u64,
}

/// One metric and what was counted for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its key.
    pub key: String,
    /// What it is for.
    pub role: Role,
    /// Which way is better.
    pub direction: Direction,
    /// The smallest effect that matters; for a guardrail the harm that is put up with.
    #[serde(default)]
    pub minimum_effect: Option<MinimumEffect>,
    /// Where units' values were clipped before they were summed up; nothing where they were not.
    #[serde(default)]
    pub winsorized: Option<Winsorized>,
    /// The numbers.
    pub data: Data,
    /// For the first, second, … day since their first exposure, the sums of what units had on that day: of a mean or a
    /// proportion, over the units that are old enough. Empty where values have no such day.
    #[serde(default)]
    pub ages: Vec<Vec<Slice>>,
}

/// What a metric is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It decides.
    Primary,
    /// It informs.
    Secondary,
    /// It must not get worse.
    Guardrail,
}

impl Role {
    /// Its stable name, in `snake_case`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Guardrail => "guardrail",
        }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

impl Direction {
    /// 1 where more is better, -1 where less is.
    pub(super) const fn sign(self) -> f64 {
        match self {
            Self::Increase => 1.0,
            Self::Decrease => -1.0,
        }
    }
}

/// The smallest effect that matters, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinimumEffect {
    /// In the metric's unit.
    Absolute(f64),
    /// As a share of the control's value.
    Relative(f64),
}

impl MinimumEffect {
    /// In the metric's unit, where the control's value is this.
    pub(super) fn absolute(self, control: f64) -> f64 {
        match self {
            Self::Absolute(effect) => effect,
            Self::Relative(share) => share * control.abs(),
        }
    }
}

/// The numbers of a metric, by variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Data {
    /// A value of each unit, averaged.
    Mean {
        /// The sums.
        slices: Vec<Slice>,
        /// Whether the sums have a covariate that is to be adjusted for (CUPED).
        #[serde(default)]
        covariate: bool,
    },
    /// The share of units for which something is so: each unit's value is 0 or 1.
    Proportion {
        /// The sums.
        slices: Vec<Slice>,
    },
    /// A sum over a sum; the variance is the delta method's.
    Ratio {
        /// The sums.
        slices: Vec<Slice>,
    },
    /// A quantile of single values, which are taken as independent.
    Quantile {
        /// Which quantile, in (0, 1).
        q: f64,
        /// The level of the arms' intervals: each covers with 1 - this.
        alpha: f64,
        /// For each phase, each variant's quantile.
        phases: Vec<Vec<QuantileArm>>,
    },
}

/// The sums of a part of an experiment. A unit is in exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The place of its phase in [`Evidence::phases`].
    pub phase: usize,
    /// The day of the units' first exposure, as it sorts (`2026-03-01`); without days there is no series over time.
    #[serde(default)]
    pub day: Option<String>,
    /// Each variant's sums.
    pub arms: Vec<Sums>,
}

/// Sums over the units of one variant. What a metric does not need is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sums {
    /// Units.
    pub n: f64,
    /// Sum of the values (of a ratio: the numerators).
    pub x: f64,
    /// Sum of their squares.
    pub xx: f64,
    /// Sum of a ratio's denominators.
    pub y: f64,
    /// Sum of their squares.
    pub yy: f64,
    /// Sum of numerator times denominator.
    pub xy: f64,
    /// Sum of the covariate: the unit's value from before its first exposure.
    pub c: f64,
    /// Sum of its squares.
    pub cc: f64,
    /// Sum of value times covariate.
    pub xc: f64,
}

impl Sums {
    pub(super) fn add(&mut self, more: &Self) {
        let Self {
            n,
            x,
            xx,
            y,
            yy,
            xy,
            c,
            cc,
            xc,
        } = self;
        for (sum, more) in [
            (n, more.n),
            (x, more.x),
            (xx, more.xx),
            (y, more.y),
            (yy, more.yy),
            (xy, more.xy),
            (c, more.c),
            (cc, more.cc),
            (xc, more.xc),
        ] {
            *sum += more;
        }
    }
}

/// One variant's quantile, with its interval by order statistics ([`crate::fixed::quantile::ranks`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantileArm {
    /// How many values.
    pub n: f64,
    /// The estimate.
    pub estimate: f64,
    /// The interval's lower bound; none where too few values are below.
    pub lower: Option<f64>,
    /// The interval's upper bound; none where too few values are above.
    pub upper: Option<f64>,
}
