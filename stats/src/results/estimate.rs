//! From sums to effects: each phase compared by itself, then put together by its share of the units (post-stratification),
//! so that a change of weights between phases never shows as an effect. Ratios by the delta method, covariates by CUPED.

use super::input::{Data, QuantileArm, Slice, Sums};
use crate::distribution::normal;
use crate::fixed::ratio::RatioSums;
use crate::moments::variance_from_sums;
use crate::variance_reduction::cuped::cuped;
use crate::variance_reduction::joint::{self, Joint};
use crate::{Result, StatsError, Summary, check};

/// A metric's numbers: for each phase, each variant.
pub(super) enum Table {
    /// From sums.
    Sums { kind: Kind, phases: Vec<Vec<Sums>> },
    /// From quantiles, whose intervals have this level.
    Quantiles {
        alpha: f64,
        phases: Vec<Vec<QuantileArm>>,
    },
}

/// What the sums are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mean { covariate: bool },
    Proportion,
    Ratio,
}

/// A treatment against the control over all phases.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contrast {
    /// Units of both.
    pub n: f64,
    /// The fewest units of the two.
    pub smaller_arm: f64,
    pub control_mean: f64,
    pub difference: f64,
    pub standard_error: f64,
    /// The difference and its error as a share of the control's absolute value.
    pub relative: Option<(f64, f64)>,
    pub degrees_of_freedom: f64,
    pub variance_reduction: Option<f64>,
    pub left_out: Vec<usize>,
}

impl Table {
    /// All slices of the data added up, by phase.
    pub fn of(data: &Data, phases: usize, variants: usize) -> Result<Self> {
        match data {
            Data::Mean { slices, covariate } => {
                let kind = Kind::Mean {
                    covariate: *covariate,
                };
                Self::of_slices(kind, slices, phases, variants)
            }
            Data::Proportion { slices } => {
                Self::of_slices(Kind::Proportion, slices, phases, variants)
            }
            Data::Ratio { slices } => Self::of_slices(Kind::Ratio, slices, phases, variants),
            Data::Quantile {
                q,
                alpha,
                phases: arms,
            } => {
                check::finite([("q", *q), ("alpha", *alpha)])?;
                check::open_unit("q", *q)?;
                check::open_unit("alpha", *alpha)?;
                if arms.len() != phases || arms.iter().any(|arms| arms.len() != variants) {
                    return Err(StatsError::LengthMismatch {
                        input: "a metric's quantiles and the experiment's phases and variants",
                    });
                }
                Ok(Self::Quantiles {
                    alpha: *alpha,
                    phases: arms.clone(),
                })
            }
        }
    }

    /// These slices added up, by phase.
    pub fn of_slices(kind: Kind, slices: &[Slice], phases: usize, variants: usize) -> Result<Self> {
        let mut table = Self::empty(kind, phases, variants);
        for slice in slices {
            table.add(slice)?;
        }
        Ok(table)
    }

    /// Nothing counted yet.
    pub fn empty(kind: Kind, phases: usize, variants: usize) -> Self {
        Self::Sums {
            kind,
            phases: vec![vec![Sums::default(); variants]; phases],
        }
    }

