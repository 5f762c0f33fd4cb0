//! Units, power and the smallest effect (or margin) of one comparison, each from the others. Pure; the formulas are the
//! statistics'.

use anyhow::ensure;
use watershed_stats::plan::non_inferiority::{self, Variances};
use watershed_stats::plan::{Design, means, proportions, proportions::Method, run};
use watershed_stats::sequential::boundary::{Sides, boundaries};
use watershed_stats::sequential::crossing::looks_of;
use watershed_stats::sequential::spending::Spending;

/// What is compared: a share of units, or with a standard deviation a mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared {
    pub baseline: f64,
    /// Of a unit's value.
    pub sd: Option<f64>,
}

/// What is to be shown of it. Both are shares of the baseline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// That there is an effect.
    Effect(f64),
    /// That the treatment is not worse by the margin where its true effect is the expected one.
    NotWorse {
        margin: f64,
        expected: f64,
        less_is_better: bool,
    },
}

/// How it is tested.
#[derive(Clone, Copy, Debug)]
pub(super) enum Test {
    /// Once, in the end.
    Fixed,
    /// At this many evenly spaced looks.
    Looks { count: u32, spending: Spending },
    /// At any time, by a confidence sequence that is tuned to the planned units.
    AnyTime,
}

impl Test {
    /// By how much more units, at most, it needs than one look in the end.
    pub(super) fn inflation(self, design: &Design) -> anyhow::Result<f64> {
        Ok(match self {
            Self::Fixed => 1.0,
            Self::AnyTime => run::confidence_sequence_factor(design)?,
            Self::Looks { count, spending } => {
                let times: Vec<f64> = (1..=count)
                    .map(|look| f64::from(look) / f64::from(count))
                    .collect();
                let (sides, alpha) = match design.two_sided {
                    true => (Sides::Both, 0.5 * design.alpha),
                    false => (Sides::Upper, design.alpha),
                };
                let looks = looks_of(&boundaries(&times, spending, alpha, sides)?, sides);
                run::group_sequential_factor(&looks, design)?
            }
        })
    }
}

/// One comparison of a treatment with the control.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    pub compared: Compared,
    pub test: Test,
    pub design: Design,
}

impl Comparison {
    /// Units of the control that reach the goal with the design's power.
    pub(super) fn units(&self, goal: Goal) -> anyhow::Result<f64> {
        Ok(self.compared.size(goal, &self.design)? * self.test.inflation(&self.design)?)
    }

    /// The power with which so many units of the control reach the goal.
    pub(super) fn power(&self, goal: Goal, units: f64) -> anyhow::Result<f64> {
        if matches!(self.test, Test::Fixed) {
            return self.compared.power(goal, units, &self.design);
        }
        // More power takes more units: the power is where they are those that there are.
        let side = match self.design.two_sided {
            true => 0.5 * self.design.alpha,
            false => self.design.alpha,
        };
        let (mut low, mut high) = (1.001 * side, 1.0 - 1e-9);
        while high - low > 1e-9 {
            let power = 0.5 * (low + high);
            let design = Design {
                power,
                ..self.design
            };
            let needed = Self { design, ..*self }.units(goal)?;
            (low, high) = if needed <= units {
                (power, high)
            } else {
                (low, power)
            };
        }
        Ok(0.5 * (low + high))
    }

    /// The smallest effect that so many units of the control show with the design's power.
    pub(super) fn effect(&self, units: f64) -> anyhow::Result<f64> {
        let Compared { baseline, sd } = self.compared;
        ensure!(
            baseline != 0.0,
            "an effect relative to a baseline of 0 is none"
        );
        let units = units / self.test.inflation(&self.design)?;
        Ok(match sd {
            Some(sd) => means::effect_z(sd, units, &self.design)? / baseline.abs(),
            None => {
                let (design, method) = (&self.design, Method::Unpooled);
                let other = proportions::detectable(baseline, units, true, design, method)?;
                (other - baseline) / baseline
            }
        })
    }

    /// The smallest margin by which so many units of the control show that a treatment of that effect is not worse.
    pub(super) fn margin(
        &self,
        expected: f64,
        less_is_better: bool,
        units: f64,
    ) -> anyhow::Result<f64> {
        let goal = Goal::NotWorse {
            margin: 1.0,
            expected,
            less_is_better,
        };
        let shown = self.compared.not_worse(goal)?;
        let units = units / self.test.inflation(&self.design)?;
        let margin = non_inferiority::margin(shown.expected, units, shown.variances, &self.design)?;
        Ok(margin / self.compared.baseline.abs())
    }
}

/// A goal of not being worse, in the metric's unit, where more is better.
struct NotWorse {
    expected: f64,
    margin: f64,
    variances: Variances,
}

impl Compared {
    fn other(&self, effect: f64) -> f64 {
        self.baseline + effect * self.baseline.abs()
    }

    fn not_worse(&self, goal: Goal) -> anyhow::Result<NotWorse> {
        let Goal::NotWorse {
            margin,
            expected,
            less_is_better,
        } = goal
        else {
            anyhow::bail!("an effect has no margin");
        };
        ensure!(
            self.baseline != 0.0,
            "a margin relative to a baseline of 0 is none"
        );
        let size = self.baseline.abs();
        let sign = if less_is_better { -1.0 } else { 1.0 };
        let variances = match self.sd {
            Some(sd) => Variances {
                control: sd * sd,
                treatment: sd * sd,
            },
            None => Variances::of_rates(self.baseline, self.other(expected))?,
        };
        Ok(NotWorse {
            expected: sign * expected * size,
            margin: margin * size,
            variances,
        })
    }

    fn size(&self, goal: Goal, design: &Design) -> anyhow::Result<f64> {
        let Goal::Effect(effect) = goal else {
            let it = self.not_worse(goal)?;
            return Ok(non_inferiority::size(
                it.expected,
                it.margin,
                it.variances,
                design,
            )?);
        };
        let other = self.other(effect);
        Ok(match self.sd {
            Some(sd) => means::size_z(other - self.baseline, sd, sd, design)?,
            None => proportions::size(self.baseline, other, design, Method::Unpooled)?,
        })
    }

    fn power(&self, goal: Goal, units: f64, design: &Design) -> anyhow::Result<f64> {
        let Goal::Effect(effect) = goal else {
            let it = self.not_worse(goal)?;
            return Ok(non_inferiority::power(
                it.expected,
                it.margin,
                units,
                it.variances,
                design,
            )?);
        };
        let other = self.other(effect);
        Ok(match self.sd {
            Some(sd) => means::power_z(other - self.baseline, sd, units, design)?,
            None => {
                let method = Method::Unpooled;
                proportions::power(self.baseline, other, units, design, method)?.both_tails
            }
        })
    }
}
