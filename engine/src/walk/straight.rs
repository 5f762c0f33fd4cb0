//! The straight way. What lives here: deciding for a service with one layer whose hash is ours, where the
//! owner of the unit's bucket is an experiment of which nothing but buckets and audience decides. Most
//! services are like that, and nothing has to be kept from one step to the next. What does not: the walk
//! that everything else takes (see [`walk`](super)), and from which nobody can tell this way.

use super::plain::{give_plain, turn_to};
use super::{Question, Walk, can_be_unit, unit_of};
use crate::assign::{Decision, Visitor};
use crate::attribute::Subject;
use crate::audience::Rule;
use crate::bucketer::of_ten_thousand;
use crate::condition::Check;
use crate::experiment::Experiment;
use crate::hash::State;
use crate::scope::Scope;

/// The straight way's beginning.
#[derive(Clone, Copy)]
pub(super) struct Straight<'p> {
    scope: &'p Scope,
    salted: &'p State,
}

/// What the hash of a service's only layer has absorbed. `None` where there is no straight way.
pub(crate) fn straight(
    scopes: &[Scope],
    salted: impl Fn(&Scope) -> Option<State>,
) -> Option<State> {
    match scopes {
        [only] => salted(only),
        _ => None,
    }
}

impl<'p> Straight<'p> {
    /// `None` for whoever watches all or brings something along.
    #[inline(always)]
    pub(super) fn new<S: Subject, V: Visitor>(
        question: &Question<'p, '_, '_, S, V>,
    ) -> Option<Self> {
        if V::THOROUGH || !question.subject.pins().is_empty() {
            return None;
        }
        Some(Self {
            salted: question.service.straight.as_ref()?,
            scope: question.service.scopes.first()?,
        })
    }

    /// As [`Walk::scope`].
    #[inline(always)]
    pub(super) fn decide<'s, S: Subject, V: Visitor>(
        self,
        mut question: Question<'p, 's, '_, S, V>,
    ) -> Option<Decision<'p, 's>> {
        let (plan, subject) = (question.plan, question.subject);
        let unit = match subject.text(self.scope.source) {
            Some(text) if can_be_unit(text) => text,
            _ => unit_of(plan, subject, self.scope.unit)?,
        };
        let bucket = of_ten_thousand(self.salted.finish_with(unit));
        let owner = self.scope.experiment(bucket)?;
        let experiment = plan.experiments.get(owner.0 as usize)?;
        if !experiment.is_plain {
            return owned(question, experiment, unit, bucket);
        }
        turn_to(plan, experiment, unit, bucket, question.visitor);
        let told = plan
            .checks(experiment)
            .and_then(|checks| told(checks, subject));
        let takes = match (told, &experiment.audience) {
            (Some(holds), _) => holds,
            (None, None) => true,
            (None, Some(rule)) => passes(question.again(), rule),
        };
        give_plain(experiment, unit, bucket, None, takes, question.visitor)
    }
}

/// The verdict of an audience in short; `None` where it doesn't tell.
#[inline(always)]
fn told(checks: &[Check], subject: &impl Subject) -> Option<bool> {
    for check in checks {
        if !check.holds(subject)? {
            return Some(false);
        }
    }
    Some(true)
}

/// What an experiment gives that is not plain.
#[cold]
#[inline(never)]
fn owned<'p, 's, S: Subject, V: Visitor>(
    question: Question<'p, 's, '_, S, V>,
    owner: &'p Experiment,
    unit: &'s [u8],
    bucket: u16,
) -> Option<Decision<'p, 's>> {
    Walk::new(question).owner(owner, unit, bucket, None)
}

/// The verdict of a rule in full.
#[inline(never)]
fn passes<'p, S: Subject, V: Visitor>(
    question: Question<'p, '_, '_, S, V>,
    rule: &'p Rule,
) -> bool {
    Walk::new(question).rule(rule)
}
