use super::*;
use crate::attribute::Attribute;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Single values of [`valid`], what to put there, and the message that must come of it.
const FAULTS: &str = include_str!("../../vectors/faults.json");

/// Two services, two layers, a routing experiment and one that only stamps.
fn valid() -> Value {
    json!({
        "schema": 1,
        "version": "v1",
        "services": [
            {"key": "chat", "hosts": ["chat.example.com"], "pathPrefixes": ["/v1/"], "defaultCluster": "stable"},
            {"key": "other"},
        ],
        "layers": [{"key": "models"}, {"key": "prompts", "salt": "p", "hash": "MURMUR3_V1"}],
        "experiments": [
            {
                "key": "model", "layer": "models", "salt": "1", "services": ["chat"],
                "unitType": "user",
                "unitSources": [{"header": "X-User"}, {"cookie": "uid"}, {"query": "user"}],
                "audience": {"condition": {"attribute": {"header": "x-tier"}, "equals": "gold"}},
                "allocation": [{"start": 0, "end": 4999}],
                "variants": [
                    {"key": "a", "ranges": [{"start": 0, "end": 6999}], "cluster": "stable"},
                    {"key": "b", "ranges": [{"start": 7000, "end": 9999}], "cluster": "candidate"},
                ],
                "fallback": "a",
            },
            {
                "key": "tone", "layer": "prompts",
                "unitSources": [{"header": "x-user"}],
                "allocation": [{"start": 0, "end": 9999}],
                "variants": [
                    {"key": "x", "ranges": [{"start": 0, "end": 99}, {"start": 200, "end": 9999}]},
                    {"key": "y", "ranges": [{"start": 100, "end": 199}]},
                ],
                "fallback": "x",
            },
        ],
    })
}

fn compile(config: Value) -> Result<Plan, CompileError> {
    Plan::compile(&serde_json::from_value(config).unwrap())
}

/// The message for `valid()` with the value at `pointer` replaced.
fn fault_with(pointer: &str, value: Value) -> String {
    let mut config = valid();
    *config.pointer_mut(pointer).expect(pointer) = value;
    compile(config).expect_err(pointer).to_string()
}

/// `valid()` with more entries behind the list at `pointer`.
fn with_more(pointer: &str, more: &[Value]) -> Value {
    let mut config = valid();
    let list = config.pointer_mut(pointer).unwrap();
    list.as_array_mut().unwrap().extend_from_slice(more);
    config
}

/// The routing experiment under another key, with `changes` over its fields.
fn another(key: &str, changes: &Value) -> Value {
    let mut experiment = valid()["experiments"][0].clone();
    experiment["key"] = key.into();
    for (field, value) in changes.as_object().unwrap() {
        experiment[field] = value.clone();
    }
    experiment
}

#[test]
fn a_valid_configuration_compiles() {
    let plan = compile(valid()).unwrap();
    assert_eq!(plan.version(), "v1");
    let attributes = [
        Attribute::Header("x-user".into()),
        Attribute::Cookie("uid".into()),
        Attribute::Query("user".into()),
        Attribute::Header("x-tier".into()),
    ];
    assert_eq!(**plan.attributes(), attributes, "each one once");
    let ordinals: Vec<_> = plan
        .experiments()
        .iter()
        .flat_map(Experiment::variants)
        .map(|variant| (variant.key(), variant.ordinal()))
        .collect();
    assert_eq!(ordinals, [("a", 0), ("b", 1), ("x", 2), ("y", 3)]);
    let places: Vec<_> = plan
        .experiments()
        .iter()
        .map(|one| plan.experiment(one.key()))
        .collect();
    assert!(places.iter().all(Option::is_some) && plan.experiment("x").is_none());
    assert_eq!(plan.services()[0].scopes.len(), 2);
    assert_eq!(plan.services()[1].scopes.len(), 1, "only the one for all");
    let scope = &plan.services()[0].scopes[0];
    assert_eq!(scope.experiment(4_999), Some(ExperimentId(0)));
    assert_eq!(scope.experiment(5_000), None);
}

#[test]
fn an_empty_configuration_is_a_plan_that_does_nothing() {
    let plan = Plan::compile(&FilterConfig::default()).unwrap();
    assert!(plan.service(Some(b"any"), Some(b"/")).is_none());
}

