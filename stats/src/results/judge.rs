//! The test that the plan asks for, applied to an effect and its error: a p-value, and what the standard error is
//! multiplied with for the interval.

use super::estimate::Contrast;
use super::input::{Method, MinimumEffect, Plan};
use super::repeated::{Repeated, last_boundary};
use crate::distribution::StudentT;
use crate::sequential::boundary::Sides;
use crate::sequential::confidence_sequence::{ConfidenceSequence, GROWTHBOOK_TARGET, Observed};
use crate::sequential::msprt::{Estimate, Msprt, MsprtLook};
use crate::{Result, StatsError, check};

/// What a comparison is tuned to where no plan says how many units it will have.
pub(super) const UNPLANNED_TARGET: f64 = GROWTHBOOK_TARGET;

/// A test that is ready to be applied.
pub(super) struct Judge<'a> {
    plan: &'a Plan,
    test: Test<'a>,
}

enum Test<'a> {
    Sequential,
    Msprt,
    Fixed,
    /// The critical value at this look, and the levels of others.
    GroupSequential {
        critical: f64,
        repeated: Repeated<'a>,
    },
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub log_p: f64,
    pub interval: Multiplier,
}

/// What standard errors are multiplied with for the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Multiplier {
    pub value: f64,
    /// The units that a confidence sequence is tuned to.
    pub tuned_to: Option<f64>,
    /// The effect that a mixture is tuned to.
    pub tuned_effect: Option<f64>,
}

/// What a test is tuned to, besides the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tuning {
    /// The part of the planned units that is planned for the two arms.
    pub share: f64,
    /// The metric's smallest effect that matters.
    pub effect: Option<MinimumEffect>,
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
        let test = match &plan.method {
            Method::GroupSequential { spending, looks } => Test::GroupSequential {
                critical: last_boundary(looks, *spending, plan.alpha)?,
                repeated: Repeated::new(looks, *spending),
            },
            Method::Sequential => Test::Sequential,
            Method::Msprt => Test::Msprt,
            Method::Fixed => Test::Fixed,
        };
        Ok(Self { plan, test })
    }

    /// The critical value at this look, of a group-sequential test.
    pub fn critical(&self) -> Option<f64> {
        match self.test {
            Test::GroupSequential { critical, .. } => Some(critical),
            Test::Sequential | Test::Msprt | Test::Fixed => None,
        }
    }

    /// The test of no effect.
    pub fn of(&self, contrast: &Contrast, tuning: Tuning) -> Result<Judged> {
        let z = contrast.difference / contrast.standard_error;
        let log_p = match &self.test {
            Test::Sequential => {
                let observed = Observed {
                    estimate: contrast.difference,
                    standard_error: contrast.standard_error,
                    n: contrast.n,
                };
                self.sequence(tuning.share)?.0.log_p(observed, 0.0)?
            }
            Test::Msprt => self.mixture(contrast, tuning)?.0.log_p,
            Test::Fixed => StudentT::new(contrast.degrees_of_freedom)?
                .log_two_sided(z)
                .min(0.0),
            Test::GroupSequential { repeated, .. } => repeated.log_p(z.abs())?,
        };
        Ok(Judged {
            log_p,
            interval: self.interval(contrast, tuning)?,
        })
    }

    /// The interval alone.
    pub fn interval(&self, contrast: &Contrast, tuning: Tuning) -> Result<Multiplier> {
        let untuned = |value| Multiplier {
            value,
            tuned_to: None,
            tuned_effect: None,
        };
        Ok(match &self.test {
            Test::Sequential => {
                let (sequence, target) = self.sequence(tuning.share)?;
                Multiplier {
                    tuned_to: Some(target),
                    ..untuned(sequence.multiplier(contrast.n))
                }
            }
            Test::Msprt => {
                let (look, effect) = self.mixture(contrast, tuning)?;
                let half = 0.5 * (look.interval.1 - look.interval.0);
                check::finite([("the mixture's interval", half)])?;
                Multiplier {
                    tuned_effect: Some(effect),
                    ..untuned(half / contrast.standard_error)
                }
            }
            Test::Fixed => {
                let t = StudentT::new(contrast.degrees_of_freedom)?;
                untuned(t.isf(0.5 * self.plan.alpha)?)
            }
            Test::GroupSequential { critical, .. } => untuned(*critical),
        })
    }

    /// The confidence sequence, and the units of both arms that it is tuned to.
    fn sequence(&self, share: f64) -> Result<(ConfidenceSequence, f64)> {
        let planned = self.plan.planned_units;
        let target = planned.map_or(UNPLANNED_TARGET, |units| units * share);
        let sequence = ConfidenceSequence::tuned(self.plan.alpha, target, Sides::Both)?;
        Ok((sequence, target))
    }

    /// The mixture test, and the effect that it is tuned to.
    fn mixture(&self, contrast: &Contrast, tuning: Tuning) -> Result<(MsprtLook, f64)> {
        let effect = tuning
            .effect
            .map(|effect| effect.absolute(contrast.control_mean));
        let effect = effect
            .filter(|it| *it > 0.0)
            .ok_or(StatsError::InsufficientData {
                input: "the mixture test",
                needs: "the metric's smallest effect that matters, above 0",
            })?;
        let estimate = Estimate {
            value: contrast.difference,
            variance: contrast.standard_error * contrast.standard_error,
        };
        let look = Msprt::new(0.0, effect * effect)?.look(estimate, self.plan.alpha)?;
        Ok((look, effect))
    }

    /// Whether this look is the plan's last: unknown where there is no plan, or where it may be looked at any time.
    pub fn plan_reached(&self, units: f64) -> Option<bool> {
        match &self.plan.method {
            Method::GroupSequential { looks, .. } => {
                Some(looks.last().is_some_and(|look| *look >= 1.0))
            }
            Method::Sequential | Method::Msprt | Method::Fixed => {
                self.plan.planned_units.map(|planned| units >= planned)
            }
        }
    }
}
