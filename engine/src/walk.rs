//! The evaluation walk: from a request's service to the variants it gets. What lives here: the one
//! walk that serving and explaining share, told apart by their [`Visitor`]; in `decisions`, its door; in
//! `straight`, the short way where there is one, and in `abreast`, the way through several layers; in
//! `plain` and `choose`, which variant a unit gets; in `pinned`, what a request brings along; in `rules`,
//! whom an audience takes. What does not: what goes in and comes out (see [`assign`](crate::assign)).

use crate::assign::{Decision, MAX_UNIT_BYTES, Noop, Step, Verdict, Visitor};
use crate::attribute::Subject;
use crate::experiment::{Experiment, Requirement, Variant};
use crate::pin::{Pin, PinnedBy};
use crate::plan::{ExperimentId, Layer, Plan, UnitId};
use crate::scope::Scope;
use crate::service::{RoutingRule, Service};
use pinned::stuck_elsewhere;
use plain::{give_plain, turn_to};
use rules::Memory;

pub(crate) use abreast::abreast;
pub(crate) use decisions::{Decisions, Question};
pub(crate) use straight::straight;

mod abreast;
mod choose;
mod decisions;
mod pinned;
mod plain;
mod rules;
mod straight;

/// One request's way through a plan.
pub(crate) struct Walk<'p, 's, 'v, S, V> {
    plan: &'p Plan,
    service: &'p Service,
    subject: &'s S,
    now_ms: i64,
    visitor: &'v mut V,
    pins: &'s [Pin],
    /// Asked once, so that an experiment gives the same variant each time it is looked at.
    chance: Option<u64>,
    /// The unit that was read last: most layers hash the same one.
    unit: Option<(UnitId, Option<&'s [u8]>)>,
    /// Verdicts of conditions that several rules share.
    conditions: Memory,
    /// Verdicts of audiences that several experiments share.
    audiences: Memory,
}

/// An experiment that may give a variant.
#[derive(Clone, Copy)]
struct Candidate<'p, 's> {
    experiment: &'p Experiment,
    layer: &'p Layer,
    unit: Option<&'s [u8]>,
    bucket: Option<u16>,
    /// Whether the bucket is the experiment's.
    owns: bool,
    pin: Option<Pin>,
}

impl Candidate<'_, '_> {
    /// Whether the request brings the variant along and nothing is left to decide.
    fn is_settled(&self) -> bool {
        let by = self.pin.map(|pin| pin.by);
        matches!(by, Some(PinnedBy::Forced | PinnedBy::Inherited))
    }
}

impl Verdict {
    /// This verdict where it is a refusal already, else the next one. A thorough visitor sees the
    /// next check, too.
    #[inline(always)]
    fn or<V: Visitor>(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Assigned => next(),
            refused => {
                if V::THOROUGH {
                    let _ = next();
                }
                refused
            }
        }
    }

    fn refuse_if(is_so: bool, refusal: Self) -> Self {
        if is_so { refusal } else { Self::Assigned }
    }
}

impl<'p, 's, 'v, S: Subject, V: Visitor> Walk<'p, 's, 'v, S, V> {
    #[inline]
    pub(crate) fn new(question: Question<'p, 's, 'v, S, V>) -> Self {
        let Question {
            plan,
            service,
            subject,
            now_ms,
            visitor,
        } = question;
        Self {
            plan,
            service,
            subject,
            now_ms,
            visitor,
            pins: subject.pins(),
            chance: None,
            unit: None,
            conditions: Memory::default(),
            audiences: Memory::default(),
        }
    }

    /// What one layer gives the request.
    #[inline(always)]
    fn scope(&mut self, scope: &'p Scope) -> Option<Decision<'p, 's>> {
        if V::THOROUGH {
            return self.everyone(scope, self.plan.layer(scope.layer)?);
        }
        if !self.pins.is_empty()
            && let Some(pinned) = self.pinned(scope.layer, None)
        {
            return Some(pinned);
        }
        let unit = self.unit(scope.unit)?;
        let layer = self.plan.layer(scope.layer)?;
        let bucket = layer.bucketer.bucket(unit);
        let owner = self.plan.at(scope.experiment(bucket)?)?;
        self.owner(owner, unit, bucket, None)
    }

