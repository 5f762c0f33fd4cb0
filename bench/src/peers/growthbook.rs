//! GrowthBook: `growthbook-rust`, by its evaluator. Its client would copy all features for each
//! evaluation before it asks the same evaluator. Layers are namespaces.

use super::driver::{self, Peer};
use crate::case::Case;
use crate::work::{self, Experiment, Request};
use growthbook_rust::growthbook::GrowthBook;
use growthbook_rust::model_public::{GrowthBookAttribute, GrowthBookAttributeValue};
use serde_json::{Value, json};

pub(super) fn cases() -> Vec<Case> {
    driver::cases::<GrowthBook>(5)
}

impl Peer for GrowthBook {
    const NAME: &'static str = "growthbook-rust";
    const LAYERS: bool = true;
    type Context = Option<Vec<GrowthBookAttribute>>;

    fn load(config: &[u8]) -> anyhow::Result<Self> {
        Ok(Self {
            forced_variations: None,
            features: serde_json::from_slice(config)?,
            attributes: None,
            sticky_bucket_service: None,
            saved_groups: Default::default(),
        })
    }

    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>> {
        let features: serde_json::Map<String, Value> = experiments
            .iter()
            .map(|one| (one.key.clone(), feature(one)))
            .collect();
        Ok(serde_json::to_vec(&features)?)
    }

    fn context(request: &Request) -> Self::Context {
        let attribute = |(name, value): (&&str, &String)| {
            let value = GrowthBookAttributeValue::String(value.clone());
            GrowthBookAttribute::new((*name).to_owned(), value)
        };
        Some(work::NAMES.iter().zip(request).map(attribute).collect())
    }

    fn evaluate(&self, flag: &str, context: &Self::Context) -> bool {
        let result = self.check(flag, context);
        result
            .experiment_result
            .is_some_and(|result| result.in_experiment)
    }
}

fn feature(experiment: &Experiment) -> Value {
    let (first, last) = experiment.buckets;
    let mut rule = json!({
        "key": experiment.key,
        "seed": experiment.key,
        "hashAttribute": "userId",
        "hashVersion": 2,
        "variations": ["control", "candidate"],
        "weights": [0.5, 0.5],
        "coverage": 1.0,
        "condition": {
            "country": { "$in": work::COUNTRIES },
            "plan": work::PLAN,
            "appVersion": { "$vgt": work::VERSION_ABOVE },
        },
    });
    if (first, last) != (0, 9_999) {
        let share = |bucket: u32| f64::from(bucket) / 10_000.0;
        rule["namespace"] = json!([experiment.layer, share(first), share(last + 1)]);
    }
    json!({ "defaultValue": "none", "rules": [rule] })
}
