//! Why a request gets what it gets, for people. What lives here: the visitor that writes the walk
//! down, and what it writes. What does not: any decision; this is the same walk that serves.

mod scribe;

use crate::assign::{Decision, Verdict};
use crate::attribute::Subject;
use crate::plan::Plan;
use crate::service::{RoutingRule, Service};
use scribe::Scribe;
use serde::Serialize;

/// What becomes of one request of one service, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The service's key.
    pub service: String,
    /// The cluster that the request goes to; `None` leaves it to the route table.
    pub cluster: Option<String>,
    /// The routing rule that chose the cluster, where no experiment did.
    pub routing_rule: Option<String>,
    /// Every experiment in scope, by layer.
    pub experiments: Vec<ExperimentExplanation>,
    /// Every routing rule of the service.
    pub routing_rules: Vec<RoutingRuleExplanation>,
}

/// What becomes of one experiment, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExperimentExplanation {
    /// The experiment's key.
    pub experiment: String,
    /// Its layer's key.
    pub layer: String,
    /// What is randomised.
    pub unit_type: String,
    /// The unit, where a source gave one.
    pub unit: Option<String>,
    /// The unit's bucket in the layer.
    pub layer_bucket: Option<u16>,
    /// The buckets of the layer that the experiment owns, as pairs of first and last.
    pub allocation: Vec<(u16, u16)>,
    /// The unit's bucket inside the experiment.
    pub variant_bucket: Option<u16>,
    /// How a variant is chosen: `deterministic`, `random` or `contextual`.
    pub strategy: &'static str,
    /// What the request brings along for the experiment.
    pub pins: Vec<PinExplanation>,
    /// The holdouts that cover the layer.
    pub holdouts: Vec<HoldoutExplanation>,
    /// The audience; `None` for everybody.
    pub audience: Option<RuleExplanation>,
    /// What is required of other experiments.
    pub requirements: Vec<RequirementExplanation>,
    /// What the contextual models say of each variant.
    pub scores: Vec<Score>,
    /// The first thing that speaks against, or `assigned`.
    pub verdict: Verdict,
    /// The experiment of the same layer that the request brings along instead, where the verdict is
    /// `displaced`.
    pub displaced_by: Option<String>,
    /// The variant that is given.
    pub variant: Option<String>,
    /// Why this variant, as in the record: `HASHED`, `FORCED`, ...
    pub reason: Option<&'static str>,
    /// The probability with which it was given where chance or a model had a say, else 0.
    pub probability: f64,
    /// The feature vector of a contextual decision.
    pub features: Vec<f64>,
}

/// What a request brings along, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinExplanation {
    /// `forced`, `inherited` or `stuck`.
    pub by: &'static str,
    /// The variant that is asked for.
    pub variant: String,
    /// The first thing that speaks against, or `assigned`.
    pub verdict: Verdict,
}

/// Whether a holdout holds the unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HoldoutExplanation {
    /// The holdout's key.
    pub holdout: String,
    /// The unit's bucket in it.
    pub bucket: u16,
    /// Whether it holds the unit.
    pub holds: bool,
}

/// Whether a requirement is met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequirementExplanation {
    /// The other experiment.
    pub experiment: String,
    /// The variants that count; empty for any.
    pub variants: Vec<String>,
    /// Whether the rest must not be so.
    pub not: bool,
    /// What the request gets of the other experiment.
    pub variant: Option<String>,
    /// Whether the requirement is met.
    pub holds: bool,
}

/// A contextual model's score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The variant.
    pub variant: String,
    /// Its score; the highest wins.
    pub score: f64,
}

/// Whether a routing rule holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutingRuleExplanation {
    /// The rule's key.
    pub key: String,
    /// Its cluster.
    pub cluster: String,
    /// When it holds.
    pub when: Option<RuleExplanation>,
}

/// Whether a rule holds, and those below it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleExplanation {
    /// `all`, `any`, `not`, `segment gold`, or a condition: `header x-tier equals "gold"`.
    pub rule: String,
    /// The value of a condition's attribute, cut to a readable length; `None` where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether it holds.
    pub holds: bool,
    /// The rules below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleExplanation>,
}

