//! What the fleets should have and what their proxies do have, in the API's terms.

use super::record::{NodeRecord, SliceRecord, StreamRecord, TypeRecord};
use super::{Fleets, Registry};
use crate::api::{self, Accepted, FleetState, ProxyState, ProxyStatus, Refusal, SnapshotState};
use crate::model::{FleetSlice, Key};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use watershed_xds::{ResourceType, Version};

/// Joins the fleets with the registry of proxies.
pub struct FleetView {
    fleets: Arc<Fleets>,
    registry: Arc<Registry>,
}

impl FleetView {
    /// A view of `fleets` and of the proxies in `registry`.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, registry: Arc<Registry>) -> Self {
        Self { fleets, registry }
    }
}

impl ProxyStatus for FleetView {
    fn fleet(&self, fleet: &Key) -> FleetState {
        // Those described are there without proxies, too.
        let mut slices: BTreeMap<Option<Key>, SliceRecord> = self
            .fleets
            .described()
            .into_iter()
            .filter(|part| part.fleet == *fleet)
            .map(|part| (part.slice, SliceRecord::default()))
            .collect();
        slices.extend(self.registry.slices(fleet));
        let mut state = FleetState::default();
        for (slice, record) in slices {
            let part = FleetSlice {
                fleet: fleet.clone(),
                slice,
            };
            let target = self.fleets.newest(&part).map(|snapshot| snapshot.version());
            let slice = part.slice;
            let proxies = record.nodes.iter();
            let proxies = proxies.filter_map(|(node, it)| proxy(node, slice.as_ref(), it, target));
            state.proxies.extend(proxies);
            state.snapshots.push(SnapshotState {
                version: target.map(|version| version.to_string()),
                accepted_by_all: record.accepted_by_all.map(|last| Accepted {
                    version: last.version.to_string(),
                    at: last.at,
                }),
                slice,
            });
        }
        state
            .proxies
            .sort_by(|a, b| (&a.node, &a.slice).cmp(&(&b.node, &b.slice)));
        state
    }

    fn fleets(&self) -> BTreeSet<Key> {
        let described = self.fleets.described().into_iter();
        let all = described.chain(self.registry.named());
        all.map(|part| part.fleet).collect()
    }
}

fn proxy(
    node: &str,
    slice: Option<&Key>,
    record: &NodeRecord,
    target: Option<Version>,
) -> Option<ProxyState> {
    let streams = || record.streams.values();
    let seen = || streams().filter_map(|stream| stream.seen);
    // Of several streams, the one that is behind speaks for the proxy.
    let sent = seen()
        .find(|seen| Some(*seen) != target)
        .or_else(|| seen().next());
    let types = || streams().flat_map(|stream| stream.asked().map(move |it| (stream, it)));
    Some(ProxyState {
        node: node.to_owned(),
        slice: slice.cloned(),
        connected_since: streams().map(|stream| stream.connected_at).min()?,
        version: record.accepted.map(|version| version.to_string()),
        sent: sent.map(|version| version.to_string()),
        in_sync: record.settled().is_some() && record.settled() == target,
        refusal: types().find_map(|(stream, (ty, it))| open_refusal(stream, ty, it)),
        types: types().map(|(_, (ty, it))| type_state(ty, it)).collect(),
    })
}

fn open_refusal(stream: &StreamRecord, ty: ResourceType, record: &TypeRecord) -> Option<Refusal> {
    let open = record.status.refusal.as_ref()?;
    let last = record.last_refusal.as_ref();
    let at = last.map_or(stream.connected_at, |last| last.at);
    Some(refusal(ty, open, at))
}

fn refusal(ty: ResourceType, refusal: &watershed_xds::Refusal, at: Timestamp) -> Refusal {
    Refusal {
        r#type: ty.abbreviation().to_owned(),
        version: refusal.version.to_string(),
        message: refusal.message.clone(),
        at,
    }
}

fn type_state(ty: ResourceType, record: &TypeRecord) -> api::TypeState {
    let text = |version: Option<Version>| version.map(|version| version.to_string());
    let status = &record.status;
    let last = record.last_refusal.as_ref();
    api::TypeState {
        r#type: ty.abbreviation(),
        target: text(status.target_version),
        sent: text(status.sent_version),
        sent_at: record.sent_at,
        acknowledged: text(status.acked_version),
        acknowledged_at: record.acked_at,
        in_sync: status.in_sync,
        acks: status.acks,
        nacks: status.nacks,
        last_refusal: last.map(|last| refusal(ty, &last.refusal, last.at)),
    }
}
