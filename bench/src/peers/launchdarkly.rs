//! LaunchDarkly: `launchdarkly-server-sdk-evaluation`, the evaluator under its SDK. It has no
//! layers, so an experiment takes its share of all units.

use super::driver::{self, Peer};
use crate::case::Case;
use crate::work::{self, Experiment, Request};
use launchdarkly_server_sdk_evaluation::{
    Context, ContextBuilder, Flag, FlagValue, Segment, Store, evaluate,
};
use serde_json::{Value, json};
use std::collections::HashMap;

struct LaunchDarkly(HashMap<String, Flag>);

/// No flag of the work refers to another one.
struct Nothing;

impl Store for Nothing {
    fn flag(&self, _: &str) -> Option<Flag> {
        None
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

pub(super) fn cases() -> Vec<Case> {
    driver::cases::<LaunchDarkly>(6)
}

impl Peer for LaunchDarkly {
    const NAME: &'static str = "launchdarkly-eval";
    const LAYERS: bool = false;
    type Context = Context;

    fn load(config: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(serde_json::from_slice(config)?))
    }

    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>> {
        let flags: serde_json::Map<String, Value> = experiments
            .iter()
            .map(|one| (one.key.clone(), flag(one)))
            .collect();
        Ok(serde_json::to_vec(&flags)?)
    }

    fn context(request: &Request) -> Context {
        let [_, _, unit, ..] = request;
        let mut builder = ContextBuilder::new(unit.as_str());
        for (name, value) in work::NAMES.iter().zip(request) {
            builder.set_string(name, value.as_str());
        }
        // A key that is not empty is all that it takes; a context that failed would get no variant.
        builder.build().unwrap_or_else(|_| unknown())
    }

    fn evaluate(&self, flag: &str, context: &Context) -> bool {
        let Some(flag) = self.0.get(flag) else {
            return false;
        };
        let detail = evaluate(&Nothing, flag, context, None);
        matches!(detail.value, Some(FlagValue::Str(value)) if value != "none")
    }
}

#[allow(clippy::expect_used)]
fn unknown() -> Context {
    ContextBuilder::new("unknown")
        .build()
        .expect("a context of a key")
}

fn flag(experiment: &Experiment) -> Value {
    let (first, last) = experiment.buckets;
    // In 100,000ths.
    let share = (last + 1 - first) * 10;
    let clause = |attribute: &str, op: &str, values: Value| {
        json!({
            "contextKind": "user", "attribute": attribute, "op": op, "negate": false,
            "values": values,
        })
    };
    let weighted =
        |variation: u32, weight: u32| json!({ "variation": variation, "weight": weight });
    json!({
        "key": experiment.key,
        "version": 1,
        "on": true,
        "targets": [],
        "contextTargets": [],
        "prerequisites": [],
        "rules": [{
            "id": "everybody",
            "trackEvents": false,
            "clauses": [
                clause("country", "in", json!(work::COUNTRIES)),
                clause("plan", "in", json!([work::PLAN])),
                clause("appVersion", "semVerGreaterThan", json!([work::VERSION_ABOVE])),
            ],
            "rollout": { "contextKind": "user", "variations": [
                weighted(1, share / 2), weighted(2, share / 2), weighted(0, 100_000 - share),
            ] },
        }],
        "fallthrough": { "variation": 0 },
        "offVariation": 0,
        "variations": ["none", "control", "candidate"],
        "clientSideAvailability": { "usingMobileKey": false, "usingEnvironmentId": false },
        "salt": experiment.key,
    })
}
