mod brought_along;
mod hostile;
mod written;

use super::*;
use crate::config;
use crate::counters;
use crate::exchange::{Exchange, Flow};
use crate::fake::{FakeHost, pairs, vectors};
use serde_json::{Value, json};
use std::rc::Rc;
use watershed_proto::filter::v1::Assignment;
use watershed_proto::{EXPERIMENT_HEADER, VARIANT_HEADER};

type Pair = (Vec<u8>, Vec<u8>);

/// The first configuration of the vectors: a routing experiment on a conversation, and one for
/// gold users that only stamps; with `changes` over the first experiment's fields.
fn active(host: &FakeHost, changes: &Value) -> Rc<Active> {
    let mut config = vectors().remove(0).config;
    for (field, value) in changes.as_object().unwrap() {
        config["experiments"][0][field] = value.clone();
    }
    started(host, &config)
}

/// A configuration at work.
fn started(host: &FakeHost, config: &Value) -> Rc<Active> {
    let plan = config::load(config.to_string().as_bytes()).unwrap();
    Rc::new(Active::new(plan, host))
}

/// Lets the headers that `host` has pass; nothing here waits for a body.
fn pass(active: &Rc<Active>, host: &FakeHost) -> Exchange {
    let mut exchange = Exchange::new(Rc::clone(active));
    assert_eq!(exchange.on_request_headers(host, true), Flow::Continue);
    exchange
}

/// A chat request with more headers.
fn chat(more: &[(&str, &str)]) -> Vec<Pair> {
    let own = [
        (":method", "POST"),
        (":authority", "chat.example.com"),
        (":path", "/v1/chat/completions"),
    ];
    pairs(&[&own[..], more].concat())
}

/// In both experiments, see the vectors: model=stable-a or another, tone=plain or warm.
const BOTH: [(&str, &str); 3] = [
    ("x-conversation-id", "conversation-1"),
    ("x-user", "user-1"),
    ("x-tier", "gold"),
];

const SPOOFED: [(&str, &str); 5] = [
    ("x-experiment-id", "model"),
    ("X-Variant", "candidate-b"),
    ("x-variant", "candidate-c"),
    ("X-WATERSHED-CLUSTER", "candidate-b"),
    ("x-watershed-cluster", "candidate-c"),
];

fn own_values(host: &FakeHost) -> Vec<String> {
    OWN_HEADERS
        .iter()
        .flat_map(|name| host.values(name))
        .collect()
}

/// Handles a request and gives the host that saw it.
fn handled(changes: &Value, headers: &[Pair]) -> FakeHost {
    let host = FakeHost::default();
    let active = active(&host, changes);
    host.request(headers, 0);
    pass(&active, &host);
    host
}

fn texts(request: &Value) -> Vec<Pair> {
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let headers = request["headers"].as_array().unwrap().iter();
    headers
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect()
}

#[test]
fn every_vector_is_stamped_as_written() {
    for case in vectors() {
        let host = FakeHost::default();
        let active = started(&host, &case.config);
        for request in &case.requests {
            let headers = texts(request);
            host.request(&headers, request["nowMs"].as_i64().unwrap());
            pass(&active, &host);
            let expected: Vec<Assignment> =
                serde_json::from_value(request["assignments"].clone()).unwrap();
            let name = &request["name"];
            let list = |part: fn(&Assignment) -> &str| {
                let keys: Vec<_> = expected.iter().map(part).collect();
                Vec::from_iter((!keys.is_empty()).then(|| keys.join(",")))
            };
            assert_eq!(
                host.values(EXPERIMENT_HEADER),
                list(|one| &one.experiment),
                "{name}"
            );
            assert_eq!(
                host.values(VARIANT_HEADER),
                list(|one| &one.variant),
                "{name}"
            );
            let cluster = request["cluster"].as_str().unwrap();
            let clusters = Vec::from_iter((!cluster.is_empty()).then_some(cluster));
            assert_eq!(host.values(CLUSTER_HEADER), clusters, "{name}");
            if expected.is_empty() {
                assert_eq!(host.headers(), headers, "{name}: untouched");
                assert_eq!(host.record(), None, "{name}");
            } else {
                let record = host.record().unwrap();
                assert_eq!(record.assignments, expected, "{name}");
                assert_eq!(record.cluster, cluster);
                assert_eq!(Some(&*record.service), request["service"].as_str());
                assert_eq!(record.config_version, "v1");
            }
        }
    }
}

#[test]
fn spoofed_headers_of_any_case_and_number_are_stripped() {
    let host = handled(&json!({}), &chat(&SPOOFED));
    assert!(own_values(&host).is_empty());
    assert_eq!(host.headers(), chat(&[]));
}

