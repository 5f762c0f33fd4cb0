use super::*;
use crate::catalog::Variant;
use crate::unit::Privacy;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address, socket_address};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpRequestProperties, HttpResponseProperties, ResponseFlags,
};
use envoy_types::pb::google::protobuf::{Duration, Timestamp, UInt32Value};
use proptest::prelude::*;
use watershed_proto::filter::v1::Reason as Wire;

fn bytes_value(value: Vec<u8>) -> Any {
    Any {
        type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
        value: BytesValue { value }.encode_to_vec(),
    }
}

fn assignment(experiment: &str, variant: &str) -> Assignment {
    Assignment {
        experiment: experiment.to_owned(),
        variant: variant.to_owned(),
        unit_type: "conversation".to_owned(),
        unit: "c-1".to_owned(),
        reason: Wire::Hashed.into(),
        ..Assignment::default()
    }
}

fn record_of(assignments: Vec<Assignment>) -> AssignmentRecord {
    AssignmentRecord {
        config_version: "0123456789abcdef".to_owned(),
        service: "chat".to_owned(),
        cluster: "candidate-b".to_owned(),
        assignments,
        ..AssignmentRecord::default()
    }
}

fn millis(millis: i32) -> Option<Duration> {
    Some(Duration {
        seconds: 0,
        nanos: millis * 1_000_000,
    })
}

