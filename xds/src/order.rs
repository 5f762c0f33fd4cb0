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
            ResourceType::Listener => self.knows_clusters_of(resource),
            ResourceType::Route => {
                let drops = entry
                    .holds
                    .ours()
                    .is_some_and(|held| !held.adds_no_reference_to(resource));
                self.knows_clusters_of(resource) && !(self.shrinking && drops)
            }
            ResourceType::Extension => {
                let free = match self.turn {
                    Turn::Shrink => false,
                    Turn::Any => self.states.get(ResourceType::Route).in_flight().is_none(),
                };
                self.knows_clusters_of(resource) && (free || shrinks(&entry.holds, resource))
            }
        }
    }

    /// Whether a resource that the snapshot no longer has may be taken away now.
    pub(crate) fn may_remove(&self, name: &str) -> bool {
        !self.kept.has(name)
    }

    /// Where clusters are not served on this stream (a sidecar whose mesh owns them), there is nothing to
    /// wait for.
    fn knows_clusters_of(&self, resource: &Resource) -> bool {
        let clusters = self.states.get(ResourceType::Cluster);
        clusters.subscription.is_empty()
            || resource
                .references()
                .iter()
                .all(|name| self.knows_cluster(name))
    }

    /// A cluster is known when the proxy confirmed it, was not told since that it is gone, and confirmed its
    /// endpoints if it needs any.
    fn knows_cluster(&self, name: &str) -> bool {
        let clusters = self.states.get(ResourceType::Cluster);
        if !clusters.subscription.contains(name) {
            return false;
        }
        let entry = clusters.ledger.get(name);
        if !entry.holds.is_present() || matches!(entry.told, Holding::Gone) {
            return false;
        }
        let held = entry
            .holds
            .ours()
            .or_else(|| self.snapshot.get(ResourceType::Cluster).get(name));
        held.and_then(|cluster| cluster.endpoints())
            .is_none_or(|needed| {
                let endpoints = self.states.get(ResourceType::Endpoint);
                endpoints.subscription.contains(needed)
                    && endpoints.ledger.get(needed).holds.is_present()
            })
    }

    /// The clusters named by anything that the proxy has or may have. Only rows that differ from the snapshot
    /// count: the others name clusters of the snapshot, which are not about to go.
    fn referenced_clusters(&self) -> Kept {
        if self.states.get(ResourceType::Cluster).resuming {
            return Kept::Everything;
        }
        let mut names = BTreeSet::new();
        for ty in ResourceType::USERS {
            for (_, entry) in self.states.get(ty).ledger.open() {
                for holding in [&entry.told, &entry.holds] {
                    match holding {
                        Holding::Ours(resource) => {
                            names.extend(resource.references().iter().cloned());
                        }
                        Holding::Foreign => return Kept::Everything,
                        Holding::Unsaid | Holding::Gone => {}
                    }
                }
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
            for holding in [&entry.told, &entry.holds] {
                match holding {
                    Holding::Ours(cluster) => names.extend(cluster.endpoints().cloned()),
                    Holding::Foreign => return Kept::Everything,
                    Holding::Unsaid | Holding::Gone => {}
                }
            }
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

/// Whether `resource` names no cluster that what is held does not name already.
fn shrinks(held: &Holding, resource: &Resource) -> bool {
    match held {
        Holding::Ours(held) => resource.adds_no_reference_to(held),
        _ => resource.references().is_empty(),
    }
}

#[cfg(test)]
mod tests;