#[test]
fn a_fault_names_the_entry_and_the_field() {
    let faults: Vec<Value> = serde_json::from_str(FAULTS).unwrap();
    for fault in faults {
        let at = fault["at"].as_str().unwrap();
        let message = fault_with(at, fault["value"].clone());
        assert_eq!(message, fault["fault"].as_str().unwrap());
    }
}

#[test]
fn an_end_that_is_not_after_the_start_is_refused() {
    let window = |start: i64, end: i64| {
        compile(with_more(
            "/experiments",
            &[another(
                "late",
                &json!({"allocation": [], "startMs": start, "endMs": end}),
            )],
        ))
    };
    let fault = window(20, 20).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "experiment \"late\": end_ms is not after start_ms"
    );
    assert_eq!(*fault.fault, Fault::Window);
    assert!(window(20, 21).is_ok());
    assert!(window(20, 0).is_ok());
    assert!(window(0, 20).unwrap().services()[0].is_timed());
}

#[test]
fn an_unknown_mode_is_refused() {
    let mut config: FilterConfig = serde_json::from_value(valid()).unwrap();
    config.experiments[0].mode = 9;
    let fault = Plan::compile(&config).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "experiment \"model\": mode has the unknown value 9"
    );
}

#[test]
fn an_unknown_hash_is_refused() {
    let mut config: FilterConfig = serde_json::from_value(valid()).unwrap();
    config.layers[1].hash = 7;
    let fault = Plan::compile(&config).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "layer \"prompts\": hash has the unknown value 7"
    );
}

#[test]
fn two_experiments_of_a_layer_may_not_own_the_same_bucket() {
    let config = |start| {
        let allocation = json!({"allocation": [{"start": start, "end": 9999}]});
        compile(with_more("/experiments", &[another("second", &allocation)]))
    };
    assert_eq!(
        config(4_999).unwrap_err().to_string(),
        "experiment \"second\": allocation overlap experiment \"model\" at bucket 4999"
    );
    assert!(config(5_000).is_ok());
}

#[test]
fn one_request_has_one_routing_decision() {
    let elsewhere = json!({"layer": "prompts", "allocation": []});
    let fault = compile(with_more("/experiments", &[another("second", &elsewhere)])).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "experiment \"second\": services has \"chat\", which experiment \"model\" of layer \"models\" routes already"
    );
    let same_layer = json!({"allocation": [{"start": 5000, "end": 9999}]});
    assert!(compile(with_more("/experiments", &[another("second", &same_layer)])).is_ok());
}

#[test]
fn experiments_that_share_a_layer_and_a_service_hash_the_same_unit() {
    let session = |services: Value| {
        let changes = json!({
            "unitSources": [{"cookie": "session"}],
            "allocation": [{"start": 5000, "end": 9999}],
            "services": services,
        });
        compile(with_more("/experiments", &[another("second", &changes)]))
    };
    assert_eq!(
        session(json!(["chat"])).unwrap_err().to_string(),
        "experiment \"second\": unit_sources differ from those of experiment \"model\", with which it shares layer and service \"chat\""
    );
    assert!(
        session(json!(["other"])).is_ok(),
        "they never meet in a request"
    );
}

#[test]
fn rules_may_be_sixteen_deep() {
    let nested = |levels: usize| {
        let leaf = json!({"condition": {"attribute": {"path": {}}, "prefix": "/"}});
        let rule = (1..levels).fold(leaf, |rule, _| json!({"not": rule}));
        let mut config = valid();
        config["experiments"][0]["audience"] = rule;
        compile(config)
    };
    assert!(nested(16).is_ok());
    let fault = nested(17).unwrap_err();
    assert_eq!(*fault.fault, Fault::TooDeep { limit: 16 });
    assert!(fault.field.starts_with("audience.not.not."), "{fault}");
}

