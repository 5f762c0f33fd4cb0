//! Transitions of the state-of-the-world protocol, replayed without a network.

use envoy_types::pb::envoy::config::core::v3::Node;

use super::*;
use crate::{
    MAX_NAMES,
    ResourceType::{Cluster, Endpoint, Extension, Listener, Route},
    testing::{
        Readable, ack, ask, cluster, eds_cluster, endpoints, extension, lines, listener, nack,
        route, snapshot,
    },
};

pub(super) fn open(snapshot: &Snapshot) -> SotwStream {
    let mut stream = SotwStream::new();
    assert!(stream.on_snapshot(snapshot).is_empty());
    stream
}

/// Sends a request that must be answered with exactly one response.
pub(super) fn one(stream: &mut SotwStream, request: DiscoveryRequest) -> DiscoveryResponse {
    let mut responses = stream.on_request(request).unwrap();
    assert_eq!(responses.len(), 1, "{:?}", lines(&responses));
    responses.remove(0)
}

pub(super) fn silent(stream: &mut SotwStream, request: DiscoveryRequest) {
    let responses = stream.on_request(request).unwrap();
    assert!(responses.is_empty(), "{:?}", lines(&responses));
}

pub(super) fn pushed(stream: &mut SotwStream, snapshot: &Snapshot) -> DiscoveryResponse {
    let mut responses = stream.on_snapshot(snapshot);
    assert_eq!(responses.len(), 1, "{:?}", lines(&responses));
    responses.remove(0)
}

pub(super) fn quiet(stream: &mut SotwStream, snapshot: &Snapshot) {
    assert_eq!(lines(&stream.on_snapshot(snapshot)), Vec::<String>::new());
}

#[test]
fn an_empty_first_request_for_clusters_asks_for_all_of_them() {
    let target = snapshot([cluster("a", 1), cluster("b", 1)]);
    let mut stream = open(&target);
    let response = one(&mut stream, ask(Cluster, &[]));
    assert_eq!(response.line(), "CDS a@1 b@1");
    assert_eq!(
        response.version_info,
        target.get(Cluster).version().to_string()
    );
    silent(&mut stream, ack(&response, &[]));
    assert!(stream.status(Cluster).in_sync);
}

#[test]
fn an_empty_first_request_for_routes_asks_for_nothing() {
    let mut stream = open(&snapshot([route("r", 1, &[])]));
    silent(&mut stream, ask(Route, &[]));
}

#[test]
fn an_explicit_wildcard_asks_for_all() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let response = one(&mut stream, ask(Cluster, &["*"]));
    assert_eq!(response.line(), "CDS a@1");
}

#[test]
fn a_starting_proxy_is_told_that_there_is_nothing() {
    let mut stream = open(&snapshot([]));
    assert_eq!(one(&mut stream, ask(Cluster, &[])).line(), "CDS");
    assert_eq!(one(&mut stream, ask(Listener, &[])).line(), "LDS");
}

#[test]
fn nothing_is_answered_before_there_is_a_snapshot() {
    let mut stream = SotwStream::new();
    silent(&mut stream, ask(Cluster, &[]));
    let response = pushed(&mut stream, &snapshot([cluster("a", 1)]));
    assert_eq!(response.line(), "CDS a@1");
}

#[test]
fn a_wildcard_that_becomes_names_sends_the_newly_named() {
    let mut stream = open(&snapshot([cluster("a", 1), cluster("b", 1)]));
    let all = one(&mut stream, ask(Cluster, &[]));
    silent(&mut stream, ack(&all, &[]));
    let named = one(&mut stream, ack(&all, &["a"]));
    assert_eq!(named.line(), "CDS a@1");
    silent(&mut stream, ack(&named, &["a"]));
    quiet(&mut stream, &snapshot([cluster("a", 1), cluster("b", 2)]));
}

