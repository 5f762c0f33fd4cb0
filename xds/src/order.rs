//! Make before break ("Eventual consistency considerations"), by references: a resource that sends traffic to
//! a cluster goes out only when this proxy has the cluster and its endpoints, and a cluster goes away only when
//! nothing that this proxy has, or may have, names it. Nothing waits for a whole snapshot, so a refused cluster
//! holds back what names it and nothing else.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    PerType, Resource, ResourceType, Snapshot,
    ledger::{Entry, Holding},
    type_state::TypeState,
};

/// Which part of the extensions a turn may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Those that name nothing new; they go first, so that traffic stops before its route and cluster go.
    Shrink,
    /// All of them; they go last, so that traffic starts after its cluster and route are there.
    Any,
}

/// Names that must not be taken away.
enum Kept {
    Everything,
    Names(BTreeSet<Arc<str>>),
}

impl Kept {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

/// What may be said about one type now.
pub(crate) struct Gate<'a> {
    ty: ResourceType,
    turn: Turn,
    snapshot: &'a Snapshot,
    states: &'a PerType<TypeState>,
    kept: Kept,
    /// Endpoints whose cluster has to be sent first.
    early: BTreeSet<Arc<str>>,
    /// Routes must not drop a cluster yet, because an extension that stops naming it has not gone out.
    shrinking: bool,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(
        ty: ResourceType,
        turn: Turn,
        snapshot: &'a Snapshot,
        states: &'a PerType<TypeState>,
    ) -> Self {
        let mut gate = Self {
            ty,
            turn,
            snapshot,
            states,
            kept: Kept::Names(BTreeSet::new()),
            early: BTreeSet::new(),
            shrinking: false,
        };
        match ty {
            ResourceType::Cluster => gate.kept = gate.referenced_clusters(),
            ResourceType::Endpoint => {
                gate.kept = gate.endpoints_of_leaving_clusters();
                gate.early = gate.endpoints_of_unsent_clusters();
            }
            ResourceType::Route => gate.shrinking = gate.an_extension_waits_to_shrink(),
            ResourceType::Listener | ResourceType::Extension => {}
        }
        gate
    }

    /// Whether a proxy that has `entry` may be sent `resource` now.
    pub(crate) fn may_send(&self, entry: &Entry, resource: &Resource) -> bool {
        match self.ty {
            ResourceType::Cluster => true,
            ResourceType::Endpoint => !self.early.contains(resource.name()),
            ResourceType::Listener => self.has_clusters_for(entry, resource),
            ResourceType::Route => {
                let drops = |held: &Resource| !held.adds_no_reference_to(resource);
                let too_soon = self.shrinking && entry.holds.ours().is_some_and(|held| drops(held));
                !too_soon && self.has_clusters_for(entry, resource)
            }
            ResourceType::Extension => {
                let routes = self.states.get(ResourceType::Route);
                let in_turn = self.turn == Turn::Any && routes.in_flight().is_none();
                let shrinks = shrinks(&entry.holds, resource);
                shrinks || (in_turn && self.has_clusters_for(entry, resource))
            }
        }
    }

    /// Whether a resource that the snapshot no longer has may be taken away now.
    pub(crate) fn may_remove(&self, name: &str) -> bool {
        !self.kept.has(name)
    }

    /// Whether the proxy has each cluster that `resource` names. Those that it sends traffic to already are
    /// there and are kept. Where clusters are not served on this stream (a sidecar whose mesh owns them),
    /// there is nothing to wait for.
    fn has_clusters_for(&self, entry: &Entry, resource: &Resource) -> bool {
        let clusters = self.states.get(ResourceType::Cluster);
        clusters.subscription.is_empty()
            || shrinks(&entry.holds, resource)
            || resource
                .references()
                .iter()
                .all(|name| knows_cluster(self.states, name))
    }

    /// The clusters named by anything that the proxy has or may have. Only rows that differ from the snapshot
    /// count: the others name clusters of the snapshot, which are not about to go.
    fn referenced_clusters(&self) -> Kept {
        if self.states.get(ResourceType::Cluster).resuming {
            return Kept::Everything;
        }
        let mut names = BTreeSet::new();
        for ty in ResourceType::USERS {
            let state = self.states.get(ty);
            if state.holds_unnamed {
                return Kept::Everything;
            }
            for (_, entry) in state.ledger.open() {
                if entry.is_foreign() {
                    return Kept::Everything;
                }
                let references = entry.possible().flat_map(|it| it.references());
                names.extend(references.cloned());
            }
        }
        Kept::Names(names)
    }

    fn endpoints_of_leaving_clusters(&self) -> Kept {
        let target = self.snapshot.get(ResourceType::Cluster);
        let mut names = BTreeSet::new();
        for (name, entry) in self.states.get(ResourceType::Cluster).ledger.open() {
            if target.get(name).is_some() {
                continue;
            }
            if entry.is_foreign() {
                return Kept::Everything;
            }
            names.extend(entry.possible().filter_map(|it| it.endpoints().cloned()));
        }
        Kept::Names(names)
    }

    /// "EDS updates must arrive after CDS updates for the respective clusters". A refused cluster is not
    /// waited for: the one that the proxy has goes on and needs its endpoints.
    fn endpoints_of_unsent_clusters(&self) -> BTreeSet<Arc<str>> {
        let target = self.snapshot.get(ResourceType::Cluster);
        let clusters = self.states.get(ResourceType::Cluster);
        let unsent = clusters.ledger.open().filter_map(|(name, entry)| {
            let cluster = target.get(name)?;
            (!entry.is_told(cluster) && !clusters.is_refused(name)).then_some(cluster)
        });
        unsent
            .filter_map(|cluster| cluster.endpoints().cloned())
            .collect()
    }

    fn an_extension_waits_to_shrink(&self) -> bool {
        let extensions = self.states.get(ResourceType::Extension);
        let target = self.snapshot.get(ResourceType::Extension);
        extensions.in_flight().is_some()
            && extensions.ledger.open().any(|(name, entry)| {
                target.get(name).is_some_and(|wanted| {
                    !entry.is_told(wanted)
                        && !extensions.is_refused(name)
                        && (shrinks(&entry.holds, wanted) || shrinks(&entry.told, wanted))
                })
            })
    }
}

/// Whether a proxy can send traffic to a cluster: it confirmed the cluster on this stream (or proved to have
/// this very one) and its endpoints, if it needs any. While an update is on its way the proxy may not know
/// either version: the earlier one could have been replaced before it had warmed up.
pub(crate) fn knows_cluster(states: &PerType<TypeState>, name: &str) -> bool {
    let clusters = states.get(ResourceType::Cluster);
    if !clusters.subscription.contains(name) {
        return false;
    }
    let entry = clusters.ledger.get(name);
    let (Some(held), Some(told)) = (entry.holds.ours(), entry.told.ours()) else {
        return false;
    };
    let still = entry.doubted || told.version() == held.version();
    still
        && [held, told]
            .into_iter()
            .all(|it| knows_endpoints(states, it))
}

fn knows_endpoints(states: &PerType<TypeState>, cluster: &Resource) -> bool {
    let endpoints = states.get(ResourceType::Endpoint);
    cluster.endpoints().is_none_or(|name| {
        endpoints.subscription.contains(name) && endpoints.ledger.get(name).holds.ours().is_some()
    })
}

/// Whether `resource` names no cluster that what is held does not name already.
fn shrinks(held: &Holding, resource: &Resource) -> bool {
    match held {
        Holding::Ours(held) => resource.adds_no_reference_to(held),
        _ => resource.references().is_empty(),
    }
}

#[cfg(test)]
mod tests;
