//! A flag's variant is the one that the proxies give for the equivalent request, whatever the context;
//! and each reason and error that there is.

use super::*;
use crate::evaluate::{RequestSpec, evaluate};
use crate::model::change::{self, Change, Precondition, Spec};
use crate::model::lifecycle::Action;
use crate::model::unique::Unique;
use proptest::prelude::*;
use serde_json::Map;

const MODEL: &str = include_str!("tests/model.yaml");

fn now() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

/// The model of `model.yaml`, its experiments running but those called `draft`.
fn model() -> Model {
    let documents: Vec<Value> = serde_saphyr::from_multiple(MODEL).unwrap();
    let mut model = Model::default();
    let mut make = |change: Change| {
        let applied = change::apply(&model, &change, Precondition::None, now());
        model = applied
            .unwrap_or_else(|fault| panic!("{change:?}: {fault}"))
            .model;
    };
    for document in &documents {
        let text = document["spec"].to_string();
        let spec = match document["kind"].as_str().unwrap() {
            "Settings" => Spec::Settings(serde_json::from_str(&text).unwrap()),
            "Cluster" => Spec::Cluster(serde_json::from_str(&text).unwrap()),
            "Service" => Spec::Service(serde_json::from_str(&text).unwrap()),
            "Layer" => Spec::Layer(serde_json::from_str(&text).unwrap()),
            "Experiment" => Spec::Experiment(serde_json::from_str(&text).unwrap()),
            other => panic!("{other}"),
        };
        let name = document["key"].as_str().unwrap_or("settings");
        let starts = matches!(spec, Spec::Experiment(_)) && name != "draft";
        make(Change::Put(key(name), spec));
        if starts {
            make(Change::Act(key(name), Action::Start));
        }
    }
    make(Change::Act(key("rolled-back"), Action::Rollback));
    model
}

fn evaluator() -> Evaluator {
    Evaluator::compile(Arc::new(model())).unwrap()
}

fn context(value: Value) -> Context {
    let Value::Object(fields) = value else {
        panic!("{value}")
    };
    Context::try_new(fields).unwrap()
}

fn moment() -> Moment {
    Moment {
        now: now(),
        chance: u64::MAX / 2,
    }
}

fn evaluated(answer: Answer) -> Evaluated {
    match answer {
        Answer::Evaluated(evaluated) => evaluated,
        Answer::Failed(failed) => panic!("{failed:?}"),
    }
}

fn ask(flag: &str, given: Value) -> Evaluated {
    evaluated(evaluator().one(flag, &context(given), moment()))
}

