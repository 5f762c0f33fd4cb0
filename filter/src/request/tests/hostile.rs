//! Any bytes, anywhere: no panic, and nothing of a client's passes for a stamp.

use super::*;
use proptest::prelude::*;

/// Names that mean something to the filter, and others; values of any bytes.
fn hostile_headers() -> impl Strategy<Value = Vec<Pair>> {
    let known = prop::sample::select(vec![
        ":authority",
        ":path",
        ":method",
        "host",
        "cookie",
        "x-conversation-id",
        "x-user",
        "x-tier",
        "X-Variant",
        "x-experiment-id",
        "X-Watershed-Cluster",
    ]);
    let name = prop_oneof![
        4 => known.prop_map(|name| name.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let value = prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..300),
        1 => prop::sample::select(vec!["chat.example.com", "/v1/x?conversation=%", "gold", "cid=1; cid", ""])
            .prop_map(|value| value.as_bytes().to_vec()),
    ];
    prop::collection::vec((name, value), 0..30)
}

proptest! {
    #[test]
    fn hostile_headers_never_panic_and_never_survive_as_a_stamp(headers in hostile_headers()) {
        let host = handled(&json!({"endMs": "5"}), &headers);
        let honest: Vec<Pair> = headers
            .iter()
            .filter(|(name, _)| !OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())))
            .cloned()
            .collect();
        let expected = handled(&json!({"endMs": "5"}), &honest);
        prop_assert_eq!(host.headers(), expected.headers());
        prop_assert_eq!(host.record(), expected.record());
        prop_assert_eq!(host.count(counters::HOST_ERROR), 0);
    }
}