    /// What the owner of the unit's bucket gives.
    #[inline(always)]
    fn owner(
        &mut self,
        experiment: &'p Experiment,
        unit: &'s [u8],
        bucket: u16,
        variant_bucket: Option<u16>,
    ) -> Option<Decision<'p, 's>> {
        if experiment.is_plain && !V::THOROUGH {
            turn_to(self.plan, experiment, unit, bucket, self.visitor);
            let takes = self.takes(experiment);
            let visitor = &mut *self.visitor;
            return give_plain(experiment, unit, bucket, variant_bucket, takes, visitor);
        }
        self.consider(Candidate {
            experiment,
            layer: self.plan.layer(experiment.layer)?,
            unit: Some(unit),
            bucket: Some(bucket),
            owns: true,
            pin: None,
        })
    }

    /// As [`Walk::scope`], looking at every experiment of the layer.
    fn everyone(&mut self, scope: &'p Scope, layer: &'p Layer) -> Option<Decision<'p, 's>> {
        let pinned = self.pinned(scope.layer, None);
        let mut given = pinned;
        for experiment in &self.plan.experiments {
            let is_there = experiment.layer == scope.layer && experiment.is_in(self.service.place);
            let is_done = pinned.is_some_and(|one| one.experiment.key == experiment.key);
            if is_there && !is_done {
                let hashed = self.hashed(experiment, layer);
                given = given.or(hashed);
            }
        }
        given
    }

    /// What the experiment gives by the unit's bucket.
    #[cold]
    fn hashed(&mut self, experiment: &'p Experiment, layer: &'p Layer) -> Option<Decision<'p, 's>> {
        let unit = self.unit(experiment.unit);
        let bucket = unit.map(|unit| layer.bucketer.bucket(unit));
        self.consider(Candidate {
            experiment,
            layer,
            unit,
            bucket,
            owns: bucket.is_some_and(|bucket| experiment.allocation.contains(bucket)),
            pin: None,
        })
    }

