//! Transitions of the incremental protocol, replayed without a network.

use super::*;
use crate::{
    ResourceType::{Cluster, Endpoint, Extension, Listener, Route},
    testing::{
        Readable, cluster, delta_ack, delta_nack, eds_cluster, endpoints, extension, lines, route,
        snapshot, subscribe,
    },
};

fn open(snapshot: &Snapshot) -> DeltaStream {
    let mut stream = DeltaStream::new();
    assert!(stream.on_snapshot(snapshot).is_empty());
    stream
}

fn one(stream: &mut DeltaStream, request: DeltaDiscoveryRequest) -> DeltaDiscoveryResponse {
    let mut responses = stream.on_request(request).unwrap();
    assert_eq!(responses.len(), 1, "{:?}", lines(&responses));
    responses.remove(0)
}

fn silent(stream: &mut DeltaStream, request: DeltaDiscoveryRequest) {
    let responses = stream.on_request(request).unwrap();
    assert!(responses.is_empty(), "{:?}", lines(&responses));
}

fn pushed(stream: &mut DeltaStream, snapshot: &Snapshot) -> DeltaDiscoveryResponse {
    let mut responses = stream.on_snapshot(snapshot);
    assert_eq!(responses.len(), 1, "{:?}", lines(&responses));
    responses.remove(0)
}

/// A first request that says what the proxy has: names with the versions of a snapshot, or `old`.
fn resume(
    ty: ResourceType,
    names: &[&str],
    has: &[(&str, Option<&Snapshot>)],
) -> DeltaDiscoveryRequest {
    let versions = has.iter().map(|(name, from)| {
        let version =
            from.map(|snapshot| snapshot.get(ty).get(name).unwrap().version().to_string());
        (
            (*name).to_owned(),
            version.unwrap_or_else(|| "old".to_owned()),
        )
    });
    DeltaDiscoveryRequest {
        initial_resource_versions: versions.collect(),
        ..subscribe(ty, names, &[])
    }
}

#[test]
fn an_empty_first_request_for_clusters_asks_for_all_of_them() {
    let target = snapshot([cluster("a", 1), cluster("b", 1)]);
    let mut stream = open(&target);
    let response = one(&mut stream, subscribe(Cluster, &[], &[]));
    assert_eq!(response.line(), "CDS a@1 b@1");
    assert_eq!(
        response.resources[0].version,
        target.get(Cluster).get("a").unwrap().version().to_string()
    );
    silent(&mut stream, delta_ack(&response));
    assert!(stream.status(Cluster).in_sync);
}

#[test]
fn a_starting_proxy_is_told_that_there_is_nothing() {
    let mut stream = open(&snapshot([]));
    let response = one(&mut stream, subscribe(Listener, &["*"], &[]));
    assert_eq!(response.line(), "LDS");
    silent(&mut stream, delta_ack(&response));
}

#[test]
fn only_changes_and_removals_are_sent() {
    let mut stream = open(&snapshot([
        cluster("a", 1),
        cluster("b", 1),
        cluster("c", 1),
    ]));
    let first = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    silent(&mut stream, delta_ack(&first));
    let target = snapshot([cluster("a", 1), cluster("b", 2)]);
    let change = pushed(&mut stream, &target);
    assert_eq!(change.line(), "CDS b@2 -c");
    silent(&mut stream, delta_ack(&change));
    assert!(stream.on_snapshot(&target).is_empty());
    assert!(stream.status(Cluster).in_sync);
}

#[test]
fn a_name_that_does_not_exist_is_reported_once_and_sent_when_it_appears() {
    let mut stream = open(&snapshot([]));
    let response = one(&mut stream, subscribe(Route, &["never"], &[]));
    assert_eq!(response.line(), "RDS -never");
    silent(&mut stream, delta_ack(&response));
    assert!(
        stream
            .on_snapshot(&snapshot([route("other", 1, &[])]))
            .is_empty()
    );
    let response = pushed(&mut stream, &snapshot([route("never", 1, &[])]));
    assert_eq!(response.line(), "RDS never@1");
}