    /// What the sums are of.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Sums { kind, .. } => Some(*kind),
            Self::Quantiles { .. } => None,
        }
    }

    /// One slice more.
    pub fn add(&mut self, slice: &Slice) -> Result<()> {
        let Self::Sums { phases, .. } = self else {
            return Ok(());
        };
        let Some(arms) = phases.get_mut(slice.phase) else {
            return Err(StatsError::OutOfRange {
                input: "a slice's phase",
                expected: "the place of one of the experiment's phases",
            });
        };
        check::same_length("a slice's arms and the variants", &slice.arms, arms)?;
        for (sum, more) in arms.iter_mut().zip(&slice.arms) {
            sum.add(more);
        }
        Ok(())
    }

    fn phases(&self) -> usize {
        match self {
            Self::Sums { phases, .. } => phases.len(),
            Self::Quantiles { phases, .. } => phases.len(),
        }
    }

    /// How many units of a variant a phase has.
    fn units(&self, phase: usize, variant: usize) -> f64 {
        let n = match self {
            Self::Sums { phases, .. } => phases
                .get(phase)
                .and_then(|arms| arms.get(variant))
                .map(|sums| sums.n),
            Self::Quantiles { phases, .. } => phases
                .get(phase)
                .and_then(|arms| arms.get(variant))
                .map(|arm| arm.n),
        };
        n.unwrap_or(0.0)
    }

    /// The units of a phase in all variants: its weight.
    fn weight(&self, phase: usize) -> f64 {
        match self {
            Self::Sums { phases, .. } => phases
                .get(phase)
                .map_or(0.0, |arms| arms.iter().map(|sums| sums.n).sum()),
            Self::Quantiles { phases, .. } => phases
                .get(phase)
                .map_or(0.0, |arms| arms.iter().map(|arm| arm.n).sum()),
        }
    }

    /// The units of all variants.
    pub fn total(&self) -> f64 {
        (0..self.phases()).map(|phase| self.weight(phase)).sum()
    }

    /// A variant in a phase: its value and the variance of one unit.
    fn summary(&self, phase: usize, variant: usize) -> Result<Summary> {
        match self {
            Self::Sums { kind, phases } => phases
                .get(phase)
                .and_then(|arms| arms.get(variant))
                .ok_or(StatsError::EmptyInput { input: "arms" })
                .and_then(|sums| summary_of_sums(*kind, sums)),
            Self::Quantiles { alpha, phases } => phases
                .get(phase)
                .and_then(|arms| arms.get(variant))
                .ok_or(StatsError::EmptyInput { input: "arms" })
                .and_then(|arm| summary_of_quantile(*alpha, arm)),
        }
    }

    /// Control and treatment in a phase, and what the variance of their difference was without a covariate.
    fn pair(&self, phase: usize, control: usize, treatment: usize) -> Result<Pair> {
        let (a, b) = (
            self.summary(phase, control)?,
            self.summary(phase, treatment)?,
        );
        let raw = Pair { a, b, raw: (a, b) };
        let Self::Sums {
            kind: Kind::Mean { covariate: true },
            phases,
        } = self
        else {
            return Ok(raw);
        };
        let joint = |variant: usize| {
            phases
                .get(phase)
                .and_then(|arms| arms.get(variant))
                .ok_or(StatsError::EmptyInput { input: "arms" })
                .and_then(joint_of)
        };
        // The level does not touch what is read from the answer here.
        match cuped(&joint(control)?, &joint(treatment)?, 0.05) {
            Ok(found) => Ok(Pair {
                a: Summary::new(a.n, found.means.0, found.variances.0),
                b: Summary::new(b.n, found.means.1, found.variances.1),
                raw: raw.raw,
            }),
            Err(StatsError::ZeroVariance { .. }) => Ok(raw),
            Err(error) => Err(error),
        }
    }

    /// A variant by itself: units, value and its standard error.
    pub fn arm(&self, variant: usize) -> Result<(f64, f64, f64)> {
        let mut parts = Vec::with_capacity(self.phases());
        for phase in 0..self.phases() {
            match self.summary(phase, variant) {
                Ok(summary) => parts.push((self.weight(phase), summary)),
                Err(StatsError::InsufficientData { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        if total <= 0.0 {
            return Err(TOO_FEW);
        }
        let (mut n, mut mean, mut variance) = (0.0, 0.0, 0.0);
        for (weight, arm) in parts {
            let share = weight / total;
            n += arm.n;
            mean += share * arm.mean;
            variance += share * share * arm.mean_variance();
        }
        check::finite([("a mean", mean), ("a variance", variance)])?;
        Ok((n, mean, variance.sqrt()))
    }

    /// The units of a variant, whether or not they are enough for anything.
    pub fn arm_units(&self, variant: usize) -> f64 {
        (0..self.phases())
            .map(|phase| self.units(phase, variant))
            .sum()
    }

    /// A treatment against the control.
    pub fn contrast(&self, control: usize, treatment: usize) -> Result<Contrast> {
        let (mut pairs, mut left_out) = (Vec::new(), Vec::new());
        for phase in 0..self.phases() {
            match self.pair(phase, control, treatment) {
                Ok(pair) => pairs.push((self.weight(phase), pair)),
                Err(StatsError::InsufficientData { .. }) => left_out.push(phase),
                Err(error) => return Err(error),
            }
        }
        if pairs.is_empty() {
            return Err(TOO_FEW);
        }
        let sum = Contrasting::of(&pairs);
        let total = sum.variance_a + sum.variance_b;
        check::finite([("a difference", sum.b - sum.a), ("a variance", total)])?;
        if total <= 0.0 {
            return Err(StatsError::ZeroVariance { input: "both arms" });
        }
        let ratio = sum.b / sum.a;
        let relative_error = (sum.variance_b + sum.variance_a * ratio * ratio).sqrt() / sum.a.abs();
        let relative = (sum.b - sum.a) / sum.a.abs();
        let adjusted = self.kind() == Some(Kind::Mean { covariate: true });
        Ok(Contrast {
            n: sum.n_a + sum.n_b,
            smaller_arm: sum.n_a.min(sum.n_b),
            control_mean: sum.a,
            difference: sum.b - sum.a,
            standard_error: total.sqrt(),
            relative: (relative.is_finite() && relative_error.is_finite() && relative_error > 0.0)
                .then_some((relative, relative_error)),
            // Of units beyond all measure it is the normal limit, as a number.
            degrees_of_freedom: (total / sum.norm).powi(2).min(f64::MAX),
            variance_reduction: (adjusted && sum.raw > 0.0).then(|| 1.0 - total / sum.raw),
            left_out,
        })
    }
}

const TOO_FEW: StatsError = StatsError::InsufficientData {
    input: "an arm",
    needs: "at least 2 units in a phase that both arms share",
};

struct Pair {
    a: Summary,
    b: Summary,
    raw: (Summary, Summary),
}

/// Sums over phases.
#[derive(Default)]
struct Contrasting {
    n_a: f64,
    n_b: f64,
    a: f64,
    b: f64,
    variance_a: f64,
    variance_b: f64,
    raw: f64,
    /// The root of the sum of squared variances over their degrees of freedom: no square of it underflows.
    norm: f64,
}

impl Contrasting {
    fn of(pairs: &[(f64, Pair)]) -> Self {
        let total: f64 = pairs.iter().map(|(weight, _)| weight).sum();
        let mut sum = Self::default();
        for (weight, pair) in pairs {
            let share = weight / total;
            let part = |arm: &Summary| share * share * arm.mean_variance();
            sum.n_a += pair.a.n;
            sum.n_b += pair.b.n;
            sum.a += share * pair.a.mean;
            sum.b += share * pair.b.mean;
            sum.variance_a += part(&pair.a);
            sum.variance_b += part(&pair.b);
            sum.raw += part(&pair.raw.0) + part(&pair.raw.1);
            for arm in [&pair.a, &pair.b] {
                sum.norm = sum.norm.hypot(part(arm) / (arm.n - 1.0).sqrt());
            }
        }
        sum
    }
}

fn summary_of_sums(kind: Kind, sums: &Sums) -> Result<Summary> {
    if kind == Kind::Ratio {
        return RatioSums {
            n: sums.n,
            sum_m: sums.x,
            sum_d: sums.y,
            sum_m2: sums.xx,
            sum_d2: sums.yy,
            sum_md: sums.xy,
        }
        .unit_summary("a ratio's arm");
    }
    check::finite([("n", sums.n), ("sum", sums.x), ("sum of squares", sums.xx)])?;
    check::non_negative("n", sums.n)?;
    if kind == Kind::Proportion {
        check::range(
            "a proportion's sum",
            (0.0..=sums.n).contains(&sums.x),
            "from 0 to the units",
        )?;
    }
    let variance = variance_from_sums(sums.n, sums.x, sums.xx)?;
    Ok(Summary::new(sums.n, sums.x / sums.n, variance))
}

fn summary_of_quantile(alpha: f64, arm: &QuantileArm) -> Result<Summary> {
    check::finite([("n", arm.n), ("a quantile", arm.estimate)])?;
    check::non_negative("n", arm.n)?;
    let (Some(lower), Some(upper)) = (arm.lower, arm.upper) else {
        return Err(TOO_FEW);
    };
    check::finite([("a quantile's bound", lower), ("a quantile's bound", upper)])?;
    check::range(
        "a quantile's bounds",
        lower <= upper,
        "a lower bound that is not above the upper one",
    )?;
    if arm.n < 2.0 {
        return Err(TOO_FEW);
    }
    let standard_error = (upper - lower) / (2.0 * normal::isf(0.5 * alpha)?);
    Ok(Summary::new(
        arm.n,
        arm.estimate,
        standard_error * standard_error * arm.n,
    ))
}

fn joint_of(sums: &Sums) -> Result<Joint> {
    check::range("n", sums.n >= 0.0 && sums.n <= 9e15, "a count up to 9e15")?;
    // In range: just checked.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let n = sums.n as u64;
    Joint::from_sums(joint::Sums {
        n,
        y: sums.x,
        y_squared: sums.xx,
        x: sums.c,
        x_squared: sums.cc,
        xy: sums.xc,
    })
}
