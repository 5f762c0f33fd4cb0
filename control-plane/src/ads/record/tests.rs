//! Proxies that come, accept, refuse and go, as data.

use super::*;
use envoy_types::pb::google::protobuf::Any;
use watershed_xds::{
    Resource,
    ResourceType::{Cluster, Extension},
    Snapshot,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn version(n: u8) -> Version {
    let body = Any {
        type_url: Cluster.type_url().to_owned(),
        value: vec![n],
    };
    let mut builder = Snapshot::builder();
    builder.add(Cluster, Resource::new("a", body, []));
    builder.build().version()
}

fn unasked() -> TypeStatus {
    TypeStatus {
        subscribed: false,
        target_version: None,
        sent_version: None,
        acked_version: None,
        in_flight: None,
        refusal: None,
        acks: 0,
        nacks: 0,
        in_sync: false,
    }
}

fn sent(acks: u64) -> TypeStatus {
    TypeStatus {
        subscribed: true,
        in_flight: Some(acks + 1),
        acks,
        acked_version: (acks > 0).then(|| version(0)),
        ..unasked()
    }
}

fn accepted(acks: u64) -> TypeStatus {
    TypeStatus {
        subscribed: true,
        acks,
        acked_version: Some(version(0)),
        in_sync: true,
        ..unasked()
    }
}

fn refused(acks: u64, nacks: u64) -> TypeStatus {
    TypeStatus {
        in_sync: false,
        nacks,
        refusal: Some(Refusal {
            version: version(9),
            message: "bad".to_owned(),
        }),
        ..accepted(acks)
    }
}

/// The status of the named types; the others were not asked for.
fn statuses(of: &[(ResourceType, TypeStatus)]) -> PerType<TypeStatus> {
    PerType::from_fn(|ty| {
        let named = of.iter().find(|(named, _)| *named == ty);
        named.map_or_else(unasked, |(_, status)| status.clone())
    })
}

struct Slice {
    record: SliceRecord,
    now: i64,
}

impl Slice {
    fn with(nodes: &[&str]) -> Self {
        let mut slice = Self {
            record: SliceRecord::default(),
            now: 0,
        };
        for (id, node) in (0..).zip(nodes) {
            slice.record.open(node, id, at(0));
        }
        slice
    }

    fn says(
        &mut self,
        node: &str,
        stream: u64,
        seen: u8,
        of: &[(ResourceType, TypeStatus)],
    ) -> PerType<News> {
        self.now += 1;
        let now = at(self.now);
        self.record
            .note((node, stream), &statuses(of), version(seen), now)
    }

    fn by_all(&self) -> Option<(Version, i64)> {
        let last = self.record.accepted_by_all?;
        Some((last.version, last.at.as_second()))
    }
}

#[test]
fn a_version_is_rolled_out_when_the_last_proxy_has_accepted_it() {
    let mut slice = Slice::with(&["a", "b"]);
    slice.says("a", 0, 1, &[(Extension, accepted(1))]);
    assert_eq!(slice.by_all(), None);
    slice.says("b", 1, 1, &[(Extension, sent(0))]);
    assert_eq!(slice.by_all(), None);
    slice.says("b", 1, 1, &[(Extension, accepted(1))]);
    assert_eq!(slice.by_all(), Some((version(1), 3)));
}

#[test]
fn a_version_that_one_refused_is_not_rolled_out_and_the_last_good_one_stays_known() {
    let mut slice = Slice::with(&["a", "b"]);
    slice.says("a", 0, 1, &[(Extension, accepted(1))]);
    slice.says("b", 1, 1, &[(Extension, accepted(1))]);
    slice.says("a", 0, 2, &[(Extension, accepted(2))]);
    slice.says("b", 1, 2, &[(Extension, refused(1, 1))]);
    assert_eq!(slice.by_all(), Some((version(1), 2)));
    let b = &slice.record.nodes["b"];
    assert_eq!((b.accepted, b.settled()), (Some(version(1)), None));
    slice.says("b", 1, 3, &[(Extension, accepted(2))]);
    slice.says("a", 0, 3, &[(Extension, accepted(3))]);
    assert_eq!(slice.by_all(), Some((version(3), 6)));
}

#[test]
fn a_refusal_of_any_type_counts_not_only_of_the_filters() {
    let mut slice = Slice::with(&["a"]);
    let good = [(Cluster, accepted(1)), (Extension, accepted(1))];
    slice.says("a", 0, 1, &good);
    slice.says(
        "a",
        0,
        2,
        &[(Cluster, refused(1, 1)), (Extension, accepted(2))],
    );
    assert_eq!(slice.by_all(), Some((version(1), 1)));
    assert_eq!(slice.record.nodes["a"].accepted, Some(version(1)));
}

#[test]
fn a_proxy_that_has_not_asked_for_the_filter_yet_has_not_accepted_the_version() {
    let mut slice = Slice::with(&["a"]);
    slice.says("a", 0, 1, &[(Cluster, accepted(1))]);
    assert_eq!(slice.by_all(), None);
    let both = [(Cluster, accepted(1)), (Extension, accepted(1))];
    slice.says("a", 0, 1, &both);
    assert_eq!(slice.by_all(), Some((version(1), 2)));
}

#[test]
fn separate_streams_of_one_proxy_count_as_one_and_all_have_to_agree() {
    let mut slice = Slice::with(&["a", "a"]);
    assert_eq!(slice.record.nodes.len(), 1);
    slice.says("a", 0, 1, &[(Cluster, accepted(1))]);
    slice.says("a", 1, 1, &[(Extension, accepted(1))]);
    assert_eq!(slice.by_all(), Some((version(1), 2)));
    slice.says("a", 1, 2, &[(Extension, accepted(2))]);
    assert_eq!(slice.by_all(), Some((version(1), 2)));
    slice.says("a", 0, 2, &[(Cluster, accepted(2))]);
    assert_eq!(slice.by_all(), Some((version(2), 4)));
}

#[test]
fn a_proxy_that_leaves_holds_back_nobody_and_a_new_one_has_to_catch_up() {
    let mut slice = Slice::with(&["a", "b"]);
    slice.says("a", 0, 1, &[(Extension, accepted(1))]);
    slice.record.close("b", 1, at(7));
    assert_eq!(slice.by_all(), Some((version(1), 7)));
    slice.record.open("c", 2, at(8));
    slice.says("a", 0, 2, &[(Extension, accepted(2))]);
    assert_eq!(slice.by_all(), Some((version(1), 7)));
    slice.record.close("a", 0, at(9));
    slice.record.close("c", 2, at(9));
    assert_eq!(
        slice.by_all(),
        Some((version(1), 7)),
        "nobody proves nothing"
    );
    assert!(slice.record.nodes.is_empty() && slice.record.settled.is_empty());
}

#[test]
fn what_is_new_is_told_once_with_its_time() {
    let mut slice = Slice::with(&["a"]);
    let news = slice.says("a", 0, 1, &[(Extension, sent(0))]);
    assert_eq!(
        news.get(Extension),
        &News {
            pushed: true,
            ..News::default()
        }
    );
    let news = slice.says("a", 0, 1, &[(Extension, sent(0))]);
    assert_eq!(news.get(Extension), &News::default());
    let news = slice.says("a", 0, 1, &[(Extension, refused(0, 1))]);
    assert_eq!(
        news.get(Extension),
        &News {
            nacked: true,
            ..News::default()
        }
    );
    let news = slice.says("a", 0, 2, &[(Extension, accepted(1))]);
    assert_eq!(
        news.get(Extension),
        &News {
            acked: true,
            ..News::default()
        }
    );
    let stream = &slice.record.nodes["a"].streams[&0];
    let record = stream.types.get(Extension).as_ref().unwrap();
    assert_eq!(record.sent_at, Some(at(1)));
    assert_eq!(record.acked_at, Some(at(4)));
    let last = record.last_refusal.as_ref().unwrap();
    assert_eq!(
        (last.at, last.refusal.message.as_str()),
        (at(3), "bad"),
        "a healed refusal is remembered"
    );
    assert!(
        stream.types.get(Cluster).is_none(),
        "what was never asked for is not there"
    );
}

#[test]
fn a_proxy_that_proves_what_it_has_counts_from_then() {
    let mut slice = Slice::with(&["a"]);
    slice.says("a", 0, 1, &[(Extension, accepted(0))]);
    let record = slice.record.nodes["a"].streams[&0].types.get(Extension);
    assert_eq!(record.as_ref().unwrap().acked_at, Some(at(1)));
    assert_eq!(slice.by_all(), Some((version(1), 1)));
}

#[test]
fn words_about_a_stream_that_is_gone_are_ignored() {
    let mut slice = Slice::with(&["a"]);
    slice.record.close("a", 0, at(1));
    let news = slice.says("a", 0, 1, &[(Extension, accepted(1))]);
    assert_eq!(news.get(Extension), &News::default());
    slice.record.close("never", 5, at(2));
    assert!(slice.record.nodes.is_empty());
}