#[test]
fn only_new_names_are_sent_when_a_subscription_grows() {
    let mut stream = open(&snapshot([endpoints("a", 1), endpoints("b", 1)]));
    let first = one(&mut stream, ask(Endpoint, &["a"]));
    assert_eq!(first.line(), "EDS a@1");
    let second = one(&mut stream, ack(&first, &["a", "b"]));
    assert_eq!(second.line(), "EDS b@1");
    silent(&mut stream, ack(&second, &["a", "b"]));
    assert!(stream.status(Endpoint).in_sync);
}

#[test]
fn a_name_dropped_and_asked_for_again_is_sent_again() {
    let mut stream = open(&snapshot([route("a", 1, &[]), route("b", 1, &[])]));
    let both = one(&mut stream, ask(Route, &["a", "b"]));
    silent(&mut stream, ack(&both, &["a", "b"]));
    silent(&mut stream, ack(&both, &["a"]));
    quiet(
        &mut stream,
        &snapshot([route("a", 1, &[]), route("b", 2, &[])]),
    );
    let again = one(&mut stream, ack(&both, &["a", "b"]));
    assert_eq!(again.line(), "RDS b@2");
}

#[test]
fn an_unchanged_resource_is_not_sent_again() {
    let mut stream = open(&snapshot([route("a", 1, &[]), route("b", 1, &[])]));
    let first = one(&mut stream, ask(Route, &["a", "b"]));
    silent(&mut stream, ack(&first, &["a", "b"]));
    quiet(
        &mut stream,
        &snapshot([route("a", 1, &[]), route("b", 1, &[])]),
    );
    let changed = pushed(
        &mut stream,
        &snapshot([route("a", 1, &[]), route("b", 2, &[])]),
    );
    assert_eq!(changed.line(), "RDS b@2");
}

#[test]
fn listeners_and_clusters_are_always_sent_whole() {
    let mut stream = open(&snapshot([listener("a", 1, &[]), listener("b", 1, &[])]));
    let first = one(&mut stream, ask(Listener, &[]));
    silent(&mut stream, ack(&first, &[]));
    let changed = pushed(
        &mut stream,
        &snapshot([listener("a", 1, &[]), listener("b", 2, &[])]),
    );
    assert_eq!(changed.line(), "LDS a@1 b@2");
    silent(&mut stream, ack(&changed, &[]));
    let removed = pushed(&mut stream, &snapshot([listener("b", 2, &[])]));
    assert_eq!(removed.line(), "LDS b@2");
}

#[test]
fn a_request_with_a_stale_nonce_is_ignored() {
    let mut stream = open(&snapshot([endpoints("a", 1), endpoints("b", 1)]));
    let first = one(&mut stream, ask(Endpoint, &["a"]));
    silent(&mut stream, ack(&first, &["a"]));
    let second = pushed(
        &mut stream,
        &snapshot([endpoints("a", 2), endpoints("b", 1)]),
    );
    silent(&mut stream, ack(&first, &["a", "b"]));
    silent(&mut stream, ask(Endpoint, &["b"]));
    assert_eq!(
        stream.status(Endpoint).in_flight.unwrap().to_string(),
        second.nonce
    );
    let third = one(&mut stream, ack(&second, &["a", "b"]));
    assert_eq!(third.line(), "EDS b@1");
}

#[test]
fn the_newest_of_several_snapshots_is_sent_once_the_way_is_free() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let first = one(&mut stream, ask(Cluster, &[]));
    quiet(&mut stream, &snapshot([cluster("a", 2)]));
    quiet(&mut stream, &snapshot([cluster("a", 3)]));
    assert_eq!(one(&mut stream, ack(&first, &[])).line(), "CDS a@3");
}