#[test]
fn lists_beyond_their_limit_are_refused() {
    let many = |count: usize| {
        (0..count)
            .map(|n| json!({"key": format!("k{n}")}))
            .collect::<Vec<_>>()
    };
    let mut config = valid();
    config["layers"] = many(limits::LAYERS + 1).into();
    assert_eq!(
        compile(config).unwrap_err().to_string(),
        "configuration: layers has 20001 entries, and the limit is 20000"
    );
    assert_eq!(
        fault_with("/experiments/0/variants", many(limits::VARIANTS + 1).into()),
        "experiment \"model\": variants has 65 entries, and the limit is 64"
    );
    let values: Vec<_> = (0..=limits::VALUES).map(|n| n.to_string()).collect();
    let one_of = json!({"attribute": {"path": {}}, "oneOf": {"values": values}});
    assert_eq!(
        fault_with("/experiments/0/audience/condition", one_of),
        "experiment \"model\": audience.condition has 100001 entries, and the limit is 100000"
    );
}

/// A config with a list of the envelope set, and the message that comes of it.
fn with_list(field: &str, value: Value) -> String {
    let mut config = valid();
    config[field] = value;
    compile(config).expect_err(field).to_string()
}

#[test]
fn a_segment_that_leads_back_to_itself_is_named() {
    let to = |key: &str, other: &str| json!({"key": key, "rule": {"not": {"segment": other}}});
    assert_eq!(
        with_list(
            "segments",
            json!([to("a", "b"), to("b", "c"), to("c", "b")])
        ),
        "segment \"c\": rule.not.segment leads back to itself through b, c, b"
    );
    assert_eq!(
        with_list("segments", json!([to("a", "a")])),
        "segment \"a\": rule.not.segment leads back to itself through a, a"
    );
}

#[test]
fn segments_inside_segments_count_as_depth_and_as_size() {
    let chain = |length: usize| {
        let link =
            |n: usize| json!({"key": format!("s{n}"), "rule": {"segment": format!("s{}", n + 1)}});
        let mut segments: Vec<_> = (0..length).map(link).collect();
        segments.push(json!({"key": format!("s{length}"), "rule": {"all": {}}}));
        segments
    };
    let mut config = valid();
    config["segments"] = chain(15).into();
    assert!(compile(config).is_ok());
    let message = with_list("segments", chain(5_000).into());
    assert!(message.ends_with("is nested deeper than 16"), "{message}");
    let bomb = |n: usize| {
        let rules = vec![json!({"segment": format!("s{}", n + 1)}); 1_000];
        json!({"key": format!("s{n}"), "rule": {"any": {"rules": rules}}})
    };
    let leaf = json!({"key": "s3", "rule": {"all": {}}});
    assert_eq!(
        with_list("segments", json!([bomb(0), bomb(1), bomb(2), leaf])),
        "segment \"s1\": rule draws in more than 200000 rules"
    );
}

