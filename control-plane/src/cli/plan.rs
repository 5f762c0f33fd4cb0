//! `watershed plan`: how many units an experiment needs, how probable it is to see an effect, or which
//! effect it can see: each from the others, before it begins. It asks no server.

mod solve;

use super::output;
use anyhow::{Context as _, ensure};
use solve::{Compared, Comparison, Goal, Test};
use std::fmt::Write as _;
use watershed_stats::plan::{Design, run as running};
use watershed_stats::sequential::spending::Spending;

/// Arguments of `watershed plan`.
#[derive(Debug, Clone, clap::Args)]
pub struct PlanArgs {
    /// The control's value: a share from 0 to 1, or with `--sd` or the parts of a ratio a mean or a ratio.
    #[arg(long, allow_negative_numbers = true)]
    baseline: f64,
    /// The standard deviation of a unit's value, for a mean. For a ratio, of a unit's numerator.
    #[arg(long)]
    sd: Option<f64>,
    #[command(flatten)]
    denominator: Denominator,
    /// The effect to be seen, as a share of the baseline: `0.05` is 5% more, `-0.05` less. With `--margin`, the effect
    /// that is expected, none where not given.
    #[arg(long, allow_negative_numbers = true)]
    effect: Option<f64>,
    #[command(flatten)]
    not_worse: NotWorseArgs,
    /// Units of the control.
    #[arg(long)]
    units: Option<f64>,
    /// The probability to see the effect.
    #[arg(long, default_value = "0.8")]
    power: f64,
    /// The level, over both sides; with a margin there is one side.
    #[arg(long, default_value = "0.05")]
    alpha: f64,
    /// Units of the treatment for each of the control.
    #[arg(long, default_value = "1")]
    ratio: f64,
    /// Treatments; each is compared at alpha over their number (Bonferroni).
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100))]
    treatments: u32,
    /// How often it is looked at, at even distances, the end included: group sequential.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    looks: Option<u32>,
    /// How the looks spend the level: `obrien-fleming`, `pocock`, `kim-demets:RHO` or `hwang-shih-decani:GAMMA`.
    #[arg(long, default_value = "obrien-fleming", value_parser = spending, requires = "looks")]
    spending: Spending,
    /// It is looked at at any time, as results are by default: by a confidence sequence that is tuned to the plan.
    #[arg(long, conflicts_with = "looks")]
    any_time: bool,
    #[command(flatten)]
    traffic: Traffic,
    /// For people, or for programs.
    #[arg(long)]
    json: bool,
}

/// A ratio's denominator: with it the baseline is a ratio.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Denominator {
    /// The mean of a unit's denominator, for a ratio metric.
    #[arg(long, requires_all = ["sd", "denominator_sd"])]
    denominator_mean: Option<f64>,
    /// The standard deviation of a unit's denominator.
    #[arg(long, requires = "denominator_mean")]
    denominator_sd: Option<f64>,
    /// How a unit's numerator and denominator go together, from -1 to 1.
    #[arg(
        long,
        default_value = "0",
        allow_negative_numbers = true,
        requires = "denominator_mean"
    )]
    correlation: f64,
}

/// Whether it is to be shown that a treatment is not worse.
#[derive(Debug, Clone, Copy, clap::Args)]
struct NotWorseArgs {
    /// The treatment is to be shown not to be worse by this share of the baseline (non-inferiority, one side).
    #[arg(long)]
    margin: Option<f64>,
    /// With `--units` or `--days`: the smallest such margin.
    #[arg(long, conflicts_with = "margin")]
    smallest_margin: bool,
    /// Less is better: more is worse.
    #[arg(long)]
    less_is_better: bool,
}

/// How many units come.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Traffic {
    /// Units a day, over all variants, for how long it takes.
    #[arg(long)]
    daily: Option<f64>,
    /// The share of them that takes part.
    #[arg(long, default_value = "1", requires = "daily")]
    share: f64,
    /// Whole weeks, since the days of a week differ.
    #[arg(long, requires = "daily")]
    weeks: bool,
    /// How long it runs: then the effect or the power that this gives.
    #[arg(long, requires = "daily", conflicts_with = "units")]
    days: Option<f64>,
}

