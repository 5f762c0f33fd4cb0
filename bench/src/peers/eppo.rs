//! Eppo: `eppo_core`. Layers are shards with the layer's salt beside the experiment's own.

use super::driver::{self, Peer};
use crate::case::Case;
use crate::work::{self, Experiment, Request};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use eppo_core::eval::get_assignment;
use eppo_core::ufc::UniversalFlagConfig;
use eppo_core::{Attributes, Configuration, SdkMetadata, Str};
use serde_json::{Value, json};
use std::sync::Arc;

struct Eppo {
    configuration: Configuration,
    now: DateTime<Utc>,
}

pub(super) fn cases() -> Vec<Case> {
    driver::cases::<Eppo>(6)
}

impl Peer for Eppo {
    const NAME: &'static str = "eppo_core";
    const LAYERS: bool = true;
    type Context = (Str, Arc<Attributes>);

    fn load(config: &[u8]) -> anyhow::Result<Self> {
        let metadata = SdkMetadata {
            name: "bench",
            version: "0",
        };
        let flags = UniversalFlagConfig::from_json(metadata, config.to_vec())?;
        Ok(Self {
            configuration: Configuration::from_server_response(flags, None),
            now: DateTime::from_timestamp(1_795_000_000, 0).context("a time")?,
        })
    }

    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>> {
        let flags: serde_json::Map<String, Value> = experiments
            .iter()
            .map(|one| (one.key.clone(), flag(one)))
            .collect();
        Ok(serde_json::to_vec(&json!({
            "createdAt": "2026-04-17T19:40:53.716Z",
            "format": "SERVER",
            "environment": { "name": "bench" },
            "flags": flags,
        }))?)
    }

    fn context(request: &Request) -> Self::Context {
        let attributes = work::NAMES
            .iter()
            .zip(request)
            .map(|(name, value)| (Str::from_static_str(name), value.as_str().into()))
            .collect();
        let [_, _, unit, ..] = request;
        (Str::from(unit.as_str()), Arc::new(attributes))
    }

    fn evaluate(&self, flag: &str, (unit, attributes): &Self::Context) -> bool {
        let assigned = get_assignment(
            Some(&self.configuration),
            flag,
            unit,
            attributes,
            None,
            self.now,
        );
        matches!(assigned, Ok(Some(_)))
    }
}

fn flag(experiment: &Experiment) -> Value {
    let (first, last) = experiment.buckets;
    let split = |variation: &str, start: u32, end: u32| {
        let own = json!({ "salt": experiment.key, "ranges": [{ "start": start, "end": end }] });
        let layer = json!({
            "salt": experiment.layer,
            "ranges": [{ "start": first, "end": last + 1 }],
        });
        let whole = (first, last) == (0, 9_999);
        let shards = if whole { vec![own] } else { vec![layer, own] };
        json!({ "variationKey": variation, "shards": shards })
    };
    json!({
        "key": experiment.key,
        "enabled": true,
        "variationType": "STRING",
        "variations": {
            "control": { "key": "control", "value": "control" },
            "candidate": { "key": "candidate", "value": "candidate" },
        },
        "totalShards": 10_000,
        "allocations": [{
            "key": "everybody",
            "rules": [{ "conditions": [
                { "attribute": "country", "operator": "ONE_OF", "value": work::COUNTRIES },
                { "attribute": "plan", "operator": "ONE_OF", "value": [work::PLAN] },
                { "attribute": "appVersion", "operator": "GT", "value": work::VERSION_ABOVE },
            ] }],
            "splits": [split("control", 0, 5_000), split("candidate", 5_000, 10_000)],
            "doLog": false,
        }],
    })
}
