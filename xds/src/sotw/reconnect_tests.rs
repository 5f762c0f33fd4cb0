//! Reconnects in the state-of-the-world protocol, replayed without a network.

use super::tests::{one, open, pushed, quiet, silent};
use super::*;
use crate::{
    ResourceType::{Cluster, Endpoint, Listener, Route},
    testing::{Readable, ack, ask, cluster, endpoints, listener, nack, route, snapshot},
};

#[test]
fn a_partial_refusal_does_not_pass_for_the_whole_after_a_reconnect() {
    let start = snapshot([endpoints("a", 1), endpoints("b", 1)]);
    let target = snapshot([endpoints("a", 2), endpoints("b", 2)]);
    let mut stream = open(&start);
    let first = one(&mut stream, ask(Endpoint, &["a", "b"]));
    silent(&mut stream, ack(&first, &["a", "b"]));
    let refused = pushed(
        &mut stream,
        &snapshot([endpoints("a", 2), endpoints("b", 1)]),
    );
    silent(&mut stream, nack(&refused, &["a", "b"]));
    let accepted = pushed(&mut stream, &target);
    assert_eq!(accepted.line(), "EDS b@2");
    let mut resume = ack(&accepted, &["a", "b"]);
    resume.response_nonce.clear();
    let again = one(&mut open(&target), resume);
    assert_eq!(again.line(), "EDS a@2 b@2");
}

#[test]
fn a_proxy_that_lost_sight_of_its_listeners_does_not_lose_them_to_a_held_one() {
    let target = snapshot([
        cluster("new", 1),
        listener("a", 2, &["new"]),
        listener("b", 1, &[]),
    ]);
    let mut stream = open(&target);
    let clusters = one(&mut stream, ask(Cluster, &[]));
    let resume = DiscoveryRequest {
        version_info: "older".to_owned(),
        ..ask(Listener, &[])
    };
    silent(&mut stream, resume);
    let listeners = one(&mut stream, ack(&clusters, &[]));
    assert_eq!(listeners.line(), "LDS a@2 b@1");
}

#[test]
fn a_proxy_that_reconnects_in_step_is_sent_nothing_and_counts_as_acknowledged() {
    let target = snapshot([
        cluster("a", 1),
        route("r", 1, &["a"]),
        route("other", 1, &[]),
    ]);
    let mut before = open(&target);
    let clusters = one(&mut before, ask(Cluster, &[]));
    silent(&mut before, ack(&clusters, &[]));
    let routes = one(&mut before, ask(Route, &["r"]));

    let mut after = open(&target);
    let mut resume = ack(&clusters, &[]);
    resume.response_nonce.clear();
    silent(&mut after, resume);
    let mut resume = ack(&routes, &["r"]);
    resume.response_nonce.clear();
    silent(&mut after, resume);
    for ty in [Cluster, Route] {
        let status = after.status(ty);
        assert!(status.in_sync && status.acked_version == status.target_version);
    }
}

#[test]
fn a_proxy_that_reconnects_with_more_names_is_sent_all_of_them() {
    let target = snapshot([route("a", 1, &[]), route("b", 1, &[])]);
    let mut before = open(&target);
    let routes = one(&mut before, ask(Route, &["a"]));
    let mut resume = ack(&routes, &["a", "b"]);
    resume.response_nonce.clear();
    let response = one(&mut open(&target), resume);
    assert_eq!(response.line(), "RDS a@1 b@1");
}

#[test]
fn a_proxy_that_reconnects_before_the_snapshot_is_known_is_compared_later() {
    let target = snapshot([cluster("a", 1)]);
    let clusters = one(&mut open(&target), ask(Cluster, &[]));
    let mut resume = ack(&clusters, &[]);
    resume.response_nonce.clear();
    let mut after = SotwStream::new();
    silent(&mut after, resume);
    quiet(&mut after, &target);
    assert!(after.status(Cluster).in_sync);
}
