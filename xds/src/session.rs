//! What to push to one proxy, for both protocols: it holds the newest snapshot and a state per type, and turns
//! their difference into pushes, one type at a time, in order. Nonces are counted here; reading and writing
//! them is the protocols' work.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;

use crate::{
    NodeIdentity, PerType, Resource, ResourceType, Snapshot, TypeStatus, Version,
    ledger::{Entry, Holding},
    order::{Gate, Turn, knows_cluster},
    plan::{self, Plan, Verdict, Verdicts},
    subscription::Change,
    type_state::{Told, TypeState},
};

/// The two ways of saying what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// State of the world: clusters and listeners as full sets, absence is unsaid for the other types.
    Sotw,
    /// Incremental: changes only, absence is said by name.
    Delta,
}

/// A response, before encoding.
#[derive(Debug)]
pub(crate) struct Push {
    pub ty: ResourceType,
    pub nonce: u64,
    /// Where the proxy will be when it accepts.
    pub version: Version,
    pub resources: Vec<Arc<Resource>>,
    pub removed: Vec<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Session {
    protocol: Protocol,
    /// The only type that may be asked for, where the stream is not an aggregated one.
    only: Option<ResourceType>,
    node: Option<NodeIdentity>,
    snapshot: Option<Snapshot>,
    states: PerType<TypeState>,
    nonces: u64,
}

impl Session {
    pub(crate) fn new(protocol: Protocol, only: Option<ResourceType>) -> Self {
        Self {
            protocol,
            only,
            node: None,
            snapshot: None,
            states: PerType::default(),
            nonces: 0,
        }
    }

    /// "Basic Protocol Overview": only the first request is sure to carry the node, and it never changes.
    pub(crate) fn learn_node(&mut self, node: Option<&Node>) {
        if self.node.is_none() {
            self.node = node.map(NodeIdentity::from);
        }
    }

    pub(crate) const fn node(&self) -> Option<&NodeIdentity> {
        self.node.as_ref()
    }

    pub(crate) const fn only(&self) -> Option<ResourceType> {
        self.only
    }

    pub(crate) const fn state(&self, ty: ResourceType) -> &TypeState {
        self.states.get(ty)
    }

    pub(crate) const fn state_mut(&mut self, ty: ResourceType) -> &mut TypeState {
        self.states.get_mut(ty)
    }

    pub(crate) fn resubscribe(&mut self, ty: ResourceType, change: &Change) {
        let answers_each = self.protocol == Protocol::Delta;
        self.states
            .get_mut(ty)
            .resubscribe(ty, change, answers_each);
    }

    pub(crate) fn answered(&mut self, ty: ResourceType, answer: Result<(), String>) {
        self.states.get_mut(ty).answered(ty, answer);
        self.states.get_mut(ResourceType::Cluster).resuming = false;
        self.states.get_mut(ResourceType::Endpoint).outdated = Vec::new();
    }

    pub(crate) fn set_snapshot(&mut self, snapshot: &Snapshot) {
        self.snapshot = Some(snapshot.clone());
    }

    pub(crate) fn status(&self, ty: ResourceType) -> TypeStatus {
        let target = self.snapshot.as_ref().map(|snapshot| snapshot.get(ty));
        self.states.get(ty).status(target, self.says_gone(ty))
    }

    /// Everything that can be sent now. Calling it again says nothing new.
    pub(crate) fn pushes(&mut self) -> Vec<Push> {
        let Some(snapshot) = self.snapshot.clone() else {
            return Vec::new();
        };
        for ty in ResourceType::ALL {
            self.states.get_mut(ty).adopt(ty, snapshot.set(ty));
        }
        let turns = ResourceType::ALL.map(|ty| (ty, Turn::Any));
        std::iter::once((ResourceType::Extension, Turn::Shrink))
            .chain(turns)
            .filter_map(|(ty, turn)| {
                let plan = self.plan(&snapshot, ty, turn)?;
                Some(self.send(ty, plan))
            })
            .collect()
    }

