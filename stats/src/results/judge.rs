//! The test that the plan asks for, applied to an effect and its error: a p-value, and what the standard error is
//! multiplied with for the interval.

use super::estimate::Contrast;
use super::input::{Method, Plan};
use crate::distribution::{StudentT, normal};
use crate::sequential::boundary::{Sides, boundaries};
use crate::sequential::confidence_sequence::{ConfidenceSequence, GROWTHBOOK_TARGET, Observed};
use crate::sequential::crossing::secant;
use crate::sequential::spending::Spending;
use crate::sequential::upper_quantile;
use crate::{Result, StatsError, check};

/// What a comparison is tuned to where no plan says how many units it will have.
pub(super) const UNPLANNED_TARGET: f64 = GROWTHBOOK_TARGET;

/// A test that is ready to be applied.
pub(super) struct Judge<'a> {
    plan: &'a Plan,
    /// The critical value at this look, of a group-sequential test.
    pub critical: Option<f64>,
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub log_p: f64,
    pub multiplier: f64,
    pub tuned_to: Option<f64>,
}

impl<'a> Judge<'a> {
    /// Checks the plan.
    pub fn new(plan: &'a Plan) -> Result<Self> {
        check::finite([
            ("alpha", plan.alpha),
            ("sample_ratio_alpha", plan.sample_ratio_alpha),
            ("telemetry_threshold", plan.telemetry_threshold),
            ("contamination_threshold", plan.contamination_threshold),
            ("planned_units", plan.planned_units.unwrap_or(1.0)),
        ])?;
        check::open_unit("alpha", plan.alpha)?;
        check::open_unit("sample_ratio_alpha", plan.sample_ratio_alpha)?;
        check::unit("telemetry_threshold", plan.telemetry_threshold)?;
        check::unit("contamination_threshold", plan.contamination_threshold)?;
        check::positive("planned_units", plan.planned_units.unwrap_or(1.0))?;
        let critical = match &plan.method {
            Method::GroupSequential { spending, looks } => {
                Some(last_critical(looks, *spending, plan.alpha)?)
            }
            Method::Sequential | Method::Fixed => None,
        };
        Ok(Self { plan, critical })
    }

    /// The test of no effect. `share` is the part of the planned units that is planned for the two arms.
    pub fn of(&self, contrast: &Contrast, share: f64) -> Result<Judged> {
        let z = contrast.difference / contrast.standard_error;
        match &self.plan.method {
            Method::Sequential => {
                let target = self
                    .plan
                    .planned_units
                    .map_or(UNPLANNED_TARGET, |units| units * share);
                let sequence = ConfidenceSequence::tuned(self.plan.alpha, target, Sides::Both)?;
                let observed = Observed {
                    estimate: contrast.difference,
                    standard_error: contrast.standard_error,
                    n: contrast.n,
                };
                Ok(Judged {
                    log_p: sequence.log_p(observed, 0.0)?,
                    multiplier: sequence.multiplier(contrast.n),
                    tuned_to: Some(target),
                })
            }
            Method::Fixed => {
                let t = StudentT::new(contrast.degrees_of_freedom)?;
                Ok(Judged {
                    log_p: t.log_two_sided(z).min(0.0),
                    multiplier: t.isf(0.5 * self.plan.alpha)?,
                    tuned_to: None,
                })
            }
            Method::GroupSequential { spending, looks } => Ok(Judged {
                log_p: repeated_log_p(looks, *spending, z.abs())?,
                multiplier: self.critical.unwrap_or(f64::MAX),
                tuned_to: None,
            }),
        }
    }

    /// Whether this look is the plan's last: unknown where there is no plan, or where it may be looked at any time.
    pub fn plan_reached(&self, units: f64) -> Option<bool> {
        match &self.plan.method {
            Method::GroupSequential { looks, .. } => {
                Some(looks.last().is_some_and(|look| *look >= 1.0))
            }
            Method::Sequential | Method::Fixed => {
                self.plan.planned_units.map(|planned| units >= planned)
            }
        }
    }
}

/// The critical value of the last look at this level; a look that may spend nothing has one that no effect crosses.
fn last_critical(looks: &[f64], spending: Spending, alpha: f64) -> Result<f64> {
    let found = boundaries(looks, spending, 0.5 * alpha, Sides::Both)?;
    let z = found
        .last()
        .map(|boundary| boundary.z)
        .ok_or(StatsError::EmptyInput { input: "looks" })?;
    // What is past all doubles' tails is no number an answer may hold; nothing crosses this either.
    Ok(z.min(1e6))
}

/// The repeated p-value (Jennison and Turnbull 2000, section 9.4): the smallest level at which this look would have
/// stopped, by secants on the probit scale, where the boundary is nearly a line.
fn repeated_log_p(looks: &[f64], spending: Spending, z: f64) -> Result<f64> {
    /// At a level above this it is 1 for every purpose.
    const LARGEST: f64 = 0.999;
    if last_critical(looks, spending, LARGEST)? >= z {
        return Ok(0.0);
    }
    let level = |probit: f64| 2.0 * normal::sf(probit);
    let miss = |probit: f64| -> Result<f64> {
        let alpha = level(probit).clamp(f64::MIN_POSITIVE, LARGEST);
        Ok(last_critical(looks, spending, alpha)? - z)
    };
    // The last boundary is never below the one of a single look, nor far above it.
    let start = z.min(37.0);
    let found = secant(
        miss,
        start,
        (start - 0.1).max(upper_quantile(0.5 * LARGEST)),
    );
    match found {
        Some(Ok(probit)) => Ok(normal::log_two_sided(probit).min(0.0)),
        // Past the smallest level that a double holds: that level.
        Some(Err(_)) | None if z > 30.0 => Ok(f64::MIN_POSITIVE.ln()),
        Some(Err(error)) => Err(error),
        None => Err(StatsError::NoSolution {
            unknown: "repeated p-value",
        }),
    }
}