#[test]
fn spoofed_headers_are_stripped_where_no_service_matches_and_without_a_configuration() {
    let elsewhere = pairs(&[&[(":authority", "nobody"), (":path", "/")], &SPOOFED[..]].concat());
    let host = FakeHost::default();
    let empty = started(&host, &json!({}));
    host.request(&elsewhere, 0);
    pass(&empty, &host);
    assert!(own_values(&host).is_empty());
    let host = handled(&json!({}), &elsewhere);
    assert!(own_values(&host).is_empty());
}

#[test]
fn spoofed_headers_do_not_reach_into_a_stamp() {
    let host = handled(&json!({}), &chat(&[&BOTH[..], &SPOOFED].concat()));
    let honest = handled(&json!({}), &chat(&BOTH));
    assert_eq!(own_values(&host), own_values(&honest));
    assert_eq!(host.record(), honest.record());
}

#[test]
fn a_stamp_costs_as_few_host_calls_as_can_be() {
    let host = handled(&json!({}), &chat(&BOTH));
    assert_eq!(
        host.calls(),
        [
            "request_headers",
            "set_request_header",
            "set_request_header",
            "set_request_header",
            "set_filter_state",
            "increment",
            "increment",
        ]
    );
}

#[test]
fn a_request_without_a_unit_costs_one_host_call() {
    let host = handled(&json!({}), &chat(&[]));
    assert_eq!(host.calls(), ["request_headers"]);
}

#[test]
fn time_is_asked_for_only_where_it_matters() {
    let host = handled(&json!({"endMs": "5"}), &chat(&BOTH[..1]));
    assert!(host.calls().contains(&"now_ms"));
    assert_eq!(own_values(&host).len(), 3);
}

#[test]
fn experiments_of_several_layers_keep_the_same_positions() {
    let host = handled(&json!({}), &chat(&BOTH));
    assert_eq!(host.values(EXPERIMENT_HEADER), ["model,tone"]);
    let record = host.record().unwrap();
    let variants: Vec<_> = record.assignments.iter().map(|one| &*one.variant).collect();
    assert_eq!(host.values(VARIANT_HEADER), [variants.join(",")]);
    for one in &record.assignments {
        let name = counters::assignment(&one.experiment, &one.variant);
        assert_eq!(host.count(&name), 1, "{name}");
    }
}

#[test]
fn a_stamp_without_a_routing_experiment_sets_no_cluster() {
    let host = handled(&json!({}), &chat(&BOTH[1..]));
    assert_eq!(host.values(EXPERIMENT_HEADER), ["tone"]);
    assert!(host.values(CLUSTER_HEADER).is_empty());
    assert_eq!(host.record().unwrap().cluster, "");
}

#[test]
fn a_rollback_sends_every_unit_to_the_fallback() {
    let rollback = json!({"mode": "FALLBACK", "fallback": "candidate-c"});
    for number in 0..50 {
        let unit = format!("c-{number}");
        let host = handled(&rollback, &chat(&[("x-conversation-id", &unit)]));
        assert_eq!(host.values(VARIANT_HEADER), ["candidate-c"]);
        assert_eq!(host.values(CLUSTER_HEADER), ["candidate-c"]);
    }
}

#[test]
fn a_unit_that_is_not_utf8_is_no_unit() {
    let mut headers = chat(&[]);
    headers.push((b"x-conversation-id".to_vec(), b"\xff\xfe".to_vec()));
    let host = handled(&json!({}), &headers);
    assert_eq!(host.headers(), headers);
}

#[test]
fn a_host_that_fails_leaves_the_request_without_a_stamp() {
    let writes = ["set_request_header", "set_filter_state"];
    for call in ["request_headers", "now_ms"].iter().chain(&writes) {
        let host = FakeHost::default();
        let active = active(&host, &json!({"endMs": "5"}));
        host.request(&chat(&BOTH), 0);
        host.fail(call);
        pass(&active, &host);
        assert_eq!(host.headers(), chat(&BOTH), "{call}");
        assert!(
            host.record().unwrap_or_default().assignments.is_empty(),
            "{call}"
        );
        assert_eq!(host.count(counters::HOST_ERROR), 1, "{call}");
    }
}

#[test]
fn a_header_that_cannot_be_stripped_is_counted_and_the_others_go() {
    let host = FakeHost::default();
    let active = active(&host, &json!({}));
    host.request(&chat(&SPOOFED), 0);
    host.fail("remove_request_header");
    pass(&active, &host);
    let tried = host
        .calls()
        .iter()
        .filter(|call| **call == "remove_request_header")
        .count();
    assert_eq!(tried, 3);
    assert_eq!(host.count(counters::HOST_ERROR), 1);
}
