//! The visitor that writes the walk down.

use super::{
    ExperimentExplanation, Explanation, HoldoutExplanation, PinExplanation, RequirementExplanation,
    RoutingRuleExplanation, RuleExplanation, Score,
};
use crate::assign::{Step, Verdict, Visitor};
use crate::audience::Rule;
use crate::experiment::{Experiment, Requirement, Variant};
use crate::pin::{Pin, PinnedBy};
use crate::plan::{Layer, Plan};
use crate::strategy::Strategy;

/// The longest value that is shown, in characters.
const SHOWN: usize = 200;

/// The visitor that writes the walk down.
pub(super) struct Scribe<'p> {
    plan: &'p Plan,
    pub(super) explanation: Explanation,
    /// The place of the experiment that the walk is at.
    current: usize,
    /// What it is looked at for: a pin, or its buckets.
    pin: Option<Pin>,
    /// The rules that the walk is inside of, outermost first.
    open: Vec<RuleExplanation>,
}

impl<'p> Scribe<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            explanation: Explanation::default(),
            current: 0,
            pin: None,
            open: Vec::new(),
        }
    }

    fn current(&mut self) -> Option<&mut ExperimentExplanation> {
        self.explanation.experiments.get_mut(self.current)
    }

    fn note(&mut self, write: impl FnOnce(&mut ExperimentExplanation)) {
        if let Some(current) = self.current() {
            write(current);
        }
    }

    /// Turns to an experiment. One that is looked at again, after a pin came to nothing, starts
    /// afresh but for its pins.
    fn turn_to(&mut self, mut fresh: ExperimentExplanation) {
        let known = &mut self.explanation.experiments;
        let place = known
            .iter()
            .position(|one| one.experiment == fresh.experiment);
        match place.and_then(|place| Some((place, known.get_mut(place)?))) {
            Some((place, before)) => {
                fresh.pins = std::mem::take(&mut before.pins);
                *before = fresh;
                self.current = place;
            }
            None => {
                self.current = known.len();
                known.push(fresh);
            }
        }
    }

    fn judge(&mut self, experiment: &Experiment, verdict: Verdict) {
        let pin = self.pin;
        let Some(current) = self.current() else {
            return;
        };
        current.verdict = verdict;
        if let Some(pin) = pin {
            let variant = experiment.variants().get(usize::from(pin.variant));
            current.pins.push(PinExplanation {
                by: match pin.by() {
                    PinnedBy::Forced => "forced",
                    PinnedBy::Inherited => "inherited",
                    PinnedBy::Stuck { .. } => "stuck",
                },
                variant: variant.map_or_else(String::new, |one| one.key().to_owned()),
                verdict,
            });
        }
    }

    fn open(&mut self, rule: &Rule) {
        self.open.push(RuleExplanation {
            rule: self.said(rule),
            value: None,
            holds: false,
            rules: Vec::new(),
        });
    }

    fn close(&mut self, value: Option<&[u8]>, holds: bool) {
        let Some(mut done) = self.open.pop() else {
            return;
        };
        done.holds = holds;
        done.value =
            value.map(|value| String::from_utf8_lossy(value).chars().take(SHOWN).collect());
        if let Some(above) = self.open.last_mut() {
            above.rules.push(done);
        } else if let Some(routing) = self.explanation.routing_rules.last_mut() {
            routing.when = Some(done);
        } else if let Some(current) = self.current() {
            current.audience = Some(done);
        }
    }

    fn said(&self, rule: &Rule) -> String {
        match rule {
            Rule::All(_) => "all".to_owned(),
            Rule::Any(_) => "any".to_owned(),
            Rule::Not(_) => "not".to_owned(),
            Rule::Segment(id) => {
                let key = self.plan.segment(*id).map_or("", |segment| segment.key());
                format!("segment {key}")
            }
            Rule::Condition(id) => {
                let Some(condition) = self.plan.condition(*id) else {
                    return String::new();
                };
                match self.plan.attributes().get(condition.attribute().index()) {
                    Some(attribute) => format!("{attribute} {condition}"),
                    None => condition.to_string(),
                }
            }
        }
    }

    fn requirement(
        &self,
        requirement: &Requirement,
        variant: Option<&str>,
        holds: bool,
    ) -> RequirementExplanation {
        let other = self.plan.at(requirement.experiment);
        let variants = requirement.variants.iter();
        let variants = variants.filter_map(|place| other?.variants().get(usize::from(*place)));
        RequirementExplanation {
            experiment: other.map_or_else(String::new, |one| one.key().to_owned()),
            variants: variants.map(|variant| variant.key().to_owned()).collect(),
            not: requirement.not,
            variant: variant.map(str::to_owned),
            holds,
        }
    }
}

fn fresh(
    experiment: &Experiment,
    layer: &Layer,
    unit: Option<&[u8]>,
    bucket: Option<u16>,
) -> ExperimentExplanation {
    ExperimentExplanation {
        experiment: experiment.key().to_owned(),
        layer: layer.key().to_owned(),
        unit_type: experiment.unit_type().to_owned(),
        unit: unit.map(|unit| String::from_utf8_lossy(unit).into_owned()),
        layer_bucket: bucket,
        allocation: experiment.allocation().iter().collect(),
        variant_bucket: unit.map(|unit| experiment.bucketer.bucket(unit)),
        strategy: match experiment.strategy {
            Strategy::Deterministic => "deterministic",
            Strategy::Random => "random",
            Strategy::Contextual(_) => "contextual",
        },
        pins: Vec::new(),
        holdouts: Vec::new(),
        audience: None,
        requirements: Vec::new(),
        scores: Vec::new(),
        verdict: Verdict::NotAllocated,
        displaced_by: None,
        variant: None,
        reason: None,
        probability: 0.0,
        features: Vec::new(),
    }
}

impl Visitor for Scribe<'_> {
    const THOROUGH: bool = true;

    fn visit(&mut self, step: Step<'_, '_>) {
        match step {
            Step::Experiment {
                experiment,
                layer,
                unit,
                bucket,
                pin,
            } => {
                self.pin = pin;
                self.turn_to(fresh(experiment, layer, unit, bucket));
            }
            Step::Holdout {
                holdout,
                bucket,
                holds,
            } => {
                let seen = HoldoutExplanation {
                    holdout: holdout.key().to_owned(),
                    bucket,
                    holds,
                };
                self.note(|current| current.holdouts.push(seen));
            }
            Step::Enter { rule } => self.open(rule),
            Step::Leave { value, holds, .. } => self.close(value, holds),
            Step::Requirement {
                requirement,
                variant,
                holds,
            } => {
                let seen = self.requirement(requirement, variant.map(Variant::key), holds);
                self.note(|current| current.requirements.push(seen));
            }
            Step::Score { variant, score } => {
                let variant = variant.key().to_owned();
                let seen = Score { variant, score };
                self.note(|current| current.scores.push(seen));
            }
            Step::Verdict {
                experiment,
                verdict,
            } => self.judge(experiment, verdict),
            Step::Given(decision) => {
                let bucket = decision.variant_bucket;
                if let Some(current) = self.current() {
                    current.variant_bucket = current.variant_bucket.map(|_| bucket);
                }
            }
            Step::RoutingRule { rule } => {
                self.explanation.routing_rules.push(RoutingRuleExplanation {
                    key: rule.key().to_owned(),
                    cluster: rule.cluster().to_owned(),
                    when: None,
                });
            }
        }
    }
}