/// Experiments in layers of their own, each with what it requires.
fn requiring(pairs: &[(&str, &[&str])]) -> Value {
    let mut config = valid();
    for (key, requires) in pairs {
        let requires: Vec<_> = requires
            .iter()
            .map(|other| json!({"experiment": other}))
            .collect();
        let mut experiment = valid()["experiments"][1].clone();
        experiment["key"] = (*key).into();
        experiment["layer"] = (*key).into();
        experiment["requires"] = requires.into();
        config["experiments"]
            .as_array_mut()
            .unwrap()
            .push(experiment);
        config["layers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"key": key}));
    }
    config
}

fn refused(config: Value) -> String {
    compile(config).unwrap_err().to_string()
}

#[test]
fn a_circle_of_requirements_is_named() {
    assert!(compile(requiring(&[("e", &["f", "tone"]), ("f", &["tone"])])).is_ok());
    assert_eq!(
        refused(requiring(&[("e", &["f"]), ("f", &["g"]), ("g", &["f"])])),
        "experiment \"f\": requires leads back to itself through f, g, f"
    );
    assert_eq!(
        refused(requiring(&[("e", &["e"])])),
        "experiment \"e\": requires leads back to itself through e, e"
    );
    assert_eq!(
        refused(requiring(&[("e", &["nobody"])])),
        "experiment \"e\": requires[0].experiment names \"nobody\", which is not there"
    );
}

/// What a request gets of `tone` depends on whether the sticky experiment of its layer keeps the
/// unit, and that depends on what it gets of `tone`.
#[test]
fn a_sticky_experiment_may_not_ask_its_own_layer() {
    let mut config = requiring(&[("e", &["f"]), ("f", &["tone"])]);
    config["experiments"][2]["layer"] = "prompts".into();
    config["experiments"][2]["allocation"] = json!([]);
    config["signingKeys"] =
        json!([{"id": "k", "secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]);
    assert!(compile(config.clone()).is_ok());
    config["experiments"][2]["sticky"] = json!({"cookie": "s"});
    assert_eq!(
        refused(config),
        "experiment \"e\": requires leads back to itself through e, f, e"
    );
}

#[test]
fn how_many_experiments_one_leads_to_is_bounded() {
    let keys: Vec<String> = (0..300).map(|n| format!("e{n}")).collect();
    let chain: Vec<(&str, Vec<&str>)> = (0..300)
        .map(|n| {
            (
                keys[n].as_str(),
                keys.get(n + 1).map(String::as_str).into_iter().collect(),
            )
        })
        .collect();
    let chain: Vec<_> = chain.iter().map(|(key, next)| (*key, &next[..])).collect();
    let message = refused(requiring(&chain));
    assert!(
        message.ends_with("requires draws in more than 256 experiments"),
        "{message}"
    );
    let diamonds: Vec<(&str, Vec<&str>)> = (0..10)
        .map(|n| {
            (
                keys[n].as_str(),
                keys.get(n + 1)
                    .filter(|_| n < 9)
                    .map(String::as_str)
                    .into_iter()
                    .cycle()
                    .take(2)
                    .collect(),
            )
        })
        .collect();
    let diamonds: Vec<_> = diamonds
        .iter()
        .map(|(key, next)| (*key, &next[..]))
        .collect();
    let message = refused(requiring(&diamonds));
    assert!(
        message.ends_with("requires draws in more than 256 experiments"),
        "{message}"
    );
}

#[test]
fn what_is_signed_needs_keys() {
    let sticky = json!({"sticky": {"cookie": "s"}, "allocation": []});
    assert_eq!(
        refused(with_more("/experiments", &[another("second", &sticky)])),
        "experiment \"second\": sticky needs signing_keys"
    );
    assert_eq!(
        with_list("force", json!({"header": "x-force"})),
        "configuration: force needs signing_keys"
    );
    assert_eq!(
        with_list("signingKeys", json!([{"id": "k", "secret": "AAAA"}])),
        "configuration: signing_keys can't be taken: a secret is shorter than 32 bytes"
    );
    assert_eq!(
        with_list("bodyLimitBytes", json!(1_048_577)),
        "configuration: body_limit_bytes is \"1048577\", and at most 1048576 bytes was expected"
    );
}

#[test]
fn a_holdout_names_a_layer_that_is_there() {
    let holdout =
        |layer: &str| json!([{"key": "h", "layer": layer, "buckets": [{"start": 0, "end": 99}]}]);
    assert_eq!(
        with_list("holdouts", holdout("nowhere")),
        "holdout \"h\": layer names \"nowhere\", which is not there"
    );
    let mut config = valid();
    config["holdouts"] = holdout("");
    assert!(compile(config).is_ok());
}

#[test]
fn a_model_has_as_many_numbers_as_it_needs() {
    let model = |variant: &str, theta: Value, a: Value| json!({"variant": variant, "theta": theta, "aInverse": a});
    let strategy = |models: Value, alpha: Value| {
        let contextual = json!({"features": [{}], "alpha": alpha, "models": models});
        let changes = json!({"strategy": {"contextual": contextual}, "allocation": []});
        compile(with_more("/experiments", &[another("second", &changes)]))
    };
    let fault = |models: Value| {
        let message = strategy(models, json!(1)).unwrap_err().to_string();
        message
            .strip_prefix("experiment \"second\": strategy.contextual.")
            .unwrap()
            .to_owned()
    };
    let good = |variant| model(variant, json!([1]), json!([1]));
    assert!(strategy(json!([good("b"), good("a")]), json!(0)).is_ok());
    assert_eq!(
        fault(json!([good("a")])),
        "models has 1 entries, and 2 are needed"
    );
    assert_eq!(
        fault(json!([good("a"), good("a")])),
        "models[1].variant is used before in the same list"
    );
    assert_eq!(
        fault(json!([good("x")])),
        "models[0].variant names \"x\", which is not there"
    );
    assert_eq!(
        fault(json!([model("a", json!([1, 2]), json!([1]))])),
        "models[0].theta has 2 entries, and 1 are needed"
    );
    assert_eq!(
        fault(json!([model("a", json!(["NaN"]), json!([1]))])),
        "models[0].theta is NaN, and a finite number was expected"
    );
    let message = strategy(json!([good("a"), good("b")]), json!(-1))
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("alpha is -1, and a finite number, not negative, was expected"),
        "{message}"
    );
}

#[test]
fn a_service_says_what_it_needs() {
    let needs = |changes: &Value| {
        let mut config = with_more("/experiments", &[another("second", changes)]);
        config["signingKeys"] =
            json!([{"id": "k", "secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]);
        config["experiments"][2]["allocation"] = json!([]);
        config["experiments"][2]["layer"] = "own".into();
        config["experiments"][2]["variants"][0]["cluster"] = "".into();
        config["experiments"][2]["variants"][1]["cluster"] = "".into();
        config["layers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"key": "own"}));
        let plan = compile(config).unwrap();
        let service = &plan.services()[0];
        (
            service.needs_body(),
            service.needs_response(),
            service.is_timed(),
        )
    };
    let condition = |attribute: Value| json!({"audience": {"condition": {"attribute": attribute, "present": {}}}});
    assert_eq!(needs(&json!({})), (None, false, false));
    assert_eq!(
        needs(&condition(json!({"body": "/user"}))),
        (Some(65_536), false, false)
    );
    assert_eq!(
        needs(&condition(json!({"bodySize": {}}))),
        (None, false, false)
    );
    assert_eq!(needs(&condition(json!({"date": {}}))), (None, false, true));
    assert_eq!(
        needs(&json!({"sticky": {"cookie": "s"}})),
        (None, true, false)
    );
    let generated = json!({"unitSources": [{"generated": {"cookie": "id"}}]});
    assert_eq!(needs(&generated), (None, true, false));
    assert_eq!(needs(&json!({"endMs": 5})), (None, false, true));
}

#[test]
fn a_key_of_any_length_makes_a_short_message() {
    let message = fault_with("/experiments/0/key", json!("x".repeat(1_000_000)));
    assert!(message.len() < 200, "{message}");
}

proptest! {
    /// Legal keys are those of `[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?`.
    #[test]
    fn legal_keys_are_taken(key in "[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?") {
        prop_assert!(text::key(&key).is_ok());
    }

    #[test]
    fn a_key_with_any_other_character_is_refused(before in "[a-z0-9]{1,4}", odd in "[^a-z0-9._-]", after in "[a-z0-9]{1,4}") {
        let key = format!("{before}{odd}{after}");
        prop_assert!(text::key(&key).is_err());
    }

    /// Any text in any place of the configuration gives a plan or a message, never a panic.
    #[test]
    fn hostile_texts_compile_or_are_refused(text in "\\PC{0,12}|[\\x00-\\x7f]{0,6}", place in 0..9_usize) {
        let pointers = [
            "/version", "/services/0/key", "/services/0/hosts/0", "/services/0/pathPrefixes/0",
            "/layers/0/key", "/experiments/0/salt", "/experiments/0/unitSources/0/header",
            "/experiments/0/audience/condition/equals", "/experiments/0/variants/0/cluster",
        ];
        let mut config = valid();
        *config.pointer_mut(pointers[place]).unwrap() = text.into();
        if let Err(fault) = compile(config) {
            prop_assert!(!fault.to_string().contains('\n'));
        }
    }

    #[test]
    fn any_ranges_compile_or_are_refused(numbers in prop::collection::vec(0..12_000_u32, 6)) {
        let mut config = valid();
        let experiment = &mut config["experiments"][0];
        experiment["allocation"][0] = json!({"start": numbers[0], "end": numbers[1]});
        experiment["variants"][0]["ranges"][0] = json!({"start": numbers[2], "end": numbers[3]});
        experiment["variants"][1]["ranges"][0] = json!({"start": numbers[4], "end": numbers[5]});
        let _ = compile(config);
    }
}
