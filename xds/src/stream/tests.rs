//! What both wire protocols have in common at their face: streams of one type, and who is on the other side.

use envoy_types::pb::{
    envoy::{config::core::v3::Node, service::discovery::v3::DiscoveryRequest},
    google::protobuf::{ListValue, Struct, Value, value::Kind},
};

use crate::{
    DeltaStream, NodeIdentity, RequestError,
    ResourceType::{self, Cluster, Endpoint, Route},
    SotwStream, XdsStream,
    testing::{ask, cluster, eds_cluster, endpoints, lines, route, snapshot, subscribe},
};

#[test]
fn a_stream_of_one_type_serves_it_whether_or_not_the_request_names_it() {
    for url in [Endpoint.type_url(), ""] {
        let mut sotw = SotwStream::only(Endpoint);
        sotw.on_snapshot(&snapshot([eds_cluster("a", 1), endpoints("a", 1)]));
        let mut request = ask(Endpoint, &["a"]);
        url.clone_into(&mut request.type_url);
        assert_eq!(lines(&sotw.on_request(request).unwrap()), ["EDS a@1"]);

        let mut delta = DeltaStream::only(Endpoint);
        delta.on_snapshot(&snapshot([eds_cluster("a", 1), endpoints("a", 1)]));
        let mut request = subscribe(Endpoint, &["a"], &[]);
        url.clone_into(&mut request.type_url);
        assert_eq!(lines(&delta.on_request(request).unwrap()), ["EDS a@1"]);
    }
}

#[test]
fn a_stream_of_one_type_refuses_another_and_says_which_it_serves() {
    for asked in [Cluster.type_url(), "garbage"] {
        let mut request = ask(Cluster, &[]);
        asked.clone_into(&mut request.type_url);
        let fault = SotwStream::only(Route).on_request(request).unwrap_err();
        let text =
            format!("this is a stream of RDS: resources of type `{asked}` are asked for elsewhere");
        assert_eq!(fault.to_string(), text);
        let mut request = subscribe(Cluster, &["*"], &[]);
        asked.clone_into(&mut request.type_url);
        let fault = DeltaStream::only(Route).on_request(request).unwrap_err();
        assert!(matches!(fault, RequestError::OtherType { ty: Route, .. }));
    }
}

#[test]
fn an_aggregated_stream_has_to_be_told_the_type() {
    let mut request = ask(Cluster, &[]);
    request.type_url.clear();
    let fault = SotwStream::new().on_request(request).unwrap_err();
    assert!(matches!(fault, RequestError::UnknownType { .. }), "{fault}");
}

#[test]
fn a_stream_of_routes_waits_for_no_cluster_because_it_cannot_know_them() {
    let mut stream = SotwStream::only(Route);
    stream.on_snapshot(&snapshot([cluster("a", 1), route("r", 1, &["a"])]));
    let responses = stream.on_request(ask(Route, &["r"])).unwrap();
    assert_eq!(lines(&responses), ["RDS r@1"]);
}

#[test]
fn endpoints_on_a_stream_of_their_own_are_sent_again_after_their_cluster_changed() {
    let mut stream = DeltaStream::only(Endpoint);
    stream.on_snapshot(&snapshot([eds_cluster("a", 1), endpoints("a", 1)]));
    let first = stream.on_request(subscribe(Endpoint, &["a"], &[])).unwrap();
    let ack = crate::testing::delta_ack(first.first().unwrap());
    assert!(stream.on_request(ack).unwrap().is_empty());
    let again = stream.on_snapshot(&snapshot([eds_cluster("a", 2), endpoints("a", 1)]));
    assert_eq!(lines(&again), ["EDS a@1"]);
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn fields(key: &str, value: Value) -> Struct {
    Struct {
        fields: [(key.to_owned(), value)].into(),
    }
}

/// The slice read from `metadata.watershed`.
fn slice_of(watershed: Value) -> Option<String> {
    let node = Node {
        metadata: Some(fields("watershed", watershed)),
        ..Node::default()
    };
    NodeIdentity::from(&node).slice
}

#[test]
fn the_slice_is_read_from_the_metadata_of_the_node() {
    let slice = |kind| slice_of(value(Kind::StructValue(fields("slice", value(kind)))));
    let canary = slice(Kind::StringValue("canary".to_owned()));
    assert_eq!(canary.as_deref(), Some("canary"));
    assert_eq!(slice(Kind::NullValue(0)), None);
    assert_eq!(NodeIdentity::from(&Node::default()).slice, None);
    let other = slice_of(value(Kind::StructValue(fields(
        "other",
        value(Kind::BoolValue(true)),
    ))));
    assert_eq!(other, None);
}

#[test]
fn a_slice_that_is_no_text_is_told_apart_from_none() {
    let garbage = [
        Kind::NumberValue(7.0),
        Kind::BoolValue(true),
        Kind::ListValue(ListValue::default()),
        Kind::StructValue(Struct::default()),
    ];
    for kind in garbage {
        let told = slice_of(value(Kind::StructValue(fields("slice", value(kind)))));
        assert_eq!(told.as_deref(), Some(NodeIdentity::NO_TEXT));
    }
    let flat = slice_of(value(Kind::NumberValue(1.0)));
    assert_eq!(flat.as_deref(), Some(NodeIdentity::NO_TEXT));
}

#[test]
fn every_type_has_a_stream_of_its_own_in_both_protocols() {
    for ty in ResourceType::ALL {
        let request = DiscoveryRequest {
            type_url: ty.type_url().to_owned(),
            ..DiscoveryRequest::default()
        };
        assert!(SotwStream::only(ty).on_request(request).is_ok());
        let request = subscribe(ty, &["a"], &[]);
        assert!(DeltaStream::only(ty).on_request(request).is_ok());
    }
}
