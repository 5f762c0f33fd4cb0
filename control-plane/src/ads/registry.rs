//! Who is connected, and what each proxy was sent, has acknowledged and has refused. Memory only: it
//! is what the open streams say. Counting it is here, too; keeping one slice's book is `record`'s.

use super::fleets::Fleets;
use super::record::{News, SliceRecord};
use crate::clock;
use crate::metrics::Metrics;
use crate::model::{FleetSlice, Key};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watershed_xds::{PerType, ResourceType, TypeStatus, Version};

/// All connected proxies.
pub struct Registry {
    fleets: Arc<Fleets>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    slices: BTreeMap<FleetSlice, SliceRecord>,
}

impl State {
    fn connected(&self, fleet: &Key) -> usize {
        let slices = self.slices.iter().filter(|(part, _)| part.fleet == *fleet);
        slices.map(|(_, slice)| slice.nodes.len()).sum()
    }
}

impl Registry {
    /// An empty registry of the proxies of `fleets`, which counts into `metrics`.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            fleets,
            metrics,
            state: Mutex::default(),
        })
    }

    /// The slices of `fleet` that have or had proxies, as they are now.
    #[must_use]
    pub fn slices(&self, fleet: &Key) -> Vec<(Option<Key>, SliceRecord)> {
        let state = self.lock();
        let slices = state.slices.iter().filter(|(part, _)| part.fleet == *fleet);
        slices
            .map(|(part, record)| (part.slice.clone(), record.clone()))
            .collect()
    }

    /// The fleets that any proxy says it is in, described or not.
    #[must_use]
    pub fn named(&self) -> Vec<FleetSlice> {
        self.lock().slices.keys().cloned().collect()
    }

    /// Notes a new stream; it is forgotten when the returned value is dropped.
    pub(super) fn connect(
        self: &Arc<Self>,
        part: FleetSlice,
        node: String,
        now: Timestamp,
    ) -> Connection {
        let mut state = self.lock();
        let id = state.next;
        state.next = id.wrapping_add(1);
        let slice = state.slices.entry(part.clone()).or_default();
        slice.open(&node, id, now);
        self.gauge(&state, &part.fleet);
        drop(state);
        Connection {
            registry: Arc::clone(self),
            part,
            node,
            id,
        }
    }

    /// Only for fleets that are described: what a proxy calls itself must not become a label.
    fn gauge(&self, state: &State, fleet: &Key) {
        if self.fleets.describe(fleet) {
            let connected = state.connected(fleet);
            self.metrics.xds_proxies(fleet.as_str(), connected);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream's place in the registry.
pub(super) struct Connection {
    registry: Arc<Registry>,
    part: FleetSlice,
    node: String,
    id: u64,
}

impl Connection {
    /// Notes where the stream stands with each type `now`, having taken up the fleet's version `seen`,
    /// and counts what is new since the last time.
    pub(super) fn note(&self, statuses: &PerType<TypeStatus>, seen: Version, now: Timestamp) {
        let mut state = self.registry.lock();
        let Some(slice) = state.slices.get_mut(&self.part) else {
            return;
        };
        let news = slice.note((&self.node, self.id), statuses, seen, now);
        // Whoever sees a refusal sees it counted, too.
        for (ty, news) in news.iter() {
            self.count(ty, *news);
        }
        // The fleet may be described only since the proxy came.
        if news.iter().any(|(_, news)| news.pushed) {
            self.registry.gauge(&state, &self.part.fleet);
        }
        drop(state);
        for (ty, _) in news.iter().filter(|(_, news)| news.nacked) {
            if let Some(refusal) = &statuses.get(ty).refusal {
                tracing::warn!(node = self.node, fleet = %self.part, r#type = ty.abbreviation(), version = %refusal.version, message = refusal.message, "proxy refused");
            }
        }
    }

    fn count(&self, ty: ResourceType, news: News) {
        let metrics = &self.registry.metrics;
        let label = ty.abbreviation();
        if news.pushed {
            metrics.xds_push(label);
        }
        if news.acked {
            metrics.xds_ack(label);
        }
        if news.nacked {
            metrics.xds_nack(label);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        let Some(slice) = state.slices.get_mut(&self.part) else {
            return;
        };
        slice.close(&self.node, self.id, clock::now());
        // A fleet's last good version is worth remembering; a made-up fleet's is not.
        let forget = slice.nodes.is_empty() && !self.registry.fleets.describe(&self.part.fleet);
        if forget {
            state.slices.remove(&self.part);
        }
        self.registry.gauge(&state, &self.part.fleet);
    }
}