#[test]
fn an_unsubscribed_name_is_not_sent_any_more() {
    let mut stream = open(&snapshot([route("a", 1, &[]), route("b", 1, &[])]));
    let first = one(&mut stream, subscribe(Route, &["a", "b"], &[]));
    silent(&mut stream, delta_ack(&first));
    silent(&mut stream, subscribe(Route, &[], &["b", "phantom"]));
    assert!(
        stream
            .on_snapshot(&snapshot([route("a", 1, &[]), route("b", 2, &[])]))
            .is_empty()
    );
    let again = one(&mut stream, subscribe(Route, &["b"], &[]));
    assert_eq!(again.line(), "RDS b@2");
}

#[test]
fn a_name_subscribed_to_again_is_sent_again() {
    let mut stream = open(&snapshot([endpoints("a", 1)]));
    let first = one(&mut stream, subscribe(Endpoint, &["a"], &[]));
    silent(&mut stream, delta_ack(&first));
    let again = one(&mut stream, subscribe(Endpoint, &["a"], &[]));
    assert_eq!(again.line(), "EDS a@1");
}

#[test]
fn a_change_of_subscription_with_a_stale_nonce_is_honoured() {
    let mut stream = open(&snapshot([endpoints("a", 1), endpoints("b", 1)]));
    let first = one(&mut stream, subscribe(Endpoint, &["a"], &[]));
    silent(&mut stream, delta_ack(&first));
    let second = pushed(
        &mut stream,
        &snapshot([endpoints("a", 2), endpoints("b", 1)]),
    );
    let stale = DeltaDiscoveryRequest {
        resource_names_subscribe: vec!["b".to_owned()],
        ..delta_ack(&first)
    };
    silent(&mut stream, stale);
    assert!(
        stream.status(Endpoint).in_flight.is_some(),
        "an old nonce acknowledges nothing"
    );
    let third = one(&mut stream, delta_ack(&second));
    assert_eq!(third.line(), "EDS b@1");
}

#[test]
fn a_subscription_superseded_while_its_response_waits_is_answered_as_it_is_now() {
    let mut stream = open(&snapshot([
        route("a", 1, &[]),
        route("b", 1, &[]),
        route("c", 1, &[]),
    ]));
    let first = one(&mut stream, subscribe(Route, &["a"], &[]));
    silent(&mut stream, subscribe(Route, &["b"], &[]));
    silent(&mut stream, subscribe(Route, &["c"], &["b"]));
    let second = one(&mut stream, delta_ack(&first));
    assert_eq!(second.line(), "RDS c@1");
}

#[test]
fn a_name_taken_away_and_asked_for_again_while_in_flight_is_sent_again() {
    let mut stream = open(&snapshot([route("a", 1, &[]), route("b", 1, &[])]));
    let first = one(&mut stream, subscribe(Route, &["a", "b"], &[]));
    silent(&mut stream, subscribe(Route, &[], &["a"]));
    silent(&mut stream, subscribe(Route, &["a"], &[]));
    let second = one(&mut stream, delta_ack(&first));
    assert_eq!(second.line(), "RDS a@1");
}

#[test]
fn the_wildcard_answers_for_a_name_that_is_no_longer_asked_for() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let first = one(&mut stream, subscribe(Cluster, &["*", "a", "phantom"], &[]));
    assert_eq!(first.line(), "CDS a@1 -phantom");
    silent(&mut stream, delta_ack(&first));
    let second = one(&mut stream, subscribe(Cluster, &[], &["a", "phantom"]));
    assert_eq!(second.line(), "CDS a@1 -phantom");
    silent(&mut stream, delta_ack(&second));
    assert!(stream.status(Cluster).in_sync);
}

#[test]
fn taking_away_the_wildcard_leaves_the_names() {
    let mut stream = open(&snapshot([cluster("a", 1), cluster("b", 1)]));
    let first = one(&mut stream, subscribe(Cluster, &["*", "a"], &[]));
    silent(&mut stream, delta_ack(&first));
    silent(&mut stream, subscribe(Cluster, &[], &["*"]));
    let change = pushed(&mut stream, &snapshot([cluster("a", 2), cluster("b", 2)]));
    assert_eq!(change.line(), "CDS a@2");
    silent(&mut stream, delta_ack(&change));
    let all = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    assert_eq!(all.line(), "CDS b@2");
}

