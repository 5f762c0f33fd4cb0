//! The evaluation walk: from a request's service to the variants it gets. What lives here: the one
//! walk that serving and explaining share, told apart by their [`Visitor`]. What does not: how a
//! request is read and what is done with a decision.

use crate::attribute::{AttributeId, Subject};
use crate::plan::{Experiment, Layer, Plan, Variant};
use crate::service::{Scope, Service};
use std::str;
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
    /// What was hashed.
    pub unit: &'s str,
    /// The bucket in the experiment's layer.
    pub layer_bucket: u16,
    /// The bucket inside the experiment.
    pub variant_bucket: u16,
    /// Why this variant.
    pub reason: Reason,
}

/// What became of an experiment whose buckets hold the unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The experiment's start lies ahead.
    NotStarted,
    /// The experiment's end has passed.
    Ended,
    /// The audience leaves this request out.
    NotEligible,
    /// The unit got a variant.
    Assigned,
}

/// A step of the walk, as a visitor sees it.
#[derive(Clone, Copy, Debug)]
pub enum Step<'p, 's> {
    /// No source of the layer's unit gave one.
    NoUnit {
        /// The layer.
        layer: &'p Layer,
    },
    /// The unit's bucket in a layer, and who owns it.
    Bucket {
        /// The layer.
        layer: &'p Layer,
        /// The unit.
        unit: &'s str,
        /// Its bucket.
        bucket: u16,
        /// The experiment in scope that owns the bucket.
        owner: Option<&'p Experiment>,
    },
    /// What became of the owner.
    Verdict {
        /// The experiment.
        experiment: &'p Experiment,
        /// What became of it.
        verdict: Verdict,
    },
}

/// Watches the walk.
pub trait Visitor {
    /// Called at each step, in order.
    fn visit(&mut self, step: Step<'_, '_>);
}

/// Watches nothing and costs nothing: for serving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Visitor for Noop {
    #[inline]
    fn visit(&mut self, _: Step<'_, '_>) {}
}

impl Plan {
    /// The decisions for a request of `service`, at most one a layer, in the order of the layers.
    ///
    /// An experiment gives its unit a variant where the time is within its window, the request has
    /// a unit, the unit's layer bucket is in the allocation, and the audience takes the request.
    /// The walk is lazy and allocates nothing. `now_ms` is milliseconds since 1970 and matters
    /// only where [`Service::is_timed`] says so.
    pub fn assign<'p, 's, S: Subject, V: Visitor>(
        &'p self,
        service: &'p Service,
        subject: &'s S,
        now_ms: i64,
        visitor: &mut V,
    ) -> impl Iterator<Item = Decision<'p, 's>> {
        service
            .scopes
            .iter()
            .filter_map(move |scope| self.decide(scope, subject, now_ms, visitor))
    }

    #[inline]
    fn decide<'p, 's>(
        &'p self,
        scope: &'p Scope,
        subject: &'s impl Subject,
        now_ms: i64,
        visitor: &mut impl Visitor,
    ) -> Option<Decision<'p, 's>> {
        let layer = self.layers.get(scope.layer.0 as usize)?;
        let Some(unit) = unit(&scope.unit, subject) else {
            visitor.visit(Step::NoUnit { layer });
            return None;
        };
        let bucket = layer.bucketer.bucket(unit.as_bytes());
        let owner = scope
            .experiment(bucket)
            .and_then(|id| self.experiments.get(id.0 as usize));
        visitor.visit(Step::Bucket {
            layer,
            unit,
            bucket,
            owner,
        });
        let experiment = owner?;
        let verdict = experiment.verdict(subject, now_ms);
        visitor.visit(Step::Verdict {
            experiment,
            verdict,
        });
        match verdict {
            Verdict::Assigned => experiment.give(unit, bucket),
            _ => None,
        }
    }
}

impl Experiment {
    fn verdict(&self, subject: &impl Subject, now_ms: i64) -> Verdict {
        if !self.window.has_started(now_ms) {
            return Verdict::NotStarted;
        }
        if self.window.has_ended(now_ms) {
            return Verdict::Ended;
        }
        match &self.audience {
            Some(rule) if !rule.holds(subject) => Verdict::NotEligible,
            _ => Verdict::Assigned,
        }
    }

    fn give<'s>(&self, unit: &'s str, layer_bucket: u16) -> Option<Decision<'_, 's>> {
        let variant_bucket = self.bucketer.bucket(unit.as_bytes());
        let (variant, reason) = if self.rolled_back {
            (self.fallback()?, Reason::RolledBack)
        } else {
            (self.variant(variant_bucket)?, Reason::Hashed)
        };
        Some(Decision {
            experiment: self,
            variant,
            unit,
            layer_bucket,
            variant_bucket,
            reason,
        })
    }
}

