//! Every unit keeps its variant: for random files and units, the imported experiment gives what the peer's
//! published formula gives. And what cannot be carried over is said.

use super::*;
use crate::evaluate::{RequestSpec, evaluate};
use crate::model::change::{self, Change, Precondition, Spec};
use crate::model::lifecycle::Action;
use crate::model::unique::Unique;
use crate::model::{Key, Model};
use crate::ofrep::{Answer, Context, Evaluated, Evaluator, Moment};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

mod left_out;
mod unleash_specification;

/// When experiments are started: before any start or end that a file names.
fn now() -> Timestamp {
    "2020-01-31T09:00:00Z".parse().unwrap()
}

fn mapping() -> Mapping {
    Mapping {
        services: vec!["web".to_owned()],
        unit_type: "user".to_owned(),
        owner: Some("me".to_owned()),
        decision_date: Some("2026-12-31".to_owned()),
        ..Mapping::default()
    }
}

fn imported(peer: Peer, file: &Value) -> Imported {
    import(peer, &file.to_string(), &mapping()).unwrap()
}

/// A model of what was imported, all of it running but what holds free buckets.
fn model(imported: &Imported) -> Model {
    let key = |name: &str| Key::try_new(name).unwrap();
    let cluster =
        serde_json::from_value(json!({"endpoints": [{"address": "10.0.0.1", "port": 80}]}));
    let service = serde_json::from_value(json!({"default_cluster": "stable", "hosts": ["web"]}));
    let mut changes = vec![
        Change::Put(key("stable"), Spec::Cluster(cluster.unwrap())),
        Change::Put(key("web"), Spec::Service(service.unwrap())),
    ];
    for (name, spec) in &imported.segments {
        changes.push(Change::Put(
            key(name),
            Spec::Segment(Box::new(spec.clone())),
        ));
    }
    for (name, spec) in &imported.layers {
        changes.push(Change::Put(key(name), Spec::Layer(spec.clone())));
    }
    let experiments = &imported.experiments;
    for (name, spec) in experiments {
        changes.push(Change::Put(
            key(name),
            Spec::Experiment(Box::new(spec.clone())),
        ));
    }
    let put = |model, change: Change, at| {
        let applied = change::apply(&model, &change, Precondition::None, at);
        let applied = applied.unwrap_or_else(|fault| panic!("{change:?}: {fault}"));
        applied.model
    };
    let mut made = Model::default();
    for change in changes {
        made = put(made, change, now());
    }
    for (name, spec) in experiments {
        if !name.contains("-free-") {
            // Not before its start.
            let at = spec.start.as_ref().map_or(now(), |at| at.parse().unwrap());
            made = put(made, Change::Act(key(name), Action::Start), at);
        }
    }
    made
}

fn evaluator(imported: &Imported) -> Evaluator {
    Evaluator::compile(Arc::new(model(imported))).unwrap()
}

fn flag(evaluator: &Evaluator, name: &str, context: &Value) -> Evaluated {
    let context = Context::try_new(context.as_object().unwrap().clone()).unwrap();
    let at = Moment {
        now: now(),
        chance: 0,
    };
    match evaluator.one(name, &context, at) {
        Answer::Evaluated(evaluated) => evaluated,
        Answer::Failed(failed) => panic!("{failed:?}"),
    }
}

fn murmur(text: &str, seed: u32) -> u32 {
    murmur3::murmur3_32(&mut std::io::Cursor::new(text), seed).unwrap()
}

/// The variant that has the `place`-th of the weights put one after the other.
fn at(weights: &[u64], place: u64) -> usize {
    let mut upper = 0;
    weights
        .iter()
        .position(|weight| {
            upper += weight;
            place < upper
        })
        .unwrap()
}

fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |state: u32, byte| {
        (state ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// GrowthBook's `hash(seed, value, version)`.
fn growthbook(seed: &str, value: &str, version: u64) -> f64 {
    match version {
        1 => f64::from(fnv(&format!("{value}{seed}")) % 1_000) / 1_000.0,
        _ => f64::from(fnv(&fnv(&format!("{seed}{value}")).to_string()) % 10_000) / 10_000.0,
    }
}

fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0_u64..300, 1..5)
        .prop_filter("a weight", |all| all.iter().any(|it| *it > 0))
}

