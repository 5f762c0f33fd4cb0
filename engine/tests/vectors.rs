//! The shared vectors, on the engine alone.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use watershed_engine::{Headers, Noop, Plan, Request};
use watershed_proto::filter::v1::{Assignment, AssignmentRecord};

const VECTORS: &str = include_str!("../vectors/assign.json");

fn texts(pair: &Value) -> (&[u8], &[u8]) {
    let text = |place: usize| pair.get(place).and_then(Value::as_str).unwrap().as_bytes();
    (text(0), text(1))
}

/// What the plan makes of one request of the vectors.
fn record(plan: &Plan, request: &Value) -> Option<AssignmentRecord> {
    let pairs: Vec<_> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(texts)
        .collect();
    let headers = Headers::new(&pairs);
    let service = plan.service(headers.host().as_deref(), headers.path())?;
    let subject = Request::new(headers, plan.attributes());
    let now_ms = request["nowMs"].as_i64().unwrap();
    let mut record = AssignmentRecord {
        service: service.key().to_owned(),
        ..AssignmentRecord::default()
    };
    for decision in plan.assign(service, &subject, now_ms, &mut Noop) {
        if let Some(cluster) = decision.variant.cluster() {
            assert!(record.cluster.is_empty(), "one routing decision a request");
            record.cluster = cluster.to_owned();
        }
        record.assignments.push(Assignment {
            experiment: decision.experiment.key().to_owned(),
            variant: decision.variant.key().to_owned(),
            unit_type: decision.experiment.unit_type().to_owned(),
            unit: String::from_utf8(decision.unit.to_owned()).unwrap(),
            layer_bucket: decision.layer_bucket.into(),
            variant_bucket: decision.variant_bucket.into(),
            reason: decision.reason.into(),
            ..Assignment::default()
        });
    }
    Some(record)
}

#[test]
fn every_vector_comes_out_as_written() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let config = serde_json::from_value(case["config"].clone()).unwrap();
        let plan = Plan::compile(&config).unwrap();
        for request in case["requests"].as_array().unwrap() {
            let name = (&case["name"], &request["name"]);
            let record = record(&plan, request);
            let service = record.as_ref().map(|record| record.service.as_str());
            assert_eq!(service, request["service"].as_str(), "{name:?}");
            let record = record.unwrap_or_default();
            assert_eq!(
                record.cluster,
                request["cluster"].as_str().unwrap(),
                "{name:?}"
            );
            let expected: Vec<Assignment> =
                serde_json::from_value(request["assignments"].clone()).unwrap();
            assert_eq!(record.assignments, expected, "{name:?}");
        }
    }
}