#[test]
fn a_refused_version_is_kept_with_its_message_and_not_sent_again() {
    let good = snapshot([cluster("a", 1)]);
    let bad = snapshot([cluster("a", 2)]);
    let mut stream = open(&good);
    let first = one(&mut stream, ask(Cluster, &[]));
    silent(&mut stream, ack(&first, &[]));
    let refused = pushed(&mut stream, &bad);
    silent(&mut stream, nack(&refused, &[]));
    quiet(&mut stream, &bad);
    let status = stream.status(Cluster);
    let refusal = status.refusal.unwrap();
    assert_eq!(refusal.message, "bad");
    assert_eq!(refusal.version, bad.get(Cluster).version());
    assert_eq!(status.acked_version, Some(good.get(Cluster).version()));
    assert_eq!((status.acks, status.nacks, status.in_sync), (1, 1, false));

    let fixed = pushed(&mut stream, &snapshot([cluster("a", 3)]));
    assert_eq!(fixed.line(), "CDS a@3");
    silent(&mut stream, ack(&fixed, &[]));
    let status = stream.status(Cluster);
    assert_eq!((status.refusal, status.in_sync), (None, true));
}

#[test]
fn a_roll_back_after_a_refusal_is_sent() {
    let good = snapshot([extension("e", 1, &[])]);
    let mut stream = open(&good);
    let first = one(&mut stream, ask(Extension, &["e"]));
    silent(&mut stream, ack(&first, &["e"]));
    let refused = pushed(&mut stream, &snapshot([extension("e", 2, &[])]));
    silent(&mut stream, nack(&refused, &["e"]));
    let back = pushed(&mut stream, &good);
    assert_eq!(back.line(), "ECDS e@1");
    silent(&mut stream, ack(&back, &["e"]));
    assert_eq!(stream.status(Extension).refusal, None);
}

#[test]
fn a_refused_listener_does_not_hold_back_another() {
    let mut stream = open(&snapshot([listener("a", 1, &[]), listener("b", 1, &[])]));
    let first = one(&mut stream, ask(Listener, &[]));
    silent(&mut stream, ack(&first, &[]));
    let refused = pushed(
        &mut stream,
        &snapshot([listener("a", 2, &[]), listener("b", 1, &[])]),
    );
    silent(&mut stream, nack(&refused, &[]));
    let target = snapshot([listener("a", 2, &[]), listener("b", 2, &[])]);
    let next = pushed(&mut stream, &target);
    assert_eq!(next.line(), "LDS a@1 b@2");
    assert_ne!(
        next.version_info,
        target.get(Listener).version().to_string()
    );
    silent(&mut stream, ack(&next, &[]));
    quiet(&mut stream, &target);
}

#[test]
fn resources_refused_together_are_tried_again_when_one_of_them_changes() {
    let mut stream = open(&snapshot([cluster("bad", 1), cluster("good", 1)]));
    let first = one(&mut stream, ask(Cluster, &[]));
    silent(&mut stream, nack(&first, &[]));
    let next = pushed(
        &mut stream,
        &snapshot([cluster("bad", 2), cluster("good", 1)]),
    );
    assert_eq!(next.line(), "CDS bad@2 good@1");
}

#[test]
fn a_second_refusal_beside_a_first_does_not_loop() {
    let mut stream = open(&snapshot([listener("a", 1, &[]), listener("b", 1, &[])]));
    let first = one(&mut stream, ask(Listener, &[]));
    silent(&mut stream, ack(&first, &[]));
    let second = pushed(
        &mut stream,
        &snapshot([listener("a", 2, &[]), listener("b", 1, &[])]),
    );
    silent(&mut stream, nack(&second, &[]));
    let target = snapshot([listener("a", 2, &[]), listener("b", 2, &[])]);
    let third = pushed(&mut stream, &target);
    silent(&mut stream, nack(&third, &[]));
    quiet(&mut stream, &target);
    assert_eq!(stream.status(Listener).nacks, 2);
}

#[test]
fn a_name_that_does_not_exist_is_absent_and_sent_when_it_appears() {
    let mut stream = open(&snapshot([]));
    silent(&mut stream, ask(Extension, &["later"]));
    assert!(stream.status(Extension).in_sync);
    let response = pushed(&mut stream, &snapshot([extension("later", 1, &[])]));
    assert_eq!(response.line(), "ECDS later@1");
}