/// A plan.
#[derive(Debug, serde::Serialize)]
struct Planned {
    baseline: f64,
    /// Of a unit; of a ratio by the delta method.
    #[serde(skip_serializing_if = "Option::is_none")]
    sd: Option<f64>,
    /// As a share of the baseline: to be seen, or with a margin the expected one.
    effect: f64,
    /// As a share of the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
    power: f64,
    /// Over the sides of each comparison.
    alpha: f64,
    sides: u8,
    /// `fixed`, `group_sequential` or `sequential`.
    method: &'static str,
    /// How many times the units of one look in the end.
    inflation: f64,
    control_units: f64,
    treatment_units: f64,
    total_units: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<f64>,
}

/// Prints the plan.
///
/// # Errors
/// Numbers that make no plan.
pub fn run(args: &PlanArgs) -> anyhow::Result<()> {
    output::print(&shown(args)?)
}

pub(super) fn shown(args: &PlanArgs) -> anyhow::Result<String> {
    let planned = args.planned()?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&planned)? + "\n");
    }
    Ok(planned.text())
}

impl Planned {
    fn text(&self) -> String {
        let (mut out, of) = (String::new(), self.baseline);
        if let Some(margin) = self.margin {
            let _ = writeln!(
                out,
                "margin          {:.4}% of {of}, if the effect is {:+.4}%",
                margin * 100.0,
                self.effect * 100.0
            );
        } else {
            let _ = writeln!(out, "effect          {:+.4}% of {of}", self.effect * 100.0);
        }
        let _ = writeln!(out, "power           {:.4}", self.power);
        let sides = match self.sides {
            1 => "one-sided",
            _ => "two-sided",
        };
        let _ = writeln!(
            out,
            "alpha           {} ({sides}, each comparison)",
            self.alpha
        );
        if self.method != "fixed" {
            let _ = writeln!(
                out,
                "method          {}: at most {:.4} times the units of one look",
                self.method.replace('_', " "),
                self.inflation
            );
        }
        let _ = writeln!(out, "control units   {:.0}", self.control_units);
        let _ = writeln!(out, "treatment units {:.0}", self.treatment_units);
        let _ = writeln!(out, "total units     {:.0}", self.total_units);
        if let Some(days) = self.days {
            let _ = writeln!(out, "days            {days:.0}");
        }
        out
    }
}

impl PlanArgs {
    /// Of effect (or margin), units and power, the one that is not given follows from the others.
    fn planned(&self) -> anyhow::Result<Planned> {
        let is_not_worse = self.not_worse.margin.is_some() || self.not_worse.smallest_margin;
        let comparison = self.comparison(!is_not_worse)?;
        let units = self.units()?;
        let (effect, margin, units, power) = if is_not_worse {
            self.not_worse(&comparison, units)?
        } else {
            let (effect, units, power) = self.effect(&comparison, units)?;
            (effect, None, units, power)
        };
        let treatment_units = (units * self.ratio).ceil();
        let total_units = units + treatment_units * f64::from(self.treatments);
        let Traffic {
            daily,
            share,
            weeks,
            days,
        } = self.traffic;
        let takes = |daily| running::days(total_units, daily, share, weeks);
        Ok(Planned {
            baseline: self.baseline,
            sd: comparison.compared.sd,
            effect,
            margin,
            power,
            alpha: comparison.design.alpha,
            sides: if is_not_worse { 1 } else { 2 },
            method: match comparison.test {
                Test::Fixed => "fixed",
                Test::Looks { .. } => "group_sequential",
                Test::AnyTime => "sequential",
            },
            inflation: comparison.test.inflation(&Design {
                power,
                ..comparison.design
            })?,
            control_units: units,
            treatment_units,
            total_units,
            days: match days {
                Some(days) => Some(days),
                None => daily.map(takes).transpose()?,
            },
        })
    }

