//! `watershed plan`: how many units an experiment needs, how probable it is to see an effect, or which
//! effect it can see: each from the others, before it begins. It asks no server.

use super::output;
use anyhow::ensure;
use std::fmt::Write as _;
use watershed_stats::plan::{Design, means, proportions, proportions::Method};

/// Arguments of `watershed plan`.
#[derive(Debug, Clone, clap::Args)]
pub struct PlanArgs {
    /// The control's value: a share from 0 to 1, or with `--sd` a mean.
    #[arg(long)]
    baseline: f64,
    /// The standard deviation of a unit's value, for a mean.
    #[arg(long)]
    sd: Option<f64>,
    /// The effect to be seen, as a share of the baseline: `0.05` is 5% more, `-0.05` less.
    #[arg(long, allow_negative_numbers = true)]
    effect: Option<f64>,
    /// Units of the control.
    #[arg(long)]
    units: Option<f64>,
    /// The probability to see the effect.
    #[arg(long, default_value = "0.8")]
    power: f64,
    /// The level, over both sides.
    #[arg(long, default_value = "0.05")]
    alpha: f64,
    /// Units of the treatment for each of the control.
    #[arg(long, default_value = "1")]
    ratio: f64,
    /// Treatments; each is compared at alpha over their number (Bonferroni).
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100))]
    treatments: u32,
    /// Units a day, over all variants, for how long it takes.
    #[arg(long)]
    daily: Option<f64>,
    /// For people, or for programs.
    #[arg(long)]
    json: bool,
}

/// A plan.
#[derive(Debug, serde::Serialize)]
struct Planned {
    baseline: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sd: Option<f64>,
    /// As a share of the baseline.
    effect: f64,
    power: f64,
    /// Over both sides, of each comparison.
    alpha: f64,
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
    let mut out = String::new();
    let _ = writeln!(
        out,
        "effect          {:+.4}% of {}",
        planned.effect * 100.0,
        planned.baseline
    );
    let _ = writeln!(out, "power           {:.4}", planned.power);
    let _ = writeln!(
        out,
        "alpha           {} (two-sided, each comparison)",
        planned.alpha
    );
    let _ = writeln!(out, "control units   {:.0}", planned.control_units);
    let _ = writeln!(out, "treatment units {:.0}", planned.treatment_units);
    let _ = writeln!(out, "total units     {:.0}", planned.total_units);
    if let Some(days) = planned.days {
        let _ = writeln!(out, "days            {days:.1}");
    }
    Ok(out)
}

impl PlanArgs {
    /// Of effect, units and power, the one that is not given follows from the others.
    fn planned(&self) -> anyhow::Result<Planned> {
        ensure!(
            self.effect.is_some() || self.units.is_some(),
            "give --effect for the units, --units for the effect, or both for the power"
        );
        let alpha = self.alpha / f64::from(self.treatments);
        let design = Design {
            alpha,
            power: self.power,
            ratio: self.ratio,
            two_sided: true,
        };
        let (effect, units, power) = match (self.effect, self.units) {
            (Some(effect), None) => (effect, self.size(effect, &design)?.ceil(), self.power),
            (Some(effect), Some(units)) => (effect, units, self.seen(effect, units, &design)?),
            (None, units) => {
                let units = units.unwrap_or_default();
                (self.smallest(units, &design)?, units, self.power)
            }
        };
        let treatment_units = (units * self.ratio).ceil();
        let total_units = units + treatment_units * f64::from(self.treatments);
        let days = self.daily.filter(|daily| *daily > 0.0);
        Ok(Planned {
            baseline: self.baseline,
            sd: self.sd,
            effect,
            power,
            alpha,
            control_units: units,
            treatment_units,
            total_units,
            days: days.map(|daily| total_units / daily),
        })
    }

    fn size(&self, effect: f64, design: &Design) -> anyhow::Result<f64> {
        let other = self.baseline * (1.0 + effect);
        Ok(match self.sd {
            Some(sd) => means::size_z(other - self.baseline, sd, sd, design)?,
            None => proportions::size(self.baseline, other, design, Method::Unpooled)?,
        })
    }

    fn seen(&self, effect: f64, units: f64, design: &Design) -> anyhow::Result<f64> {
        let other = self.baseline * (1.0 + effect);
        Ok(match self.sd {
            Some(sd) => means::power_z(other - self.baseline, sd, units, design)?,
            None => {
                let power =
                    proportions::power(self.baseline, other, units, design, Method::Unpooled)?;
                power.both_tails
            }
        })
    }

    fn smallest(&self, units: f64, design: &Design) -> anyhow::Result<f64> {
        ensure!(
            self.baseline != 0.0,
            "an effect relative to a baseline of 0 is none"
        );
        Ok(match self.sd {
            Some(sd) => means::effect_z(sd, units, design)? / self.baseline.abs(),
            None => {
                let method = Method::Unpooled;
                let other = proportions::detectable(self.baseline, units, true, design, method)?;
                (other - self.baseline) / self.baseline
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: PlanArgs,
    }

    fn planned(words: &str) -> anyhow::Result<Planned> {
        let words = std::iter::once("plan").chain(words.split(' '));
        Cli::try_parse_from(words).unwrap().args.planned()
    }

    #[test]
    fn units_effect_and_power_follow_from_one_another() {
        // Chow, Shao and Wang, Sample Size Calculations in Clinical Research: n = 2 (z + z)^2 / d^2 = 62.79 at d = 0.5.
        let plan = planned("--baseline 2 --sd 1 --effect 0.25").unwrap();
        assert_eq!((plan.control_units, plan.total_units), (63.0, 126.0));
        let plan = planned("--baseline 2 --sd 1 --effect 0.25 --units 62.79").unwrap();
        assert!((plan.power - 0.8).abs() < 1e-3, "{plan:?}");
        let plan = planned("--baseline 2 --sd 1 --units 62.79").unwrap();
        assert!((plan.effect - 0.25).abs() < 1e-4, "{plan:?}");
    }

    #[test]
    fn a_proportion_that_falls_and_the_days_that_it_takes() {
        let plan = planned("--baseline 0.1 --effect -0.1 --daily 1000").unwrap();
        let again = format!(
            "--baseline 0.1 --effect -0.1 --units {}",
            plan.control_units
        );
        let again = planned(&again).unwrap();
        assert!((again.power - 0.8).abs() < 1e-3, "{again:?}");
        assert_eq!(plan.days, Some(plan.total_units / 1000.0));
        let two = planned("--baseline 0.1 --effect -0.1 --treatments 2").unwrap();
        assert!(two.control_units > plan.control_units && two.alpha == 0.025);
    }

    #[test]
    fn numbers_that_make_no_plan_are_faults() {
        for words in [
            "--baseline 0.1",
            "--baseline 2 --effect 0.1",
            "--baseline 0.1 --effect 0",
            "--baseline 0.1 --effect 0.1 --power 1",
            "--baseline 0.1 --effect 0.1 --alpha NaN",
            "--baseline 0 --sd 1 --units 10",
        ] {
            assert!(planned(words).is_err(), "{words}");
        }
    }
}