/// An entry of Envoy's, answered by `cluster` at the attempt.
fn entry_of(state: Option<Any>, cluster: &str, attempts: u32) -> HttpAccessLogEntry {
    let states = state.into_iter();
    let socket = SocketAddress {
        address: "10.0.0.7".to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(8_080)),
        ..SocketAddress::default()
    };
    let common = AccessLogCommon {
        start_time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_456_789,
        }),
        time_to_first_upstream_tx_byte: millis(1),
        time_to_first_upstream_rx_byte: millis(20),
        time_to_last_upstream_rx_byte: millis(30),
        duration: millis(31),
        upstream_remote_address: Some(Address {
            address: Some(address::Address::SocketAddress(socket)),
        }),
        upstream_cluster: cluster.to_owned(),
        upstream_request_attempt_count: attempts,
        filter_state_objects: states
            .map(|it| (RECORD_FILTER_STATE.to_owned(), it))
            .collect(),
        ..AccessLogCommon::default()
    };
    let headers = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    HttpAccessLogEntry {
        common_properties: Some(common),
        request: Some(HttpRequestProperties {
            request_id: "6f1c3f6e-0000-4000-8000-000000000001".to_owned(),
            request_headers_bytes: 100,
            request_body_bytes: 20,
            request_headers: headers(
                "traceparent",
                "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
            ..HttpRequestProperties::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: Some(UInt32Value { value: 200 }),
            response_headers_bytes: 50,
            response_body_bytes: 1_000,
            response_headers: headers("x-experiment-outcome", "cost_usd=0.014, oops, tokens=412"),
            ..HttpResponseProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    }
}

fn catalog() -> Catalog {
    let routed = |key: &str| Variant {
        key: key.to_owned(),
        cluster: Some(key.to_owned()),
        mirror: (key == "candidate-b").then(|| "shadow".to_owned()),
    };
    let mut catalog = Catalog::default();
    catalog.insert("chat-model", vec![routed("stable"), routed("candidate-b")]);
    let stamped = Variant {
        key: "warm".to_owned(),
        ..Variant::default()
    };
    catalog.insert("tone", vec![stamped]);
    catalog
}

fn read_with(entry: HttpAccessLogEntry, catalog: &Catalog) -> Entry {
    let units = UnitHasher::new(&[7; 32], Privacy::Plain);
    let context = Context {
        proxy: "edge-1",
        catalog,
        units: &units,
    };
    read(entry, context)
}

fn exposures(entry: HttpAccessLogEntry) -> Vec<Exposure> {
    match read_with(entry, &catalog()) {
        Entry::Assigned { exposures, .. } => exposures,
        other => panic!("{other:?}"),
    }
}

fn chat(cluster: &str, attempts: u32) -> HttpAccessLogEntry {
    let record = record_of(vec![assignment("chat-model", "candidate-b")]);
    entry_of(Some(bytes_value(record.encode_to_vec())), cluster, attempts)
}

#[test]
fn an_entry_tells_what_was_assigned_and_what_envoy_did() {
    let Entry::Assigned {
        exposures,
        outcome_garbage,
    } = read_with(chat("candidate-b", 1), &catalog())
    else {
        panic!("not assigned")
    };
    assert_eq!(outcome_garbage, 1);
    let [it] = exposures.as_slice() else {
        panic!("{exposures:?}")
    };
    assert_eq!(
        (it.experiment.as_str(), it.variant.as_str()),
        ("chat-model", "candidate-b")
    );
    assert_eq!(it.served.as_deref(), Some("candidate-b"));
    assert!(it.counts() && !it.fallback_used && !it.inherited());
    assert_eq!(it.reason, Reason::Hashed);
    assert_eq!(it.unit.plain.as_deref(), Some("c-1"));
    assert_eq!(it.mirror.as_deref(), Some("shadow"));
    let expected = Execution {
        time: 1_700_000_000_123_456,
        service: "chat".to_owned(),
        config_version: "0123456789abcdef".to_owned(),
        proxy: "edge-1".to_owned(),
        request_id: "6f1c3f6e-0000-4000-8000-000000000001".to_owned(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        upstream_cluster: "candidate-b".to_owned(),
        upstream_host: "10.0.0.7:8080".to_owned(),
        reached_upstream: true,
        status: 200,
        attempts: 1,
        duration_us: 31_000,
        ttfb_us: 20_000,
        ttlb_us: 30_000,
        bytes_in: 120,
        bytes_out: 1_050,
        outcomes: vec![("cost_usd".to_owned(), 0.014), ("tokens".to_owned(), 412.0)],
        ..Execution::default()
    };
    assert_eq!(*it.execution, expected);
}

#[test]
fn what_another_cluster_answered_is_a_fallback_and_served_by_whose_that_is() {
    let it = exposures(chat("stable", 2)).remove(0);
    assert_eq!(
        (it.served.as_deref(), it.fallback_used),
        (Some("stable"), true)
    );
    let unknown = exposures(chat("somebody", 1)).remove(0);
    assert_eq!((unknown.served, unknown.fallback_used), (None, true));
}

#[test]
fn the_attempt_tells_which_member_of_a_composite_cluster_answered() {
    for (attempts, served, fallback) in [
        (1, "candidate-b", false),
        (2, "stable", true),
        (7, "stable", true),
    ] {
        let it = exposures(chat("candidate-b+stable", attempts)).remove(0);
        assert_eq!(
            (it.served.as_deref(), it.fallback_used),
            (Some(served), fallback)
        );
        assert_eq!(it.execution.upstream_cluster, served);
    }
}

#[test]
fn a_variant_that_only_stamps_headers_is_served_by_whoever_answers() {
    let both = vec![
        assignment("chat-model", "candidate-b"),
        assignment("tone", "warm"),
    ];
    let state = bytes_value(record_of(both).encode_to_vec());
    let got = exposures(entry_of(Some(state), "stable", 2));
    assert_eq!(got[0].served.as_deref(), Some("stable"));
    assert_eq!(
        (got[1].served.as_deref(), got[1].fallback_used),
        (Some("warm"), false)
    );
    assert!(Arc::ptr_eq(&got[0].execution, &got[1].execution));
}

#[test]
fn without_a_catalog_the_cluster_that_was_asked_for_is_compared() {
    for (cluster, served, fallback) in [
        ("candidate-b", Some("candidate-b"), false),
        ("stable", None, true),
    ] {
        let Entry::Assigned { exposures, .. } = read_with(chat(cluster, 1), &Catalog::default())
        else {
            panic!("not assigned")
        };
        assert_eq!(
            (exposures[0].served.as_deref(), exposures[0].fallback_used),
            (served, fallback)
        );
    }
}

#[test]
fn what_envoy_answered_itself_is_kept_and_does_not_count() {
    let mut entry = chat("candidate-b", 0);
    let common = entry.common_properties.as_mut().unwrap();
    common.time_to_first_upstream_tx_byte = None;
    common.time_to_first_upstream_rx_byte = None;
    common.response_flags = Some(ResponseFlags {
        no_healthy_upstream: true,
        ..ResponseFlags::default()
    });
    let it = exposures(entry).remove(0);
    assert!(!it.execution.reached_upstream && !it.counts());
    assert_eq!((it.served, it.fallback_used), (None, false));
    assert_eq!(it.execution.flags.to_string(), "UH");
}

#[test]
fn what_was_forced_does_not_count_and_what_was_inherited_does() {
    let of = |reason: Wire| {
        let mut given = assignment("chat-model", "candidate-b");
        given.reason = reason.into();
        let state = bytes_value(record_of(vec![given]).encode_to_vec());
        exposures(entry_of(Some(state), "candidate-b", 1)).remove(0)
    };
    let (forced, inherited) = (of(Wire::Forced), of(Wire::Inherited));
    assert!(forced.forced() && !forced.counts());
    assert!(inherited.inherited() && inherited.counts());
}

#[test]
fn an_entry_without_a_record_is_unassigned_and_one_in_between_is_unfinished() {
    assert_eq!(
        read_with(HttpAccessLogEntry::default(), &catalog()),
        Entry::Unassigned
    );
    assert_eq!(
        read_with(entry_of(None, "x", 1), &catalog()),
        Entry::Unassigned
    );
    let mut unfinished = chat("candidate-b", 1);
    let common = unfinished.common_properties.as_mut().unwrap();
    common.set_access_log_type(AccessLogType::DownstreamPeriodic);
    assert_eq!(read_with(unfinished, &catalog()), Entry::Unfinished);
}

fn fault(state: Any) -> String {
    match read_with(entry_of(Some(state), "x", 1), &catalog()) {
        Entry::Garbage(fault) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_cannot_be_read_says_why() {
    let foreign = Any {
        type_url: "type.googleapis.com/foo.Bar".to_owned(),
        value: vec![1],
    };
    assert_eq!(
        fault(foreign),
        r#"filter state holds "type.googleapis.com/foo.Bar" where a BytesValue is expected"#
    );
    let of = |assignments| fault(bytes_value(record_of(assignments).encode_to_vec()));
    assert_eq!(of(vec![]), "record names no assignment");
    let nameless = vec![assignment("a", "b"), assignment("a", "")];
    assert_eq!(
        of(nameless),
        "assignment 1 of the record lacks its experiment, variant or unit"
    );
    let many = vec![assignment("a", "b"); 65];
    assert_eq!(of(many), "record has 65 assignments, at most 64 are read");
}

#[test]
fn texts_are_cut_at_a_bound() {
    let mut entry = chat("candidate-b", 1);
    entry.request.as_mut().unwrap().request_id = "é".repeat(1_000_000);
    let it = exposures(entry).remove(0);
    assert_eq!(it.execution.request_id, "é".repeat(128));
}

#[test]
fn an_entry_of_16_mib_is_read_and_what_is_kept_of_it_is_small() {
    const MANY: usize = 16 << 20;
    let mut entry = chat("candidate-b", 1);
    entry.response.as_mut().unwrap().response_headers =
        [("x-experiment-outcome".to_owned(), "a=1,".repeat(MANY / 4))].into();
    entry.request.as_mut().unwrap().request_id = "r".repeat(MANY);
    entry.common_properties.as_mut().unwrap().upstream_cluster = "+".repeat(MANY);
    let it = exposures(entry).remove(0);
    assert!(it.execution.outcomes.is_empty());
    assert_eq!(
        (
            it.execution.request_id.len(),
            it.execution.upstream_cluster.len()
        ),
        (256, 0)
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let wrapped = Any {
            type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
            value: bytes.clone(),
        };
        let _ = read_with(entry_of(Some(wrapped), "x", 1), &catalog());
        let _ = read_with(entry_of(Some(bytes_value(bytes.clone())), "x", 1), &catalog());
        if let Ok(entry) = HttpAccessLogEntry::decode(bytes.as_slice()) {
            let _ = read_with(entry, &catalog());
        }
    }

    #[test]
    fn any_times_and_counts_are_taken(seconds in any::<i64>(), nanos in any::<i32>(), attempts in any::<u32>()) {
        let mut entry = chat("a+b", attempts);
        let common = entry.common_properties.as_mut().unwrap();
        common.start_time = Some(Timestamp { seconds, nanos });
        common.duration = Some(Duration { seconds, nanos });
        let _ = exposures(entry);
    }
}