#[test]
fn endpoints_are_sent_again_after_their_cluster_changes() {
    let mut stream = open(&snapshot([
        eds_cluster("a", 1),
        eds_cluster("b", 1),
        endpoints("a", 1),
        endpoints("b", 1),
    ]));
    let clusters = one(&mut stream, ask(Cluster, &[]));
    let both = one(&mut stream, ask(Endpoint, &["a", "b"]));
    silent(&mut stream, ack(&clusters, &[]));
    silent(&mut stream, ack(&both, &["a", "b"]));
    let changed = [
        eds_cluster("a", 2),
        eds_cluster("b", 1),
        endpoints("a", 1),
        endpoints("b", 1),
    ];
    let responses = stream.on_snapshot(&snapshot(changed));
    assert_eq!(lines(&responses), ["CDS a@2 b@1", "EDS a@1"]);
    // Envoy asks for the endpoints of the cluster that warms up before it has seen them come.
    silent(&mut stream, ack(&both, &["a", "b"]));
    silent(&mut stream, ack(&responses[0], &[]));
    silent(&mut stream, ack(&responses[1], &["a", "b"]));
    assert!(stream.status(Endpoint).in_sync);
}

#[test]
fn a_repeated_request_for_endpoints_is_answered_where_clusters_come_from_elsewhere() {
    let mut stream = open(&snapshot([endpoints("a", 1)]));
    let first = one(&mut stream, ask(Endpoint, &["a"]));
    silent(&mut stream, ack(&first, &["a"]));
    let again = one(&mut stream, ack(&first, &["a"]));
    assert_eq!(again.line(), "EDS a@1");
    silent(&mut stream, ack(&again, &["a"]));
}

#[test]
fn a_name_given_twice_is_sent_once() {
    let mut stream = open(&snapshot([endpoints("a", 1)]));
    let response = one(&mut stream, ask(Endpoint, &["a", "a", "*"]));
    assert_eq!(response.line(), "EDS a@1");
}

#[test]
fn an_unknown_type_is_reported_and_the_stream_lives() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let request = DiscoveryRequest {
        type_url: "nonsense".repeat(1000),
        ..DiscoveryRequest::default()
    };
    let error = stream.on_request(request).unwrap_err();
    assert!(matches!(&error, RequestError::UnknownType { type_url } if type_url.len() == 256));
    one(&mut stream, ask(Cluster, &[]));
}

#[test]
fn too_many_names_are_refused_and_change_nothing() {
    let mut stream = open(&snapshot([endpoints("n1", 1)]));
    let mut request = ask(Endpoint, &[]);
    request.resource_names = (0..100_000).map(|n| format!("n{n}")).collect();
    let error = stream.on_request(request.clone()).unwrap_err();
    let text = "a EDS subscription of 100000 names is over the limit of 10000";
    assert_eq!(error.to_string(), text);
    assert!(!stream.subscription(Endpoint).is_started());
    request.resource_names.truncate(MAX_NAMES);
    assert_eq!(one(&mut stream, request).line(), "EDS n1@1");
}

#[test]
fn a_node_is_learned_once_and_may_be_empty() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let first = one(&mut stream, ask(Cluster, &[]));
    assert_eq!(stream.node(), None);
    let named = |id: &str| Node {
        id: id.to_owned(),
        cluster: "fleet".to_owned(),
        ..Node::default()
    };
    silent(
        &mut stream,
        DiscoveryRequest {
            node: Some(named("one")),
            ..ack(&first, &[])
        },
    );
    silent(
        &mut stream,
        DiscoveryRequest {
            node: Some(named("two")),
            ..ack(&first, &[])
        },
    );
    let node = stream.node().unwrap();
    assert_eq!((node.id.as_str(), node.cluster.as_str()), ("one", "fleet"));
}

#[test]
fn a_long_refusal_is_clipped() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let first = one(&mut stream, ask(Cluster, &[]));
    let mut request = nack(&first, &[]);
    request.error_detail.as_mut().unwrap().message = "é".repeat(100_000);
    silent(&mut stream, request);
    assert_eq!(stream.status(Cluster).refusal.unwrap().message.len(), 4096);
}
