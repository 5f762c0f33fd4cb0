//! Documents: what is kept is read back as it was, and garbage is refused in words.

use super::*;
use crate::model::entry::Entry;

fn whole() -> Model {
    let mut spec = routing("models", 5_000);
    spec.audience = Some(yaml(
        "{any: [{header: a, one_of: [x, y]}, {not: {host: true, prefix: b}}]}",
    ));
    spec.start = Some("2026-01-01T00:00:00Z".to_owned());
    let model = apply(&world(), &experiment("x", spec));
    let model = apply(&model, &act("x", Action::Start));
    apply(&model, &weights("x", 1_234, 8_766))
}

#[test]
fn every_entry_is_restored_from_its_body() {
    let model = whole();
    for kind in Kind::ALL {
        for entry in model.entries(kind) {
            let body = entry.kept().unwrap();
            let back = Entry::restore(kind, entry.key().as_str(), entry.meta(), &body).unwrap();
            assert_eq!(back, entry);
        }
    }
}

#[test]
fn a_document_shows_spec_state_and_buckets() {
    let entry = whole().entry(Kind::Experiment, &key("x")).unwrap();
    let shown = serde_json::to_value(entry.document()).unwrap();
    assert_eq!(shown["kind"], "experiment");
    assert_eq!(shown["key"], "x");
    assert_eq!(shown["revision"], 8);
    assert_eq!(shown["created_at"], "2026-01-31T09:00:00Z");
    assert_eq!(shown["state"], "running");
    assert_eq!(shown["spec"]["variants"][1]["weight"], 8_766);
    assert_eq!(shown["allocation"], serde_json::json!([[0, 4_999]]));
    assert_eq!(shown["variants"][0]["key"], "control");
}

#[test]
fn a_spec_that_is_shown_can_be_put_again() {
    let model = whole();
    let shown = model.entry(Kind::Experiment, &key("x")).unwrap().document();
    let spec = serde_json::to_value(shown).unwrap()["spec"].take();
    let again = experiment("x", serde_json::from_value(spec).unwrap());
    assert_eq!(try_apply(&model, &again).unwrap().edit, None);
}

#[test]
fn garbage_is_refused_in_words() {
    let model = whole();
    let entry = model.entry(Kind::Experiment, &key("x")).unwrap();
    let good = serde_json::to_value(entry.body()).unwrap();
    let edited = |pointer: &str, value: serde_json::Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body.to_string()
    };
    let cases = [
        ("not json".to_owned(), "the body cannot be read"),
        (r#"{"spec": {}}"#.to_owned(), "missing field `layer`"),
        (edited("/state", "happy".into()), "unknown variant `happy`"),
        (
            edited("/spec/traffic", 6_000.into()),
            "5000 buckets for a traffic of 6000",
        ),
        (
            edited("/allocation/0/1", 10_000.into()),
            "leaves the buckets",
        ),
        (
            edited("/variants/0/key", "else".into()),
            "variants or their weights differ",
        ),
        (
            edited("/variants/0/buckets", serde_json::json!([[8_000, 9_233]])),
            "overlaps another",
        ),
        (
            edited("/spec/salt", "".into()),
            "the spec is not valid: /salt",
        ),
    ];
    for (body, reason) in cases {
        let fault = Entry::restore(Kind::Experiment, "x", entry.meta(), &body).unwrap_err();
        assert!(
            fault.to_string().contains(reason),
            "{fault} has no {reason:?}"
        );
    }
    let named = Entry::restore(Kind::Layer, "X", entry.meta(), r#"{"spec": {}}"#);
    assert!(named.unwrap_err().to_string().contains("is not a key"));
}
