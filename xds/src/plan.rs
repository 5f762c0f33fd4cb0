//! What goes into one response, given what there is to do about each name. When a name's turn comes is decided
//! by `order`; recording and numbering are the session's.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Resource, ResourceType, Version,
    ledger::Entry,
    snapshot::ResourceSet,
    type_state::{Told, TypeState},
};

/// A push before it is recorded.
pub(crate) struct Plan {
    pub version: Version,
    pub resources: Vec<Arc<Resource>>,
    pub told: Vec<Told>,
}

/// What there is to do about one name.
pub(crate) enum Verdict {
    /// Nothing: the proxy was told.
    Settled,
    /// Send this, or say that there is nothing.
    Say(Option<Arc<Resource>>),
    /// Something is to be said, but not now.
    Held,
}

/// The verdicts on the names of one type that differ from the snapshot.
pub(crate) type Verdicts = BTreeMap<Arc<str>, (Entry, Verdict)>;

/// A response with changes only. An empty one says "that is all", so it waits while something is held back;
/// or it asks, by its answer, whether a proxy that came back has named all that it has.
pub(crate) fn changes(
    state: &TypeState,
    ty: ResourceType,
    target: &ResourceSet,
    verdicts: &Verdicts,
) -> Option<Plan> {
    let mut told = Vec::new();
    for (name, (_, verdict)) in verdicts {
        if let Verdict::Say(resource) = verdict {
            told.push(Told {
                name: Arc::clone(name),
                resource: resource.clone(),
                wanted: target.version_of(name),
            });
        }
    }
    let complete = state.owed && !holds_back(verdicts);
    if told.is_empty() && !complete && !asks(state, ty, verdicts) {
        return None;
    }
    let resources = told.iter().filter_map(|told| told.resource.clone());
    Some(Plan {
        version: version_after(state, target, &told),
        resources: resources.collect(),
        told,
    })
}

/// A response with every subscribed resource ("Grouping Resources into Responses"). What is held back stays at
/// what the proxy has.
pub(crate) fn whole(
    state: &TypeState,
    ty: ResourceType,
    target: &ResourceSet,
    verdicts: &Verdicts,
) -> Option<Plan> {
    let says = |(_, verdict): &(Entry, Verdict)| matches!(verdict, Verdict::Say(_));
    let due = verdicts.values().any(says);
    if !due && !state.owed && !asks(state, ty, verdicts) {
        return None;
    }
    let mut carried: BTreeMap<&str, Arc<Resource>> = target
        .iter()
        .filter(|resource| state.subscription.contains(resource.name()))
        .map(|resource| (&**resource.name(), Arc::clone(resource)))
        .collect();
    let mut told = Vec::new();
    for (name, (entry, verdict)) in verdicts {
        let resource = match verdict {
            Verdict::Settled => target.get(name).cloned(),
            Verdict::Say(resource) => resource.clone(),
            Verdict::Held => held(state, target, name, entry)?,
        };
        match &resource {
            Some(resource) => carried.insert(name, Arc::clone(resource)),
            None => carried.remove(&**name),
        };
        if !entry.is_said(resource.as_deref()) {
            told.push(Told {
                name: Arc::clone(name),
                resource,
                wanted: target.version_of(name),
            });
        }
    }
    // A first empty list of listeners would let a starting proxy open for traffic without any.
    let starting = ty == ResourceType::Listener && state.last_nonce().is_none();
    if starting && carried.is_empty() && holds_back(verdicts) {
        return None;
    }
    let versions = carried.iter().map(|(name, it)| (*name, it.version()));
    Some(Plan {
        version: Version::of_named(versions),
        resources: carried.into_values().collect(),
        told,
    })
}

/// What a whole response carries for a name that is held back; `None` if the response has to wait for it.
fn held(
    state: &TypeState,
    target: &ResourceSet,
    name: &str,
    entry: &Entry,
) -> Option<Option<Arc<Resource>>> {
    let wanted = target.get(name);
    if !state.holds_unnamed || wanted.is_none() {
        return Some(entry.holds.ours().cloned());
    }
    // The proxy may have something under this name, which a response without it would delete.
    state.is_refused(name).then(|| wanted.cloned())
}

fn holds_back(verdicts: &Verdicts) -> bool {
    let held = |(_, verdict): &(Entry, Verdict)| matches!(verdict, Verdict::Held);
    verdicts.values().any(held)
}

/// Clusters that are to go are held back until a proxy that came back has said what else it has. Its answer to
/// any response shows that it has; if there is none to send, this one is sent to be answered.
fn asks(state: &TypeState, ty: ResourceType, verdicts: &Verdicts) -> bool {
    ty == ResourceType::Cluster && state.resuming && holds_back(verdicts)
}

/// The version of all that the proxy will have been told.
fn version_after(state: &TypeState, target: &ResourceSet, told: &[Told]) -> Version {
    let mut view: BTreeMap<&str, Option<Version>> = BTreeMap::new();
    for (name, entry) in state.ledger.open() {
        view.insert(name, entry.expected().map(|resource| resource.version()));
    }
    for Told { name, resource, .. } in told {
        view.insert(name, resource.as_ref().map(|resource| resource.version()));
    }
    if view
        .iter()
        .all(|(name, version)| target.version_of(name) == *version)
    {
        return state.subscription.version_in(target);
    }
    for resource in target
        .iter()
        .filter(|resource| state.subscription.contains(resource.name()))
    {
        view.entry(resource.name())
            .or_insert_with(|| Some(resource.version()));
    }
    Version::of_named(
        view.into_iter()
            .filter_map(|(name, version)| Some((name, version?))),
    )
}
