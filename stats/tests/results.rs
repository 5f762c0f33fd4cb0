//! Whole experiments as JSON, evidence in and results out: `golden/NAME.evidence.json` gives `golden/NAME.results.json`.
//! `WATERSHED_GOLDEN=write` writes the results anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value;
use std::path::Path;
use watershed_stats::results::{self, Evidence, Results};

fn holds(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let evidence = std::fs::read_to_string(folder.join(format!("{name}.evidence.json"))).unwrap();
    let evidence: Evidence = serde_json::from_str(&evidence).unwrap();
    let found = results::of(&evidence).unwrap();
    let file = folder.join(format!("{name}.results.json"));
    if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(&file, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    let back: Results = serde_json::from_str(&expected).unwrap();
    let value = |results: &Results| serde_json::to_value(results).unwrap();
    agree(&value(&found), &value(&back), name);
}

/// Alike but for the last digits of numbers, in which reading them and other platforms' libraries may differ.
fn agree(found: &Value, expected: &Value, path: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(found), names(expected), "{path}");
            for (name, value) in found {
                agree(value, &expected[name], &format!("{path}/{name}"));
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{path}");
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                agree(found, expected, &format!("{path}/{place}"));
            }
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (a, b) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-6), "{path}: {a} {b}");
        }
        (found, expected) => assert_eq!(found, expected, "{path}"),
    }
}

#[test]
fn a_ramp_with_every_kind_of_metric_is_judged_sequentially() {
    holds("ramp");
}

#[test]
fn a_planned_look_at_three_variants_is_judged_by_its_boundary() {
    holds("planned-look");
}

#[test]
fn a_split_that_went_wrong_has_no_verdict() {
    holds("mismatch");
}