    /// Whether a proxy is told that a resource it has is gone ("Deleting Resources"). State of the world
    /// can say it of clusters and listeners only. Envoy keeps a route as long as a listener uses it,
    /// whatever it is told, but would no longer say after a reconnect that it has it.
    const fn says_gone(&self, ty: ResourceType) -> bool {
        match self.protocol {
            Protocol::Sotw => ty.is_full_state(),
            Protocol::Delta => !matches!(ty, ResourceType::Route),
        }
    }

    fn plan(&self, snapshot: &Snapshot, ty: ResourceType, turn: Turn) -> Option<Plan> {
        let state = self.states.get(ty);
        let nothing_open = state.ledger.is_settled() && !state.owed;
        if nothing_open || state.in_flight().is_some() || state.subscription.is_empty() {
            return None;
        }
        let gate = Gate::new(ty, turn, snapshot, &self.states);
        let target = snapshot.get(ty);
        let verdicts: Verdicts = state
            .ledger
            .open()
            .map(|(name, entry)| {
                let verdict = self.verdict(&gate, ty, target.get(name), name, entry);
                (Arc::clone(name), (entry.clone(), verdict))
            })
            .collect();
        if self.protocol == Protocol::Sotw && ty.is_full_state() {
            plan::whole(state, ty, target, &verdicts)
        } else {
            plan::changes(state, ty, target, &verdicts)
        }
    }

    fn verdict(
        &self,
        gate: &Gate<'_>,
        ty: ResourceType,
        wanted: Option<&Arc<Resource>>,
        name: &str,
        entry: &Entry,
    ) -> Verdict {
        let state = self.states.get(ty);
        let refused = state.is_refused(name);
        if let Some(wanted) = wanted {
            return if entry.is_told(wanted) {
                Verdict::Settled
            } else if !refused && gate.may_send(entry, wanted) {
                Verdict::Say(Some(Arc::clone(wanted)))
            } else {
                self.verdict_on_held(entry)
            };
        }
        let due = match entry.told {
            Holding::Gone => entry.doubted,
            // "Knowing When a Requested Resource Does Not Exist".
            Holding::Unsaid => {
                self.protocol == Protocol::Delta && state.subscription.names().contains(name)
            }
            _ => self.says_gone(ty),
        };
        if !due {
            Verdict::Settled
        } else if !refused && gate.may_remove(name) {
            Verdict::Say(None)
        } else {
            Verdict::Held
        }
    }

    /// The newest content has to wait; a proxy that asked again is sent what it had.
    fn verdict_on_held(&self, entry: &Entry) -> Verdict {
        match (&entry.told, entry.holds.ours()) {
            (Holding::Unsaid, Some(held)) if !entry.doubted => Verdict::Say(Some(Arc::clone(held))),
            _ => Verdict::Held,
        }
    }

    /// "Resource warming": a cluster that was added or updated is complete only when its endpoints
    /// are supplied after it. One that serves goes on as it was until then; a new one waits.
    fn resupply_endpoints(&mut self, told: &[Told]) {
        for cluster in told.iter().filter_map(|told| told.resource.as_ref()) {
            let Some(needed) = cluster.endpoints() else {
                continue;
            };
            let serves = knows_cluster(&self.states, cluster.name());
            let resuming = self.states.get(ResourceType::Cluster).resuming;
            let endpoints = self.states.get_mut(ResourceType::Endpoint);
            if resuming {
                endpoints.outdated.push(Arc::clone(needed));
            }
            if serves {
                endpoints.tell_again(needed);
            } else {
                endpoints.tell_anew(needed);
            }
        }
    }

    fn send(&mut self, ty: ResourceType, plan: Plan) -> Push {
        self.nonces = self.nonces.saturating_add(1);
        if ty == ResourceType::Cluster {
            self.resupply_endpoints(&plan.told);
        }
        let gone = plan.told.iter().filter(|told| told.resource.is_none());
        let removed = gone.map(|told| Arc::clone(&told.name)).collect();
        let Plan {
            version,
            resources,
            told,
        } = plan;
        self.states.get_mut(ty).sent(self.nonces, version, told);
        Push {
            ty,
            nonce: self.nonces,
            version,
            resources,
            removed,
        }
    }
}