    /// See [`unit_of`].
    #[inline(always)]
    fn unit(&mut self, id: UnitId) -> Option<&'s [u8]> {
        if let Some((last, unit)) = self.unit
            && last == id
        {
            return unit;
        }
        let unit = unit_of(self.plan, self.subject, id);
        self.unit = Some((id, unit));
        unit
    }

    #[inline(always)]
    fn consider(&mut self, candidate: Candidate<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = candidate.experiment;
        self.visitor.visit(Step::Experiment {
            experiment,
            layer: candidate.layer,
            unit: candidate.unit,
            bucket: candidate.bucket,
            pin: candidate.pin,
        });
        let verdict = self.verdict(&candidate);
        self.visitor.visit(Step::Verdict {
            experiment,
            verdict,
        });
        if verdict != Verdict::Assigned {
            return None;
        }
        let given = self.give(&candidate)?;
        self.visitor.visit(Step::Given(given));
        Some(given)
    }

    /// Whether the candidate gives a variant, and the first thing that speaks against it.
    #[inline(never)]
    fn verdict(&mut self, candidate: &Candidate<'p, 's>) -> Verdict {
        let experiment = candidate.experiment;
        let is_settled = candidate.is_settled();
        let verdict = Verdict::refuse_if(experiment.is_off, Verdict::Off)
            .or::<V>(|| {
                let is_missing = candidate.unit.is_none() && !is_settled;
                Verdict::refuse_if(is_missing, Verdict::NoUnit)
            })
            .or::<V>(|| self.held_out(candidate));
        if is_settled && !V::THOROUGH {
            return verdict;
        }
        let whole = verdict
            .or::<V>(|| stuck_elsewhere(candidate))
            .or::<V>(|| Verdict::refuse_if(!candidate.owns, Verdict::NotAllocated))
            .or::<V>(|| in_time(experiment, self.now_ms))
            .or::<V>(|| self.eligible(experiment))
            .or::<V>(|| self.requirements(experiment));
        if is_settled { verdict } else { whole }
    }

    #[inline(always)]
    fn eligible(&mut self, experiment: &'p Experiment) -> Verdict {
        Verdict::refuse_if(!self.takes(experiment), Verdict::NotEligible)
    }

    #[inline(always)]
    fn held_out(&mut self, candidate: &Candidate<'p, 's>) -> Verdict {
        let Some(unit) = candidate.unit else {
            return Verdict::Assigned;
        };
        let mut verdict = Verdict::Assigned;
        for place in &candidate.layer.holdouts {
            let Some(holdout) = self.plan.holdouts.get(*place as usize) else {
                continue;
            };
            let bucket = holdout.bucketer.bucket(unit);
            let holds = holdout.buckets.contains(bucket);
            self.visitor.visit(Step::Holdout {
                holdout,
                bucket,
                holds,
            });
            if holds {
                verdict = Verdict::HeldOut;
                if !V::THOROUGH {
                    break;
                }
            }
        }
        verdict
    }

    #[inline(always)]
    fn requirements(&mut self, experiment: &'p Experiment) -> Verdict {
        let mut verdict = Verdict::Assigned;
        for requirement in &experiment.requires {
            if !self.requirement(requirement) {
                verdict = Verdict::RequirementNotMet;
                if !V::THOROUGH {
                    break;
                }
            }
        }
        verdict
    }

    #[cold]
    fn requirement(&mut self, requirement: &'p Requirement) -> bool {
        let variant = self.got(requirement.experiment);
        let named = variant.is_some_and(|variant| {
            requirement.variants.is_empty() || requirement.variants.contains(&variant.place)
        });
        let holds = named != requirement.not;
        self.visitor.visit(Step::Requirement {
            requirement,
            variant,
            holds,
        });
        holds
    }

    /// What the request gets of one experiment, as if it were in the service's scope. The plan
    /// bounds how far one experiment leads to others.
    fn got(&mut self, id: ExperimentId) -> Option<&'p Variant> {
        let mut quiet = Walk {
            plan: self.plan,
            service: self.service,
            subject: self.subject,
            now_ms: self.now_ms,
            visitor: &mut Noop,
            pins: self.pins,
            chance: self.chance,
            unit: self.unit,
            conditions: self.conditions,
            audiences: self.audiences,
        };
        let given = quiet.alone(id);
        self.chance = quiet.chance;
        given
    }

    fn alone(&mut self, id: ExperimentId) -> Option<&'p Variant> {
        let experiment = self.plan.at(id)?;
        if let Some(pinned) = self.pinned(experiment.layer, Some(id)) {
            let is_it = pinned.experiment.key == experiment.key;
            return is_it.then_some(pinned.variant);
        }
        let layer = self.plan.layer(experiment.layer)?;
        self.hashed(experiment, layer).map(|given| given.variant)
    }

    /// The first routing rule that holds.
    pub(crate) fn route(&mut self) -> Option<&'p RoutingRule> {
        let mut found = None;
        for rule in &self.service.routing_rules {
            self.visitor.visit(Step::RoutingRule { rule });
            if self.rule(&rule.when) {
                found = found.or(Some(rule));
                if !V::THOROUGH {
                    break;
                }
            }
        }
        found
    }
}

/// The first source's value that can be a unit: not empty, at most [`MAX_UNIT_BYTES`], and UTF-8,
/// because evidence names the unit again as text and two units must not become one there.
#[inline(never)]
fn unit_of<'s>(plan: &Plan, subject: &'s impl Subject, id: UnitId) -> Option<&'s [u8]> {
    let mut texts = plan.unit(id)?.iter().map(|source| subject.text(*source));
    texts.find_map(|text| text.filter(|text| can_be_unit(text)))
}

/// Whether a text is neither too short nor too long for a unit.
#[inline]
fn can_be_unit(text: &[u8]) -> bool {
    text.len().wrapping_sub(1) < MAX_UNIT_BYTES
}

#[inline]
fn in_time(experiment: &Experiment, now_ms: i64) -> Verdict {
    match &experiment.window {
        Some(window) if !window.has_started(now_ms) => Verdict::NotStarted,
        Some(window) if window.has_ended(now_ms) => Verdict::Ended,
        _ => Verdict::Assigned,
    }
}

#[cfg(test)]
mod tests;