    fn effect(
        &self,
        comparison: &Comparison,
        units: Option<f64>,
    ) -> anyhow::Result<(f64, f64, f64)> {
        Ok(match (self.effect, units) {
            (Some(effect), None) => {
                let units = comparison.units(Goal::Effect(effect))?.ceil();
                (effect, units, self.power)
            }
            (Some(effect), Some(units)) => {
                let power = comparison.power(Goal::Effect(effect), units)?;
                (effect, units, power)
            }
            (None, Some(units)) => (comparison.effect(units)?, units, self.power),
            (None, None) => anyhow::bail!(
                "give --effect for the units, --units or --days for the effect, or both for the power"
            ),
        })
    }

    fn not_worse(
        &self,
        comparison: &Comparison,
        units: Option<f64>,
    ) -> anyhow::Result<(f64, Option<f64>, f64, f64)> {
        let less_is_better = self.not_worse.less_is_better;
        let expected = self.effect.unwrap_or(0.0);
        let goal = |margin| Goal::NotWorse {
            margin,
            expected,
            less_is_better,
        };
        let (margin, units, power) = match (self.not_worse.margin, units) {
            (Some(margin), None) => {
                let units = comparison.units(goal(margin))?.ceil();
                (margin, units, self.power)
            }
            (Some(margin), Some(units)) => (margin, units, comparison.power(goal(margin), units)?),
            (None, Some(units)) => {
                let margin = comparison.margin(expected, less_is_better, units)?;
                (margin, units, self.power)
            }
            (None, None) => anyhow::bail!("give --units or --days for the smallest margin"),
        };
        Ok((expected, Some(margin), units, power))
    }

    fn comparison(&self, two_sided: bool) -> anyhow::Result<Comparison> {
        let design = Design {
            alpha: self.alpha,
            power: self.power,
            ratio: self.ratio,
            two_sided,
        };
        let sd = match (self.sd, self.denominator.parts()) {
            (Some(sd), Some(denominator)) => {
                Some(running::ratio_sd_of_parts(self.baseline, sd, denominator)?)
            }
            (sd, _) => sd,
        };
        Ok(Comparison {
            compared: Compared {
                baseline: self.baseline,
                sd,
            },
            test: match self.looks {
                _ if self.any_time => Test::AnyTime,
                Some(count) => Test::Looks {
                    count,
                    spending: self.spending,
                },
                None => Test::Fixed,
            },
            design: running::one_of(self.treatments, &design)?,
        })
    }

    /// Units of the control: given, or those of the days that are given.
    fn units(&self) -> anyhow::Result<Option<f64>> {
        let (Some(days), Some(daily)) = (self.traffic.days, self.traffic.daily) else {
            return Ok(self.units);
        };
        let share = self.traffic.share;
        ensure!(
            share > 0.0 && share <= 1.0,
            "--share is above 0 and at most 1"
        );
        let variants = 1.0 + f64::from(self.treatments) * self.ratio;
        Ok(Some((days * daily * share / variants).floor()))
    }
}

impl Denominator {
    fn parts(&self) -> Option<running::Denominator> {
        Some(running::Denominator {
            mean: self.denominator_mean?,
            sd: self.denominator_sd?,
            correlation: self.correlation,
        })
    }
}

/// `obrien-fleming`, `pocock`, `kim-demets:2`, `hwang-shih-decani:-4`
fn spending(text: &str) -> anyhow::Result<Spending> {
    let (name, parameter) = text.split_once(':').unzip();
    let number = || {
        let text = parameter.context("its parameter is missing, as in kim-demets:2")?;
        text.parse().context("its parameter is no number")
    };
    let spending = match name.unwrap_or(text) {
        "obrien-fleming" if parameter.is_none() => Spending::ObrienFleming,
        "pocock" if parameter.is_none() => Spending::Pocock,
        "kim-demets" => Spending::KimDeMets { rho: number()? },
        "hwang-shih-decani" => Spending::HwangShihDeCani { gamma: number()? },
        _ => {
            anyhow::bail!("it is obrien-fleming, pocock, kim-demets:RHO or hwang-shih-decani:GAMMA")
        }
    };
    spending.check()?;
    Ok(spending)
}

#[cfg(test)]
mod tests;
