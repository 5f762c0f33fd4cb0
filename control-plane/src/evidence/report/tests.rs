use super::*;
use crate::model::change::{self, Change, Precondition, Spec};
use proptest::prelude::*;
use serde_json::json;
use watershed_evidence::Privacy;

fn now() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

fn model() -> Model {
    let read = |text: &str| serde_saphyr::from_str(text).unwrap();
    let key = |name: &str| Key::try_new(name).unwrap();
    let layer = Change::Put(key("models"), Spec::Layer(read("{}")));
    let spec: crate::model::experiment_spec::ExperimentSpec = serde_saphyr::from_str(
        "{layer: models, unit: {type: conversation, sources: [{header: x}]}, variants: [{key: a, weight: 10000}]}",
    )
    .unwrap();
    let experiment = Change::Put(key("chat-model"), Spec::Experiment(Box::new(spec)));
    [layer, experiment]
        .iter()
        .fold(Model::default(), |model, change| {
            change::apply(&model, change, Precondition::None, now())
                .unwrap()
                .model
        })
}

fn hasher() -> UnitHasher {
    UnitHasher::new(&[7; 32], Privacy::Hashed)
}

fn read(bytes: &[u8], format: Format, report_key: Option<&str>) -> Result<Report, Unreadable> {
    let context = Context {
        model: &model(),
        units: &hasher(),
        now: now(),
        report_key,
    };
    Report::read(bytes, format, context)
}

fn of(body: &Value) -> Report {
    read(body.to_string().as_bytes(), Format::Json, None).unwrap()
}

#[test]
fn an_outcome_of_an_experiment_has_its_unit_and_the_time_of_the_report() {
    let report = of(
        &json!({"experiment": "chat-model", "unit": "c-1", "metric": "cost_usd", "value": 0.25}),
    );
    let [outcome] = report.outcomes.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(outcome.unit_type, "conversation");
    assert_eq!(outcome.unit, hasher().unit("conversation", "c-1"));
    assert_eq!(outcome.value.get(), 0.25);
    assert_eq!(outcome.time, now().as_microsecond());
    assert_eq!(outcome.idempotency_key, None);
}

#[test]
fn an_outcome_of_a_unit_alone_counts_wherever_the_unit_is() {
    let report = of(&json!([
        {"unit_type": "user", "unit": "u", "metric": "bought", "value": true, "time": "2026-01-30T00:00:00Z", "idempotency_key": "k", "context": {"sku": 7}},
        {"unit_type": "user", "unit": "u", "metric": "bought", "value": false},
    ]));
    let values: Vec<f64> = report.outcomes.iter().map(|it| it.value.get()).collect();
    assert_eq!(values, [1.0, 0.0]);
    assert_eq!(report.outcomes[0].experiment, None);
    assert_eq!(report.outcomes[0].idempotency_key.as_deref(), Some("k"));
    assert_eq!(report.outcomes[0].time, 1_769_731_200_000_000);
}

#[test]
fn a_wrong_outcome_is_placed_by_pointer_and_costs_the_others_nothing() {
    let good = json!({"unit_type": "user", "unit": "u", "metric": "m", "value": 1});
    let wrong = |field: &str, value: Value| {
        let mut item = good.clone();
        item[field] = value;
        item
    };
    let long = "x".repeat(257);
    for (item, place) in [
        (json!(7), "/1"),
        (
            json!({"unit": "u", "metric": "m", "value": 1}),
            "/1/unit_type",
        ),
        (
            json!({"unit_type": "user", "metric": "m", "value": 1}),
            "/1",
        ),
        (wrong("experiment", json!("gone")), "/1/experiment"),
        (wrong("experiment", json!("chat-model")), "/1/unit_type"),
        (wrong("unit_type", json!("A b")), "/1/unit_type"),
        (wrong("unit", json!("")), "/1/unit"),
        (wrong("unit", json!(long)), "/1/unit"),
        (wrong("unit", json!("a\u{0}")), "/1/unit"),
        (wrong("unit", json!(7)), "/1/unit"),
        (wrong("metric", json!("cost usd")), "/1/metric"),
        (wrong("value", json!("1")), "/1/value"),
        (wrong("value", json!(null)), "/1/value"),
        (wrong("time", json!("yesterday")), "/1/time"),
        (wrong("time", json!("2026-01-31T11:00:00Z")), "/1/time"),
        (wrong("time", json!("1969-12-31T00:00:00Z")), "/1/time"),
        (wrong("idempotency_key", json!("")), "/1/idempotency_key"),
        (wrong("context", json!("x")), "/1/context"),
        (wrong("colour", json!("x")), "/1/colour"),
    ] {
        let report = of(&json!([good, item, good]));
        assert_eq!((report.outcomes.len(), report.refused), (2, 1), "{item}");
        let places: Vec<&str> = report.faults.iter().map(|it| &*it.pointer).collect();
        assert_eq!(places, [place], "{item}");
    }
}

#[test]
fn lines_are_read_one_by_one() {
    let line = r#"{"unit_type": "user", "unit": "u", "metric": "m", "value": 1}"#;
    let body = format!("{line}\n\n{{\r\n{line}");
    let report = read(body.as_bytes(), Format::Lines, Some("batch-7")).unwrap();
    assert_eq!((report.outcomes.len(), report.refused), (2, 1));
    assert_eq!(report.faults.iter().next().unwrap().pointer, "/1");
    let keys: Vec<_> = report
        .outcomes
        .iter()
        .map(|it| it.idempotency_key.as_deref())
        .collect();
    assert_eq!(keys, [Some("batch-7:0"), Some("batch-7:2")]);
}

#[test]
fn what_is_no_report_is_refused_whole() {
    for (body, why) in [
        ("", "the body is not JSON"),
        ("[", "the body is not JSON"),
        ("7", "the body is neither"),
    ] {
        let fault = read(body.as_bytes(), Format::Json, None).unwrap_err();
        assert!(fault.to_string().starts_with(why), "{fault}");
    }
    let many = format!("[{}7]", "7,".repeat(MOST));
    assert_eq!(
        read(many.as_bytes(), Format::Json, None),
        Err(Unreadable::TooMany)
    );
    let many = "7\n".repeat(MOST + 1);
    assert_eq!(
        read(many.as_bytes(), Format::Lines, None),
        Err(Unreadable::TooMany)
    );
}

#[test]
fn faults_are_bounded_and_all_are_counted() {
    let report = read("7\n".repeat(MOST).as_bytes(), Format::Lines, None).unwrap();
    assert_eq!(
        (report.refused, report.faults.iter().count()),
        (MOST, MOST_FAULTS)
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, Format::Json, None);
        let report = read(&bytes, Format::Lines, None).unwrap();
        prop_assert!(report.outcomes.is_empty());
    }
}