#[test]
fn a_refused_version_waits_for_a_change() {
    let mut stream = open(&snapshot([extension("e", 1, &[])]));
    let first = one(&mut stream, subscribe(Extension, &["e"], &[]));
    silent(&mut stream, delta_nack(&first));
    assert!(
        stream
            .on_snapshot(&snapshot([extension("e", 1, &[])]))
            .is_empty()
    );
    assert_eq!(stream.status(Extension).refusal.unwrap().message, "bad");
    let fixed = pushed(&mut stream, &snapshot([extension("e", 2, &[])]));
    silent(&mut stream, delta_ack(&fixed));
    let status = stream.status(Extension);
    assert_eq!(
        (status.refusal, status.acks, status.nacks, status.in_sync),
        (None, 1, 1, true)
    );
}

#[test]
fn a_refused_version_is_sent_again_to_a_proxy_that_asks_again() {
    let mut stream = open(&snapshot([extension("e", 1, &[])]));
    let first = one(&mut stream, subscribe(Extension, &["e"], &[]));
    silent(&mut stream, delta_nack(&first));
    let again = one(&mut stream, subscribe(Extension, &["e"], &[]));
    assert_eq!(again.line(), "ECDS e@1");
}

#[test]
fn a_proxy_that_reconnects_is_sent_nothing_twice() {
    let target = snapshot([cluster("a", 1), cluster("b", 1)]);
    let mut stream = open(&target);
    silent(
        &mut stream,
        resume(
            Cluster,
            &["*"],
            &[("a", Some(&target)), ("b", Some(&target))],
        ),
    );
    let status = stream.status(Cluster);
    assert!(status.in_sync && status.acked_version == status.target_version);
}

#[test]
fn a_proxy_that_reconnects_is_sent_what_changed_and_told_what_is_gone() {
    let target = snapshot([
        extension("same", 1, &[]),
        extension("new", 1, &[]),
        extension("changed", 2, &[]),
    ]);
    let mut stream = open(&target);
    let has = [("same", Some(&target)), ("changed", None), ("gone", None)];
    let response = one(
        &mut stream,
        resume(Extension, &["same", "new", "changed", "gone"], &has),
    );
    assert_eq!(response.line(), "ECDS changed@2 new@1 -gone");
}

#[test]
fn a_gone_route_is_left_to_the_listener_that_uses_it() {
    let mut stream = open(&snapshot([cluster("a", 1), route("r", 1, &["a"])]));
    let clusters = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    silent(&mut stream, subscribe(Route, &["r"], &[]));
    let routes = one(&mut stream, delta_ack(&clusters));
    silent(&mut stream, delta_ack(&routes));
    assert!(stream.on_snapshot(&snapshot([])).is_empty());
    assert!(stream.status(Route).in_sync && !stream.status(Cluster).in_sync);
    let removal = one(&mut stream, subscribe(Route, &[], &["r"]));
    assert_eq!(removal.line(), "CDS -a");
}

#[test]
fn versions_from_before_count_only_in_the_first_request() {
    let target = snapshot([route("a", 1, &[]), route("b", 1, &[])]);
    let mut stream = open(&target);
    let first = one(&mut stream, subscribe(Route, &["a"], &[]));
    silent(&mut stream, delta_ack(&first));
    let second = one(&mut stream, resume(Route, &["b"], &[("b", Some(&target))]));
    assert_eq!(second.line(), "RDS b@1");
}

#[test]
fn a_reconnecting_proxy_keeps_a_gone_cluster_until_its_old_route_is_replaced() {
    let target = snapshot([cluster("new", 1), route("r", 2, &["new"])]);
    let mut stream = open(&target);
    let clusters = one(&mut stream, resume(Cluster, &["*"], &[("old", None)]));
    assert_eq!(clusters.line(), "CDS new@1");
    silent(&mut stream, resume(Route, &["r"], &[("r", None)]));
    let routes = one(&mut stream, delta_ack(&clusters));
    assert_eq!(routes.line(), "RDS r@2");
    let removal = one(&mut stream, delta_ack(&routes));
    assert_eq!(removal.line(), "CDS -old");
}

#[test]
fn a_reconnecting_proxy_with_no_routes_is_told_of_a_gone_cluster_after_one_round_trip() {
    let target = snapshot([cluster("a", 1)]);
    let mut stream = open(&target);
    let pause = one(
        &mut stream,
        resume(Cluster, &["*"], &[("a", Some(&target)), ("old", None)]),
    );
    assert_eq!(pause.line(), "CDS");
    let removal = one(&mut stream, delta_ack(&pause));
    assert_eq!(removal.line(), "CDS -old");
    silent(&mut stream, delta_ack(&removal));
    assert!(stream.status(Cluster).in_sync);
}

