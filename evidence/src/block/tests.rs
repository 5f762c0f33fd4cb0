use super::*;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]{1,2}", ".{0,5}"]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[0-9a-f]{32}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[0-9A-F]{32}",
        ".{0,40}",
    ]
}

prop_compose! {
    fn execution()(
        time in any::<i64>(), texts in proptest::array::uniform5(text()), ids in (id(), id()),
        reached_upstream in any::<bool>(), status in any::<u16>(), flags in 0..(1_u32 << 28),
        attempts in any::<u32>(), numbers in any::<[u64; 5]>(),
        outcomes in proptest::collection::vec(("[a-z]{1,3}", -1e3..1e3_f64), 0..3),
    ) -> Execution {
        let [service, config_version, proxy, upstream_cluster, upstream_host] = texts;
        let [duration_us, ttfb_us, ttlb_us, bytes_in, bytes_out] = numbers;
        Execution {
            time, service, config_version, proxy, request_id: ids.0, trace_id: ids.1,
            upstream_cluster, upstream_host, reached_upstream, status, flags: ResponseFlags(flags),
            attempts, duration_us, ttfb_us, ttlb_us, bytes_in, bytes_out, outcomes,
        }
    }
}

prop_compose! {
    fn exposure()(
        variant in "[a-c]", served in proptest::option::of("[a-c]"), fallback_used in any::<bool>(),
        reason in 0..9_i32, unit_type in text(), key in any::<[u8; 16]>(),
        plain in proptest::option::of(text()), mirror in proptest::option::of("[a-c]"),
        probability in prop_oneof![Just(0.0), 0.0..1.0_f64], execution in execution(),
    ) -> Exposure {
        Exposure {
            experiment: "chat".to_owned(), variant, served, fallback_used,
            reason: Reason::of_number(reason), unit_type, unit: Unit { key: UnitKey(key), plain },
            probability, mirror, execution: Arc::new(execution),
        }
    }
}

fn block(exposures: &[Exposure]) -> Block {
    let mut builder = BlockBuilder::default();
    exposures.iter().for_each(|it| builder.push(it));
    builder.seal("chat".to_owned())
}

proptest! {
    #[test]
    fn exposures_come_back_as_they_were(exposures in proptest::collection::vec(exposure(), 0..20)) {
        let block = block(&exposures);
        let open = block.open().unwrap();
        prop_assert_eq!(open.exposures().collect::<Vec<_>>(), exposures.clone());
        for (row, it) in exposures.iter().enumerate() {
            let essence = open.essence(row);
            prop_assert_eq!(essence.unit, it.unit.key);
            prop_assert_eq!(essence.time, it.execution.time);
            prop_assert_eq!(essence.variant, it.variant.as_str());
            prop_assert_eq!(essence.reached_upstream && !essence.forced, it.counts());
            prop_assert_eq!(essence.failed, it.execution.failed());
        }
        let times = exposures.iter().map(|it| it.execution.time);
        prop_assert_eq!(block.first, times.clone().min().unwrap_or(0));
        prop_assert_eq!(block.last, times.max().unwrap_or(0));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = OpenBlock::of("chat".to_owned(), &bytes).map(|it| it.exposures().count());
        let packed = lz4_flex::compress_prepend_size(&bytes);
        let _ = OpenBlock::of("chat".to_owned(), &packed).map(|it| it.exposures().count());
    }
}

#[test]
fn a_block_that_is_no_block_says_why() {
    let fault = |data: &[u8]| {
        OpenBlock::of("chat".to_owned(), data)
            .unwrap_err()
            .to_string()
    };
    assert!(fault(&[1]).starts_with("it does not decompress: "));
    assert!(fault(&[255; 8]).contains("bytes, at most"));
    let ragged = Columns {
        rows: 3,
        ..Columns::default()
    };
    let packed = lz4_flex::compress_prepend_size(&ragged.encode_to_vec());
    assert_eq!(fault(&packed), "its columns are not of the same length");
}