/// The first source's value that can be a unit: not empty, at most [`MAX_UNIT_BYTES`], and UTF-8,
/// because evidence names the unit again as text and two units must not become one there.
fn unit<'s>(sources: &[AttributeId], subject: &'s impl Subject) -> Option<&'s str> {
    sources
        .iter()
        .filter_map(|source| subject.get(*source))
        .filter(|value| !value.is_empty() && value.len() <= MAX_UNIT_BYTES)
        .find_map(|value| str::from_utf8(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, Request};
    use serde_json::{Value, json};

    /// Keeps what it sees, in words.
    #[derive(Default)]
    struct Diary(Vec<String>);

    impl Visitor for Diary {
        fn visit(&mut self, step: Step<'_, '_>) {
            self.0.push(match step {
                Step::NoUnit { layer } => format!("{}: no unit", layer.key()),
                Step::Bucket {
                    layer, unit, owner, ..
                } => {
                    let owner = owner.map_or("nobody", Experiment::key);
                    format!("{}: {unit} is {owner}'s", layer.key())
                }
                Step::Verdict {
                    experiment,
                    verdict,
                } => format!("{}: {verdict:?}", experiment.key()),
            });
        }
    }

    /// One experiment for gold users in the second layer of two, with `changes` over its fields.
    fn plan(changes: &Value) -> Plan {
        let mut experiment = json!({
            "key": "e", "layer": "l",
            "unitSources": [{"header": "x-user"}, {"cookie": "uid"}],
            "audience": {"condition": {"attribute": {"header": "x-tier"}, "equals": "gold"}},
            "allocation": [{"start": 0, "end": 9999}],
            "variants": [
                {"key": "a", "ranges": []},
                {"key": "b", "ranges": [{"start": 0, "end": 9999}]},
            ],
            "fallback": "a",
        });
        for (field, value) in changes.as_object().unwrap() {
            experiment[field] = value.clone();
        }
        let config = json!({
            "services": [{"key": "s"}], "layers": [{"key": "l"}], "experiments": [experiment],
        });
        Plan::compile(&serde_json::from_value(config).unwrap()).unwrap()
    }

    /// The variants for a request with these headers at 1000 ms, and the diary of the walk.
    fn walk(plan: &Plan, headers: &[(&[u8], &[u8])]) -> (Vec<(String, String, Reason)>, String) {
        let request = Request::new(Headers::new(headers), plan.attributes());
        let mut diary = Diary::default();
        let decisions = plan
            .assign(&plan.services()[0], &request, 1_000, &mut diary)
            .map(|one| (one.variant.key().into(), one.unit.into(), one.reason))
            .collect();
        (decisions, diary.0.join(", "))
    }

    const GOLD: (&[u8], &[u8]) = (b"x-tier", b"gold");
    const USER: (&[u8], &[u8]) = (b"x-user", b"u");

    #[test]
    fn the_walk_tells_each_step_in_order() {
        let everybody = plan(&json!({}));
        assert_eq!(
            walk(&everybody, &[GOLD, USER]).1,
            "l: u is e's, e: Assigned"
        );
        assert_eq!(walk(&everybody, &[GOLD]).1, "l: no unit");
        assert_eq!(walk(&everybody, &[USER]).1, "l: u is e's, e: NotEligible");
        let nobody = plan(&json!({"allocation": []}));
        assert_eq!(walk(&nobody, &[GOLD, USER]).1, "l: u is nobody's");
        let later = plan(&json!({"startMs": "1001"}));
        assert_eq!(walk(&later, &[GOLD, USER]).1, "l: u is e's, e: NotStarted");
        let past = plan(&json!({"endMs": "1000"}));
        assert_eq!(walk(&past, &[GOLD, USER]).1, "l: u is e's, e: Ended");
    }

    #[test]
    fn only_the_assigned_get_a_variant() {
        let hashed = ("b".into(), "u".into(), Reason::Hashed);
        assert_eq!(walk(&plan(&json!({})), &[GOLD, USER]).0, [hashed]);
        for headers in [&[GOLD][..], &[USER], &[]] {
            assert!(walk(&plan(&json!({})), headers).0.is_empty());
        }
    }

    #[test]
    fn a_rollback_gives_the_fallback_to_the_eligible_and_to_nobody_else() {
        let rolled_back = plan(&json!({"mode": "FALLBACK"}));
        let fallback = ("a".into(), "u".into(), Reason::RolledBack);
        assert_eq!(walk(&rolled_back, &[GOLD, USER]).0, [fallback]);
        assert!(walk(&rolled_back, &[USER]).0.is_empty());
    }

    #[test]
    fn what_cannot_be_a_unit_gives_way_to_the_next_source() {
        let plan = plan(&json!({}));
        let cookie: (&[u8], &[u8]) = (b"cookie", b"uid=c");
        let longest = "x".repeat(MAX_UNIT_BYTES);
        let longer = "x".repeat(MAX_UNIT_BYTES + 1);
        for unfit in [&b""[..], b"\xff\xfe", longer.as_bytes()] {
            let found = walk(&plan, &[GOLD, (b"x-user", unfit), cookie]).0;
            assert_eq!(found[0].1, "c");
        }
        let found = walk(&plan, &[GOLD, (b"x-user", longest.as_bytes()), cookie]).0;
        assert_eq!(found[0].1, longest);
    }
}