/// Names and units of a case: several, because each case makes a model.
fn units() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[A-Za-z0-9@.-]{1,20}", 20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn unleash_units_keep_their_variants(
        group in "[a-zA-Z0-9_.-]{1,12}", of_strategy: bool, rollout in 0_u64..=100,
        weights in weights(), units in units(),
    ) {
        let variants: Vec<Value> = weights.iter().enumerate()
            .map(|(index, weight)| json!({"name": format!("v{index}"), "weight": weight, "stickiness": "userId"}))
            .collect();
        let mut strategy = json!({"name": "flexibleRollout", "parameters": {
            "rollout": rollout.to_string(), "stickiness": "userId", "groupId": group}});
        let mut feature = json!({"name": "My.Feature", "enabled": true});
        if of_strategy { strategy["variants"] = json!(variants) } else { feature["variants"] = json!(variants) }
        feature["strategies"] = json!([strategy]);
        let imported = imported(Peer::Unleash, &json!({"features": [feature]}));
        prop_assert!(imported.notes.iter().all(|it| !it.left_out), "{:?}", imported.notes);
        let evaluator = evaluator(&imported);
        let total: u64 = weights.iter().sum();
        for unit in units {
            let is_on = u64::from(murmur(&format!("{group}:{unit}"), 0) % 100) < rollout;
            let salt = if of_strategy { group.as_str() } else { "My.Feature" };
            let place = u64::from(murmur(&format!("{salt}:{unit}"), 86_028_157)) % total;
            let expected = if is_on { format!("v{}", at(&weights, place)) } else { String::new() };
            let found = flag(&evaluator, "my.feature", &json!({"userId": unit}));
            prop_assert_eq!(found.variant, expected);
        }
    }

    #[test]
    fn flagd_units_keep_their_variants(
        salt in prop::option::of("[a-z0-9]{1,8}"), weights in weights(), units in units(),
    ) {
        let mut fractional: Vec<Value> = weights.iter().enumerate()
            .map(|(index, weight)| json!([format!("v{index}"), weight])).collect();
        if let Some(salt) = &salt {
            fractional.insert(0, json!({"cat": [salt, {"var": "$flagd.flagKey"}, {"var": "email"}]}));
        }
        let variants: serde_json::Map<String, Value> = weights.iter().enumerate()
            .map(|(index, _)| (format!("v{index}"), json!(index))).collect();
        let file = json!({"flags": {"Header": {
            "state": "ENABLED", "variants": variants, "defaultVariant": "v0",
            "targeting": {"if": [{"in": ["@x", {"var": "mail"}]}, {"fractional": fractional}, null]},
        }}});
        let imported = imported(Peer::Flagd, &file);
        prop_assert!(imported.notes.iter().all(|it| !it.left_out), "{:?}", imported.notes);
        let evaluator = evaluator(&imported);
        let total: u64 = weights.iter().sum();
        for unit in units {
            let hashed = format!("{}Header{unit}", salt.as_deref().unwrap_or_default());
            let place = (u64::from(murmur(&hashed, 0)) * total) >> 32;
            let context = match &salt {
                Some(_) => json!({"email": unit, "mail": "a@x"}),
                None => json!({"targetingKey": unit, "mail": "a@x"}),
            };
            let found = flag(&evaluator, "header", &context);
            let expected = at(&weights, place);
            prop_assert_eq!(found.variant, format!("v{expected}"));
            prop_assert_eq!(found.value, Some(json!(expected)));
            let left = flag(&evaluator, "header", &json!({"targetingKey": unit, "email": unit, "mail": "a@y"}));
            prop_assert_eq!(left.variant, "");
        }
    }

    #[test]
    fn growthbook_units_keep_their_variations(
        seed in "[a-z0-9-]{1,8}", version in 1_u64..=2, coverage in 0.0_f64..=1.0,
        weights in prop::collection::vec(1_u32..100, 2..5), units in units(), bounds in prop::collection::btree_set(0_u32..=100, 4),
    ) {
        let sum: u32 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|it| f64::from(*it) / f64::from(sum)).collect();
        let variations: Vec<Value> = (0..weights.len()).map(|index| json!({"n": index})).collect();
        let bounds: Vec<f64> = bounds.into_iter().map(|it| f64::from(it) / 100.0).collect();
        let rule = |from: f64, to: f64| json!({"variations": variations, "weights": weights, "coverage": coverage,
            "hashVersion": version, "seed": seed, "key": "exp", "hashAttribute": "id", "namespace": ["ns", from, to]});
        let file = json!({"features": {
            "b": {"defaultValue": "none", "rules": [rule(bounds[2], bounds[3])]},
            "a": {"defaultValue": "none", "rules": [rule(bounds[0], bounds[1])]},
            "rollout": {"defaultValue": false, "rules": [{"force": true, "coverage": coverage, "hashVersion": version, "hashAttribute": "id"}]},
        }});
        let imported = imported(Peer::Growthbook, &file);
        prop_assert!(imported.notes.iter().all(|it| !it.left_out), "{:?}", imported.notes);
        let evaluator = evaluator(&imported);
        for unit in units {
            let n = growthbook(&seed, &unit, version);
            let mut from = 0.0;
            let mut chosen = None;
            for (index, weight) in weights.iter().enumerate() {
                if n >= from && n < from + coverage * weight { chosen = chosen.or(Some(index)); }
                from += weight;
            }
            let in_namespace = |from: f64, to: f64| { let n = growthbook("__ns", &unit, 1); n >= from && n < to };
            for (name, from, to) in [("a", bounds[0], bounds[1]), ("b", bounds[2], bounds[3])] {
                let found = flag(&evaluator, name, &json!({"id": unit}));
                let expected = match (in_namespace(from, to), chosen) {
                    (false, _) => None,
                    (true, None) => Some(json!("none")),
                    (true, Some(index)) => Some(json!({"n": index})),
                };
                prop_assert_eq!(found.value, expected, "{} {}", name, unit);
            }
            let found = flag(&evaluator, "rollout", &json!({"id": unit}));
            prop_assert_eq!(found.value, Some(json!(growthbook("rollout", &unit, version) <= coverage)));
        }
    }

    #[test]
    fn garbage_makes_notes_or_an_error_and_never_a_panic(peer in 0_u8..3, file in value()) {
        let peer = [Peer::Unleash, Peer::Flagd, Peer::Growthbook][usize::from(peer)];
        let list = file.as_array().map_or(file.clone(), |list| json!(list));
        for file in [&file, &json!({"features": list}), &json!({"flags": file}), &json!({"features": {"f": file}}),
            &json!({"flags": {"f": {"variants": file, "targeting": {"fractional": file}}}}),
            &json!({"features": [{"name": "f", "strategies": file, "variants": file}]}),
            &json!({"features": {"f": {"rules": [{"variations": file, "condition": file, "weights": file}]}}})] {
            let _ = import(peer, &file.to_string(), &mapping());
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        proptest::arbitrary::any::<bool>().prop_map(Value::from),
        proptest::arbitrary::any::<f64>().prop_map(Value::from),
        proptest::arbitrary::any::<u64>().prop_map(Value::from),
        "[a-z$_]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "(name|weight|and|var|fractional|[$]eq|[a-z]{1,3})",
                inner,
                0..4
            )
            .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The variant that a described request gets of an experiment; empty for none.
fn by_request(model: &Model, name: &str, request: RequestSpec) -> String {
    let request = RequestSpec {
        experiment: Some(name.to_owned()),
        host: Some("web".to_owned()),
        ..request
    };
    let explained = evaluate(model, &request, now()).unwrap().explanation;
    let mut found = explained.experiments.into_iter();
    let found = found.find(|it| it.experiment == name);
    found.and_then(|it| it.variant).unwrap_or_default()
}