#[test]
fn a_payload_is_the_value_and_a_variant_without_one_has_its_key() {
    let mut seen = std::collections::BTreeSet::new();
    for unit in 0..200 {
        let given = json!({"targetingKey": format!("u-{unit}"), "x-plan": "pro"});
        let flag = ask("prompt", given.clone());
        let value = match flag.variant.as_str() {
            "long" => json!({"temperature": 0.5, "system": "Be thorough."}),
            "short" => json!(false),
            "" => Value::Null,
            other => panic!("{other}"),
        };
        assert_eq!(flag.value.unwrap_or_default(), value);
        seen.insert(flag.variant);
        let flag = ask("size", given);
        assert_eq!(flag.value, Some(flag.variant.clone().into()));
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn a_reason_says_why() {
    for (flag, given, reason, verdict) in [
        (
            "size",
            json!({"targetingKey": "u"}),
            Reason::Split,
            "assigned",
        ),
        (
            "everybody",
            json!({"targetingKey": "u"}),
            Reason::Static,
            "assigned",
        ),
        (
            "staff",
            json!({"targetingKey": "u", "x-email": "a@example.com"}),
            Reason::TargetingMatch,
            "assigned",
        ),
        (
            "staff",
            json!({"targetingKey": "u", "x-email": "a@example.org"}),
            Reason::Default,
            "not_eligible",
        ),
        (
            "rolled-back",
            json!({"targetingKey": "u"}),
            Reason::Default,
            "assigned",
        ),
        (
            "draft",
            json!({"targetingKey": "u"}),
            Reason::Disabled,
            "off",
        ),
        ("draft", json!({}), Reason::Disabled, "off"),
        (
            "switched-off",
            json!({"targetingKey": "u"}),
            Reason::Disabled,
            "off",
        ),
    ] {
        let found = ask(flag, given.clone());
        assert_eq!(found.reason, reason, "{flag} {given}");
        assert_eq!(found.metadata["verdict"], verdict, "{flag} {given}");
        assert_eq!(
            found.variant.is_empty(),
            found.value.is_none(),
            "{flag} {given}"
        );
        assert!(
            found
                .metadata
                .values()
                .all(|it| it.is_string() || it.is_number())
        );
    }
    let later = Moment {
        now: "2026-03-01T09:00:00Z".parse().unwrap(),
        ..moment()
    };
    let ended = evaluator().one("ended", &context(json!({"targetingKey": "u"})), later);
    let ended = evaluated(ended);
    assert_eq!(
        (ended.reason, &ended.metadata["verdict"]),
        (Reason::Default, &json!("ended"))
    );
    let rolled_back = ask("rolled-back", json!({"targetingKey": "u"}));
    assert_eq!(rolled_back.variant, "old");
}

#[test]
fn an_experiment_of_a_slice_is_evaluated_as_by_a_proxy_that_is_in_none() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(MODEL).unwrap();
    let everybody = documents.iter().find(|it| it["key"] == "everybody");
    let mut spec = everybody.unwrap()["spec"].clone();
    spec["slices"] = json!(["canary"]);
    let spec = Spec::Experiment(serde_json::from_value(spec).unwrap());
    let put = Change::Put(key("everybody"), spec);
    let model = change::apply(&model(), &put, Precondition::None, now());
    let evaluator = Evaluator::compile(Arc::new(model.unwrap().model)).unwrap();
    let asked = context(json!({"targetingKey": "u"}));
    let found = evaluated(evaluator.one("everybody", &asked, moment()));
    assert_eq!(found.reason, Reason::Default);
    assert_eq!(found.metadata["verdict"], "not_allocated");
    assert_eq!((found.value, &*found.variant), (None, ""));
}

#[test]
fn a_flag_without_a_unit_says_what_is_missing() {
    let evaluator = evaluator();
    let failed = |flag: &str, given: Value| match evaluator.one(flag, &context(given), moment()) {
        Answer::Failed(failed) => failed,
        Answer::Evaluated(evaluated) => panic!("{evaluated:?}"),
    };
    let missing = failed("size", json!({"targetingKey": ""}));
    assert_eq!(missing.error_code, ErrorCode::TargetingKeyMissing);
    assert!(
        missing.error_details.contains("header x-user"),
        "{missing:?}"
    );
    let unknown = failed("nothing", json!({"targetingKey": "u"}));
    assert_eq!(unknown.error_code, ErrorCode::FlagNotFound);
    // What stands for the unit will do.
    let found = evaluated(evaluator.one("size", &context(json!({"x-user": "u"})), moment()));
    let by_key = ask("size", json!({"targetingKey": "u"}));
    assert_eq!(found, by_key);
}

#[test]
fn a_force_token_is_read_where_the_settings_say() {
    let model = model();
    let keys = model.settings().signing_keys.iter();
    let keys = keys.map(|key| (key.id.as_str(), key.secret.reveal().as_bytes()));
    let keys = watershed_engine::Keys::try_new(keys).unwrap();
    let token = |expires_s| {
        let force = watershed_engine::Force {
            experiment: "size".to_owned(),
            variant: "large".to_owned(),
            expires_s,
        };
        force.seal(&keys).unwrap()
    };
    let later = now().as_second() + 60;
    for unit in 0..20 {
        let unit = format!("u-{unit}");
        let forced = ask(
            "size",
            json!({"targetingKey": &unit, "X-Force": token(later)}),
        );
        assert_eq!(
            (&*forced.variant, forced.reason),
            ("large", Reason::TargetingMatch)
        );
        let expired = ask("size", json!({"targetingKey": &unit, "x-force": token(1)}));
        assert_eq!(expired, ask("size", json!({"targetingKey": &unit})));
    }
}

#[test]
fn every_flag_at_once_is_each_flag_alone() {
    let evaluator = evaluator();
    for given in [
        json!({"targetingKey": "u-1", "x-plan": "pro", "x-email": "a@example.com"}),
        json!({"x-user": "u-2"}),
        json!({}),
    ] {
        let context = context(given);
        let all = evaluator.all(&context, moment()).flags;
        assert_eq!(all.len(), evaluator.model().experiments.len());
        for (key, answer) in evaluator.model().experiments.keys().zip(all) {
            assert_eq!(answer, evaluator.one(key.as_str(), &context, moment()));
        }
    }
}

/// The request that a context stands for.
fn request(flag: &str, unit: &str, headers: &[(&str, Option<String>)]) -> RequestSpec {
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    RequestSpec {
        experiment: Some(flag.to_owned()),
        unit: Some(unit.to_owned()),
        host: Some("chat.example.com".to_owned()),
        headers: Unique::from_iter(headers),
        ..RequestSpec::default()
    }
}

proptest! {
    // Each case compiles the model for every flag.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_variant_is_the_one_that_proxies_give_for_the_equivalent_request(
        unit in "[a-z0-9]{1,12}",
        plan in prop::option::of("(pro|free|team)"),
        email in prop::option::of("[a-z]{1,3}@example\\.(com|org)"),
        age in prop::option::of(0_u32..100),
    ) {
        let model = model();
        let evaluator = Evaluator::compile(Arc::new(model.clone())).unwrap();
        let mut given = Map::from_iter([("targetingKey".to_owned(), json!(unit))]);
        for (name, value) in [("x-plan", &plan), ("X-Email", &email)] {
            given.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
        }
        given.extend(age.map(|age| ("x-age".to_owned(), json!(age))));
        let context = Context::try_new(given).unwrap();
        let headers = [("x-plan", plan), ("x-email", email), ("x-age", age.map(|age| age.to_string()))];
        for key in model.experiments.keys() {
            let flag = evaluated(evaluator.one(key.as_str(), &context, moment()));
            let request = request(key.as_str(), &unit, &headers);
            let proxy = evaluate(&model, &request, now()).unwrap().explanation;
            let proxy = proxy.experiments.into_iter().find(|it| it.experiment == key.as_str());
            let given = proxy.and_then(|it| it.variant).unwrap_or_default();
            prop_assert_eq!(flag.variant, given, "{}", key);
        }
    }
}
