//! From a request to its decisions. What lives here: what a decision is, what a visitor sees, and the
//! door to the one walk that serving and explaining share. What does not: the walk itself (see
//! [`walk`](crate::walk)), how a request is read and what is done with a decision.

use crate::attribute::Subject;
use crate::audience::Rule;
use crate::experiment::{Experiment, Requirement, Variant};
use crate::pin::Pin;
use crate::plan::{Holdout, Layer, Plan};
use crate::service::{RoutingRule, Service};
use crate::strategy::{Features, Strategy};
use crate::walk::{Decisions, Question, Walk};
use serde::Serialize;
use watershed_proto::filter::v1::Reason;

/// The longest unit, in bytes. A longer value is not a unit; the next source is asked.
pub const MAX_UNIT_BYTES: usize = 256;

/// One experiment's answer for one request.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'p, 's> {
    /// The experiment that the unit is in.
    pub experiment: &'p Experiment,
    /// The variant that it gets.
    pub variant: &'p Variant,
    /// What was hashed, in UTF-8; empty where a forced or inherited variant needed no unit and found none.
    pub unit: &'s [u8],
    /// The bucket in the experiment's layer; 0 without a unit.
    pub layer_bucket: u16,
    /// The bucket inside the experiment; 0 without a unit.
    pub variant_bucket: u16,
    /// Why this variant.
    pub reason: Reason,
    /// The probability with which this variant was given where chance or a model had a say, else 0.
    pub probability: f64,
}

impl Decision<'_, '_> {
    /// The feature vector of a contextual decision, read from the same request again; `None` for any
    /// other.
    #[must_use]
    #[inline]
    pub fn features(&self, subject: &impl Subject) -> Option<Features> {
        match (&self.experiment.strategy, self.reason) {
            (Strategy::Contextual(contextual), Reason::Model | Reason::Explored) => {
                Some(contextual.features(subject))
            }
            _ => None,
        }
    }

    /// Whether a sticky cookie is to remember it: the experiment is sticky, and the variant was
    /// given to this unit and not forced upon it.
    #[must_use]
    pub fn sticks(&self) -> bool {
        let is_own = matches!(
            self.reason,
            Reason::Hashed | Reason::Stuck | Reason::Random | Reason::Model | Reason::Explored
        );
        is_own && self.experiment.sticky().is_some()
    }
}

/// What became of an experiment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A kill switch keeps everybody out.
    Off,
    /// No source of the unit gave one.
    NoUnit,
    /// A holdout holds the unit.
    HeldOut,
    /// The sticky cookie speaks of another unit.
    AnotherUnit,
    /// The unit's bucket is not the experiment's.
    NotAllocated,
    /// The experiment's start lies ahead.
    NotStarted,
    /// The experiment's end has passed.
    Ended,
    /// The audience leaves this request out.
    NotEligible,
    /// What it requires of another experiment is not so.
    RequirementNotMet,
    /// The request brings along a variant of another experiment of the layer. Only an
    /// [`Explanation`](crate::explain::Explanation) says so: the walk doesn't come that far.
    Displaced,
    /// The unit got a variant.
    Assigned,
}

/// A step of the walk, as a visitor sees it. Everything between two experiments belongs to the
/// first one.
#[derive(Clone, Copy, Debug)]
pub enum Step<'p, 's> {
    /// The walk turns to an experiment: to the owner of the unit's bucket, to a pinned one, or, for
    /// a thorough visitor, to each one in scope.
    Experiment {
        /// The experiment.
        experiment: &'p Experiment,
        /// Its layer.
        layer: &'p Layer,
        /// The unit, where there is one.
        unit: Option<&'s [u8]>,
        /// Its bucket in the layer.
        bucket: Option<u16>,
        /// What the request brings along for the experiment.
        pin: Option<Pin>,
    },
    /// A holdout was asked.
    Holdout {
        /// The holdout.
        holdout: &'p Holdout,
        /// The unit's bucket in it.
        bucket: u16,
        /// Whether it holds the unit.
        holds: bool,
    },
    /// A rule is about to be looked at; what follows until its end is below it.
    Enter {
        /// The rule.
        rule: &'p Rule,
    },
    /// A rule was looked at.
    Leave {
        /// The rule.
        rule: &'p Rule,
        /// The value of a condition's attribute.
        value: Option<&'s [u8]>,
        /// Whether it holds.
        holds: bool,
    },
    /// A requirement was looked at.
    Requirement {
        /// The requirement.
        requirement: &'p Requirement,
        /// What the request gets of the other experiment.
        variant: Option<&'p Variant>,
        /// Whether the requirement is met.
        holds: bool,
    },
    /// A contextual model was asked.
    Score {
        /// The variant.
        variant: &'p Variant,
        /// Its score.
        score: f64,
    },
    /// What became of the experiment.
    Verdict {
        /// The experiment.
        experiment: &'p Experiment,
        /// What became of it.
        verdict: Verdict,
    },
    /// The experiment would give this.
    Given(Decision<'p, 's>),
    /// The walk turns to a routing rule.
    RoutingRule {
        /// The rule.
        rule: &'p RoutingRule,
    },
}

/// Watches the walk.
pub trait Visitor {
    /// Whether to go on where the outcome is known already: to look at every experiment in scope
    /// and at all of each one's rules. The outcome is the same.
    const THOROUGH: bool;

    /// Called at each step, in order.
    fn visit(&mut self, step: Step<'_, '_>);
}

/// Watches nothing and costs nothing: for serving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Visitor for Noop {
    const THOROUGH: bool = false;

    #[inline(always)]
    fn visit(&mut self, _: Step<'_, '_>) {}
}

impl Plan {
    /// The decisions for a request of `service`, at most one a layer, in the order of the layers.
    ///
    /// An experiment gives its unit a variant where it is not switched off, the request has a
    /// unit that no holdout holds, the unit's layer bucket is in the allocation, the time is within
    /// the window, the audience takes the request and the requirements are met. What a request
    /// brings along ([`Pin`]) comes first:
    ///
    /// - forced, whatever the rest says but switches and holdouts;
    /// - inherited, likewise, but a rollback wins over it;
    /// - stuck, in place of the buckets only, for the unit that it was given to.
    ///
    /// The walk is lazy and allocates nothing. `now_ms` is milliseconds since 1970 and matters
    /// only where [`Service::is_timed`] says so.
    #[inline]
    pub fn assign<'p, 's, S: Subject, V: Visitor>(
        &'p self,
        service: &'p Service,
        subject: &'s S,
        now_ms: i64,
        visitor: &mut V,
    ) -> impl Iterator<Item = Decision<'p, 's>> {
        Decisions::new(Question {
            plan: self,
            service,
            subject,
            now_ms,
            visitor,
        })
    }

    /// The routing rule for a request of `service` that no experiment routes: the first one that
    /// holds.
    pub fn route<'p, S: Subject, V: Visitor>(
        &'p self,
        service: &'p Service,
        subject: &S,
        now_ms: i64,
        visitor: &mut V,
    ) -> Option<&'p RoutingRule> {
        let mut walk = Walk::new(Question {
            plan: self,
            service,
            subject,
            now_ms,
            visitor,
        });
        walk.route()
    }
}