impl Plan {
    /// What becomes of a request of `service`, and why: [`Plan::assign`] and [`Plan::route`] with
    /// everything that they see written down.
    #[must_use]
    pub fn explain(&self, service: &Service, subject: &impl Subject, now_ms: i64) -> Explanation {
        let mut scribe = Scribe::new(self);
        let given: Vec<Decision<'_, '_>> =
            self.assign(service, subject, now_ms, &mut scribe).collect();
        let rule = self.route(service, subject, now_ms, &mut scribe);
        let mut explanation = scribe.explanation;
        for decision in &given {
            settle(&mut explanation.experiments, decision, subject);
        }
        let routed = given.iter().find_map(|one| one.variant.cluster());
        let rule = rule.filter(|_| routed.is_none());
        let cluster = routed.or(rule.map(RoutingRule::cluster));
        explanation.service = service.key().to_owned();
        explanation.cluster = cluster.or(service.default_cluster()).map(str::to_owned);
        explanation.routing_rule = rule.map(|rule| rule.key().to_owned());
        explanation
    }
}

/// Writes down what one layer gave, and that the others of the layer gave nothing.
fn settle(
    experiments: &mut [ExperimentExplanation],
    decision: &Decision<'_, '_>,
    subject: &impl Subject,
) {
    let key = decision.experiment.key();
    let layer = experiments.iter().find(|one| one.experiment == key);
    let Some(layer) = layer.map(|one| one.layer.clone()) else {
        return;
    };
    for one in experiments.iter_mut().filter(|one| one.layer == layer) {
        if one.experiment == key {
            one.variant = Some(decision.variant.key().to_owned());
            one.reason = Some(decision.reason.as_str_name());
            one.probability = decision.probability;
            one.features = decision
                .features(subject)
                .map_or_else(Vec::new, |all| all.to_vec());
            one.verdict = Verdict::Assigned;
        } else if one.verdict == Verdict::Assigned {
            one.displaced_by = Some(key.to_owned());
            one.verdict = Verdict::Displaced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pin::{Pin, PinnedBy};
    use crate::request::Headers;
    use crate::surroundings::{Request, Surroundings};
    use serde_json::Value;

    const GOLDEN: &str = include_str!("../vectors/explain.json");

    struct Around(Vec<Pin>);

    impl Surroundings for Around {
        fn now_ms(&self) -> i64 {
            0
        }

        fn chance(&self) -> u64 {
            0
        }

        fn pins(&self) -> &[Pin] {
            &self.0
        }
    }

    fn explained(golden: &Value) -> Value {
        let config = serde_json::from_value(golden["config"].clone()).unwrap();
        let plan = Plan::compile(&config).unwrap();
        let headers = golden["headers"].as_object().unwrap();
        let pairs: Vec<(&[u8], &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_str().unwrap().as_bytes()))
            .collect();
        let pin = |pin: &Value| {
            let by = match pin["by"].as_str().unwrap() {
                "forced" => PinnedBy::Forced,
                _ => PinnedBy::Stuck { unit: 0 },
            };
            let name = |field: &str| pin[field].as_str().unwrap();
            plan.pin(name("experiment"), name("variant"), by).unwrap()
        };
        let around = Around(golden["pins"].as_array().unwrap().iter().map(pin).collect());
        let request = Request::within(Headers::new(&pairs), plan.attributes(), &around);
        serde_json::to_value(plan.explain(&plan.services()[0], &request, 0)).unwrap()
    }

    /// Compares with the golden file, or writes it where `WATERSHED_GOLDEN=write` asks for that.
    #[test]
    fn an_explanation_is_the_golden_one() {
        let mut golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let explained = explained(&golden);
        if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
            golden["explanation"] = explained;
            let text = serde_json::to_string_pretty(&golden).unwrap() + "\n";
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/explain.json");
            std::fs::write(path, text).unwrap();
            return;
        }
        assert_eq!(explained, golden["explanation"]);
    }
}
