//! Who is connected, and what each proxy was sent, has acknowledged and has refused. Memory only: it
//! is what the open streams say.

use crate::metrics::Metrics;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watershed_xds::{NodeIdentity, PerType, Refusal, ResourceType, TypeStatus, Version};

/// Where one connected proxy stands.
#[derive(Debug, Clone)]
pub struct ProxyState {
    /// Who it is.
    pub node: NodeIdentity,
    /// When its stream began.
    pub connected_at: Timestamp,
    /// The fleet's version of the filter's configuration that its stream has taken up.
    pub seen: Option<Version>,
    /// The last such version of which the proxy has accepted everything it asked for.
    pub accepted: Option<Version>,
    /// What it was told and said, by type.
    pub types: PerType<Option<TypeStatus>>,
    /// When it refused, by type.
    pub refused_at: PerType<Option<Timestamp>>,
}

/// All connected proxies.
#[derive(Debug, Default)]
pub struct Registry {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, ProxyState>,
}

impl Streams {
    fn connected(&self, fleet: &str) -> usize {
        self.open
            .values()
            .filter(|p| p.node.cluster == fleet)
            .count()
    }
}

impl Registry {
    /// The proxies of `fleet`, by node id.
    #[must_use]
    pub fn proxies(&self, fleet: &str) -> Vec<ProxyState> {
        let streams = self.lock();
        let mut proxies: Vec<ProxyState> = streams
            .open
            .values()
            .filter(|p| p.node.cluster == fleet)
            .cloned()
            .collect();
        proxies.sort_by(|a, b| a.node.id.cmp(&b.node.id));
        proxies
    }

    /// Notes a new stream; it is forgotten when the returned value is dropped.
    pub(super) fn connect(
        self: &Arc<Self>,
        node: NodeIdentity,
        now: Timestamp,
        metrics: Arc<Metrics>,
    ) -> Connection {
        let fleet = node.cluster.clone();
        let mut streams = self.lock();
        let id = streams.next;
        streams.next = id.wrapping_add(1);
        let state = ProxyState {
            node,
            connected_at: now,
            seen: None,
            accepted: None,
            types: PerType::from_fn(|_| None),
            refused_at: PerType::from_fn(|_| None),
        };
        streams.open.insert(id, state);
        metrics.xds_proxies(&fleet, streams.connected(&fleet));
        drop(streams);
        Connection {
            registry: Arc::clone(self),
            id,
            fleet,
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream's place in the registry.
pub(super) struct Connection {
    registry: Arc<Registry>,
    id: u64,
    fleet: String,
    metrics: Arc<Metrics>,
}

impl Connection {
    /// Notes where the stream stands with each type `now`, having taken up the fleet's version `seen`,
    /// and counts what is new since the last time.
    pub(super) fn note(
        &self,
        status: impl Fn(ResourceType) -> TypeStatus,
        seen: Version,
        now: Timestamp,
    ) {
        let mut streams = self.registry.lock();
        let Some(state) = streams.open.get_mut(&self.id) else {
            return;
        };
        for ty in ResourceType::ALL {
            let new = status(ty);
            let old = state.types.get_mut(ty);
            self.count(ty, old.as_ref(), &new);
            let refusal = |s: &TypeStatus| s.refusal.clone();
            if refusal(&new) != old.as_ref().and_then(refusal) || nacks(old.as_ref()) != new.nacks {
                *state.refused_at.get_mut(ty) = new.refusal.as_ref().map(|_| now);
                if let Some(Refusal { version, message }) = &new.refusal {
                    tracing::warn!(node = state.node.id, fleet = self.fleet, r#type = ty.abbreviation(), %version, message, "proxy refused");
                }
            }
            if ty == ResourceType::Extension && new.in_sync {
                state.accepted = Some(seen);
            }
            *old = Some(new);
        }
        state.seen = Some(seen);
    }

    fn count(&self, ty: ResourceType, old: Option<&TypeStatus>, new: &TypeStatus) {
        let label = ty.abbreviation();
        if new.in_flight.is_some() && new.in_flight != old.and_then(|s| s.in_flight) {
            self.metrics.xds_push(label);
        }
        if new.acks > old.map_or(0, |s| s.acks) {
            self.metrics.xds_ack(label);
        }
        if new.nacks > nacks(old) {
            self.metrics.xds_nack(label);
        }
    }
}

fn nacks(status: Option<&TypeStatus>) -> u64 {
    status.map_or(0, |s| s.nacks)
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        streams.open.remove(&self.id);
        self.metrics
            .xds_proxies(&self.fleet, streams.connected(&self.fleet));
    }
}
