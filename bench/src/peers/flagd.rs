//! flagd: `flagd-evaluation-engine`, as its OpenFeature provider calls it, which hands over the
//! targeting as text each time. It has no layers, so an experiment takes its share of all units.

use super::driver::{self, Peer};
use crate::case::Case;
use crate::work::{self, Experiment, Request};
use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::EvaluationContext;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::str;

struct Flagd {
    operator: Operator,
    flags: HashMap<String, FeatureFlag>,
}

pub(super) fn cases() -> Vec<Case> {
    driver::cases::<Flagd>(4)
}

impl Peer for Flagd {
    const NAME: &'static str = "flagd-evaluation-engine";
    const LAYERS: bool = false;
    type Context = EvaluationContext;

    fn load(config: &[u8]) -> anyhow::Result<Self> {
        let parsed = FlagParser::parse_string(str::from_utf8(config)?)?;
        Ok(Self {
            operator: Operator::new(),
            flags: parsed.flags,
        })
    }

    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>> {
        let flags: serde_json::Map<String, Value> = experiments
            .iter()
            .map(|one| (one.key.clone(), flag(one)))
            .collect();
        Ok(serde_json::to_vec(&json!({ "flags": flags }))?)
    }

    fn context(request: &Request) -> EvaluationContext {
        let [_, _, unit, ..] = request;
        let context = EvaluationContext::default().with_targeting_key(unit.as_str());
        let named = work::NAMES.iter().zip(request);
        named.fold(context, |context, (name, value)| {
            context.with_custom_field(*name, value.as_str())
        })
    }

    fn evaluate(&self, flag: &str, context: &EvaluationContext) -> bool {
        let Some(targeting) = self.flags.get(flag).map(FeatureFlag::get_targeting) else {
            return false;
        };
        let chosen = self.operator.apply(flag, &targeting, context);
        matches!(chosen, Ok(Some(variant)) if variant != "none")
    }
}

fn flag(experiment: &Experiment) -> Value {
    let (first, last) = experiment.buckets;
    let share = last + 1 - first;
    json!({
        "state": "ENABLED",
        "variants": { "none": "none", "control": "control", "candidate": "candidate" },
        "defaultVariant": "none",
        "targeting": { "if": [
            { "and": [
                { "in": [{ "var": "country" }, work::COUNTRIES] },
                { "==": [{ "var": "plan" }, work::PLAN] },
                { "sem_ver": [{ "var": "appVersion" }, ">", work::VERSION_ABOVE] },
            ] },
            { "fractional": [
                ["control", share / 2],
                ["candidate", share / 2],
                ["none", 10_000 - share],
            ] },
            "none",
        ] },
    })
}