#[test]
fn endpoints_are_sent_again_after_their_cluster_changes() {
    let mut stream = open(&snapshot([eds_cluster("a", 1), endpoints("a", 1)]));
    let clusters = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    let ends = one(&mut stream, subscribe(Endpoint, &["a"], &[]));
    silent(&mut stream, delta_ack(&clusters));
    silent(&mut stream, delta_ack(&ends));
    let responses = stream.on_snapshot(&snapshot([eds_cluster("a", 2), endpoints("a", 1)]));
    assert_eq!(lines(&responses), ["CDS a@2", "EDS a@1"]);
}

#[test]
fn endpoints_of_a_changed_cluster_wait_for_the_cluster() {
    let mut stream = open(&snapshot([eds_cluster("a", 1), endpoints("a", 1)]));
    let clusters = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    let ends = one(&mut stream, subscribe(Endpoint, &["a"], &[]));
    silent(&mut stream, delta_ack(&ends));
    assert!(
        stream
            .on_snapshot(&snapshot([eds_cluster("a", 2), endpoints("a", 2)]))
            .is_empty()
    );
    let responses = stream.on_request(delta_ack(&clusters)).unwrap();
    assert_eq!(lines(&responses), ["CDS a@2", "EDS a@2"]);
}

#[test]
fn endpoints_are_sent_again_after_a_reconnect_that_brings_an_earlier_cluster_back() {
    let target = snapshot([eds_cluster("a", 1), endpoints("a", 1)]);
    let mut stream = open(&target);
    let clusters = one(&mut stream, resume(Cluster, &["*"], &[("a", None)]));
    assert_eq!(clusters.line(), "CDS a@1");
    // The proxy has these very endpoints, but got them before the cluster that warms up now.
    let again = one(
        &mut stream,
        resume(Endpoint, &["a"], &[("a", Some(&target))]),
    );
    assert_eq!(again.line(), "EDS a@1");
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let first = one(&mut stream, subscribe(Cluster, &["*"], &[]));
    silent(&mut stream, delta_ack(&first));
    silent(&mut stream, delta_nack(&first));
    silent(
        &mut stream,
        DeltaDiscoveryRequest {
            response_nonce: "-1".to_owned(),
            ..delta_nack(&first)
        },
    );
    let status = stream.status(Cluster);
    assert_eq!((status.acks, status.nacks, status.in_sync), (1, 0, true));
}

#[test]
fn an_unknown_type_is_reported_and_the_stream_lives() {
    let mut stream = open(&snapshot([cluster("a", 1)]));
    let request = DeltaDiscoveryRequest {
        type_url: "\u{0}".to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    assert!(matches!(
        stream.on_request(request),
        Err(RequestError::UnknownType { .. })
    ));
    one(&mut stream, subscribe(Cluster, &["*"], &[]));
}

#[test]
fn too_many_names_are_refused_however_slowly_they_come() {
    let mut stream = open(&snapshot([]));
    let names = |from: usize, to: usize| (from..to).map(|n| format!("n{n}")).collect();
    let request = |names| DeltaDiscoveryRequest {
        resource_names_subscribe: names,
        ..subscribe(Endpoint, &[], &[])
    };
    one(&mut stream, request(names(0, MAX_NAMES)));
    silent(&mut stream, request(names(0, 5)));
    let error = stream
        .on_request(request(names(MAX_NAMES, MAX_NAMES + 1)))
        .unwrap_err();
    assert!(
        matches!(error, RequestError::TooManyNames { ty: Endpoint, count } if count == MAX_NAMES + 1)
    );
    let mut flood = subscribe(Route, &[], &[]);
    flood.initial_resource_versions = (0..100_000)
        .map(|n| (format!("n{n}"), String::new()))
        .collect();
    assert!(matches!(
        stream.on_request(flood),
        Err(RequestError::TooManyNames { .. })
    ));
}

#[test]
fn a_proxy_that_drops_everything_frees_what_was_in_flight() {
    let mut stream = open(&snapshot([route("r", 1, &[]), extension("e", 1, &["c"])]));
    one(&mut stream, subscribe(Route, &["r"], &[]));
    silent(&mut stream, subscribe(Extension, &["e"], &[]));
    let responses = stream.on_request(subscribe(Route, &[], &["r"])).unwrap();
    assert_eq!(lines(&responses), ["ECDS e@1"]);
}
