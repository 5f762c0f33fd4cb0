//! What the open streams of one fleet slice say: per proxy and per type what was sent, acknowledged and
//! refused, and which version all of them accepted last. Plain data: time comes in as an argument.

use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use watershed_xds::{PerType, Refusal, ResourceType, TypeStatus, Version};

/// A refusal, and when it came.
#[derive(Debug, Clone)]
pub struct DatedRefusal {
    /// What was refused, and the proxy's words.
    pub refusal: Refusal,
    /// When.
    pub at: Timestamp,
}

/// Where one stream stands with one type.
#[derive(Debug, Clone)]
pub struct TypeRecord {
    /// As the stream says.
    pub status: TypeStatus,
    /// When the last response was sent.
    pub sent_at: Option<Timestamp>,
    /// When the last one was accepted.
    pub acked_at: Option<Timestamp>,
    /// The last refusal, healed or not.
    pub last_refusal: Option<DatedRefusal>,
}

/// One open stream.
#[derive(Debug, Clone)]
pub struct StreamRecord {
    /// When it began.
    pub connected_at: Timestamp,
    /// The version of the snapshot that it has taken up.
    pub seen: Option<Version>,
    /// Each type; `None` for those never asked for.
    pub types: PerType<Option<TypeRecord>>,
}

/// What is new with one type of a stream.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub(super) struct News {
    pub pushed: bool,
    pub acked: bool,
    pub nacked: bool,
}

impl StreamRecord {
    fn new(connected_at: Timestamp) -> Self {
        Self {
            connected_at,
            seen: None,
            types: PerType::from_fn(|_| None),
        }
    }

    /// The version of the snapshot of which the proxy has accepted all that it asked for here.
    fn settled(&self) -> Option<Version> {
        let mut asked = self.asked().peekable();
        asked.peek()?;
        let settled = asked.all(|(_, record)| record.status.in_sync);
        self.seen.filter(|_| settled)
    }

    /// The types that were asked for.
    pub fn asked(&self) -> impl Iterator<Item = (ResourceType, &TypeRecord)> {
        self.types
            .iter()
            .filter_map(|(ty, record)| Some((ty, record.as_ref()?)))
    }

    fn note(&mut self, ty: ResourceType, new: &TypeStatus, now: Timestamp) -> News {
        let old = self.types.get_mut(ty);
        if !new.subscribed && old.is_none() {
            return News::default();
        }
        let before = old.as_ref().map(|record| &record.status);
        let (acks, nacks) = before.map_or((0, 0), |status| (status.acks, status.nacks));
        let news = News {
            pushed: new.in_flight.is_some() && new.in_flight != before.and_then(|s| s.in_flight),
            acked: new.acks > acks,
            nacked: new.nacks > nacks,
        };
        let proved =
            new.acked_version.is_some() && before.is_none_or(|s| s.acked_version.is_none());
        let record = old.get_or_insert_with(|| TypeRecord {
            status: new.clone(),
            sent_at: None,
            acked_at: None,
            last_refusal: None,
        });
        record.status = new.clone();
        if news.pushed {
            record.sent_at = Some(now);
        }
        if news.acked || proved {
            record.acked_at = Some(now);
        }
        if let Some(refusal) = new.refusal.clone().filter(|_| news.nacked) {
            record.last_refusal = Some(DatedRefusal { refusal, at: now });
        }
        news
    }
}

/// One proxy: mostly one stream, several where it is set up with a service for each type.
#[derive(Debug, Clone, Default)]
pub struct NodeRecord {
    /// Its open streams, in the order in which they began. Boxed: a node of the map has room for eleven,
    /// and a proxy mostly has one, of a kilobyte.
    pub streams: BTreeMap<u64, Box<StreamRecord>>,
    /// The version of the snapshot of which it last accepted all that it asked for.
    pub accepted: Option<Version>,
    /// The same, where nothing newer is open.
    settled: Option<Version>,
}

impl NodeRecord {
    /// The version that all of it has accepted, with the filter's configuration among it: a proxy that
    /// has not come as far as to ask for that is not there yet.
    fn settle(&self) -> Option<Version> {
        let mut streams = self.streams.values();
        let first = streams.next()?.settled()?;
        let agreed = streams.all(|stream| stream.settled() == Some(first));
        let mut streams = self.streams.values();
        let filters = streams.any(|it| it.types.get(ResourceType::Extension).is_some());
        (agreed && filters).then_some(first)
    }

    /// The version that it has accepted all of and from which nothing is open.
    #[must_use]
    pub const fn settled(&self) -> Option<Version> {
        self.settled
    }
}

/// A version that every connected proxy had accepted at one time.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct AcceptedByAll {
    /// The version of the snapshot.
    pub version: Version,
    /// When the last of them accepted it.
    pub at: Timestamp,
}

/// All proxies of one fleet slice.
#[derive(Debug, Clone, Default)]
pub struct SliceRecord {
    /// By node id.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The last version that every proxy that was connected accepted.
    pub accepted_by_all: Option<AcceptedByAll>,
    /// How many proxies have settled at each version.
    settled: HashMap<Version, usize>,
}

impl SliceRecord {
    pub(super) fn open(&mut self, node: &str, stream: u64, now: Timestamp) {
        let record = self.nodes.entry(node.to_owned()).or_default();
        let stream_record = Box::new(StreamRecord::new(now));
        record.streams.insert(stream, stream_record);
        self.recount(node, now);
    }

    pub(super) fn close(&mut self, node: &str, stream: u64, now: Timestamp) {
        let Some(record) = self.nodes.get_mut(node) else {
            return;
        };
        record.streams.remove(&stream);
        let gone = record.streams.is_empty();
        self.recount(node, now);
        if gone {
            self.nodes.remove(node);
            self.compare(now);
        }
    }

    /// Takes what a stream says about each type, having taken up `seen`.
    pub(super) fn note(
        &mut self,
        (node, stream): (&str, u64),
        statuses: &PerType<TypeStatus>,
        seen: Version,
        now: Timestamp,
    ) -> PerType<News> {
        let mut news = PerType::default();
        let record = self.nodes.get_mut(node);
        if let Some(record) = record.and_then(|node| node.streams.get_mut(&stream)) {
            record.seen = Some(seen);
            news = PerType::from_fn(|ty| record.note(ty, statuses.get(ty), now));
        }
        self.recount(node, now);
        news
    }

    /// Counts a proxy anew under the version that it has settled at.
    fn recount(&mut self, node: &str, now: Timestamp) {
        let Some(record) = self.nodes.get_mut(node) else {
            return;
        };
        let settled = record.settle();
        let before = std::mem::replace(&mut record.settled, settled);
        if settled.is_some() {
            record.accepted = settled;
        }
        if before == settled {
            return;
        }
        if let Some(count) = before.and_then(|version| self.settled.get_mut(&version)) {
            *count = count.saturating_sub(1);
        }
        if let Some(version) = settled {
            let count = self.settled.entry(version).or_default();
            *count = count.saturating_add(1);
        }
        self.settled.retain(|_, count| *count > 0);
        self.compare(now);
    }

    /// Notes the version that all proxies have settled at, where there is one.
    fn compare(&mut self, now: Timestamp) {
        let everybody = |(_, count): &(&Version, &usize)| **count == self.nodes.len();
        let Some((version, _)) = self.settled.iter().find(everybody) else {
            return;
        };
        let version = *version;
        if self
            .accepted_by_all
            .is_none_or(|last| last.version != version)
        {
            self.accepted_by_all = Some(AcceptedByAll { version, at: now });
        }
    }
}

#[cfg(test)]
mod tests;
