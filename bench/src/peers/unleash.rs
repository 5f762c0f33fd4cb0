//! Unleash: `unleash-yggdrasil`. It has no layers, so an experiment takes its share of all units.

use super::driver::{self, Peer};
use crate::case::Case;
use crate::work::{self, Experiment, Request};
use serde_json::{Value, json};
use unleash_types::client_features::{ClientFeatures, Context};
use unleash_yggdrasil::EngineState;

struct Unleash(EngineState);

pub(super) fn cases() -> Vec<Case> {
    driver::cases::<Unleash>(6)
}

impl Peer for Unleash {
    const NAME: &'static str = "unleash-yggdrasil";
    const LAYERS: bool = false;
    type Context = Context;

    fn load(config: &[u8]) -> anyhow::Result<Self> {
        let features: ClientFeatures = serde_json::from_slice(config)?;
        let engine = EngineState::default();
        match engine.apply_client_features(features) {
            None => Ok(Self(engine)),
            Some(warnings) => anyhow::bail!("{} features were not compiled", warnings.len()),
        }
    }

    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>> {
        let features: Vec<Value> = experiments.iter().map(feature).collect();
        Ok(serde_json::to_vec(
            &json!({ "version": 2, "features": features }),
        )?)
    }

    fn context(request: &Request) -> Context {
        let properties = work::NAMES
            .iter()
            .zip(request)
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let [_, _, unit, ..] = request;
        Context {
            user_id: Some(unit.clone()),
            session_id: None,
            environment: None,
            app_name: None,
            current_time: None,
            remote_address: None,
            properties: Some(properties),
        }
    }

    fn evaluate(&self, flag: &str, context: &Context) -> bool {
        self.0.get_variant(flag, context, &None).enabled
    }
}

fn feature(experiment: &Experiment) -> Value {
    let (first, last) = experiment.buckets;
    // Whole percents are all it knows; an experiment of fewer buckets gets one.
    let percent = ((last + 1 - first) / 100).max(1);
    let variant = |name: &str| json!({ "name": name, "weight": 500, "stickiness": "userId" });
    let among = |name: &str, values: Value| json!({ "contextName": name, "operator": "IN", "values": values });
    json!({
        "name": experiment.key,
        "type": "experiment",
        "enabled": true,
        "strategies": [{
            "name": "flexibleRollout",
            "constraints": [
                among("country", json!(work::COUNTRIES)),
                among("plan", json!([work::PLAN])),
                {
                    "contextName": "appVersion",
                    "operator": "SEMVER_GT",
                    "value": work::VERSION_ABOVE,
                },
            ],
            "parameters": {
                "rollout": percent.to_string(),
                "stickiness": "userId",
                "groupId": experiment.key,
            },
            "variants": [variant("control"), variant("candidate")],
        }],
    })
}
