//! What one proxy was told and what it has confirmed, name by name, in one type. Which names it is
//! subscribed to, and what it should be told next, are decided elsewhere.
//!
//! A proxy in step with its snapshot costs nothing here: the ledger then is a reference to the snapshot's
//! own set, and only names that differ from that set have an entry.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Resource, Subscription, snapshot::ResourceSet};

/// A statement about one name: what a proxy was told, or what it holds.
#[derive(Clone, Debug, Default)]
pub(crate) enum Holding {
    /// Nothing was ever said.
    #[default]
    Unsaid,
    /// There is no such resource.
    Gone,
    /// This resource.
    Ours(Arc<Resource>),
    /// Something from before this stream, of which only the name is known.
    Foreign,
}

impl Holding {
    pub(crate) fn is(&self, resource: &Resource) -> bool {
        matches!(self, Self::Ours(held) if held.version() == resource.version())
    }

    pub(crate) const fn is_present(&self) -> bool {
        matches!(self, Self::Ours(_) | Self::Foreign)
    }

    pub(crate) const fn ours(&self) -> Option<&Arc<Resource>> {
        match self {
            Self::Ours(resource) => Some(resource),
            _ => None,
        }
    }

    /// What a response says about a name: a resource, or that there is none.
    pub(crate) fn from_sent(resource: Option<&Arc<Resource>>) -> Self {
        resource.map_or(Self::Gone, |it| Self::Ours(Arc::clone(it)))
    }
}

/// How many refused versions of one name are remembered.
const MAX_DOUBTS: usize = 16;

/// One name's row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// What the last response about this name said.
    pub told: Holding,
    /// What the proxy last confirmed.
    pub holds: Holding,
    /// The last response about this name was refused: the proxy may or may not have taken its part of it.
    pub doubted: bool,
    /// What was refused since the last confirmation, any of which the proxy may have taken.
    doubts: Vec<Arc<Resource>>,
}

impl Entry {
    /// The proxy was told something.
    pub(crate) fn tell(&mut self, resource: Option<&Arc<Resource>>) {
        self.told = Holding::from_sent(resource);
        self.doubted = false;
    }

    /// The proxy confirmed what it was told.
    pub(crate) fn confirm(&mut self, resource: Option<&Arc<Resource>>) {
        self.holds = Holding::from_sent(resource);
        self.doubts = Vec::new();
    }

    /// The proxy refused what it was told, or something else in the same response.
    pub(crate) fn doubt(&mut self, resource: Option<&Arc<Resource>>) {
        self.told = Holding::from_sent(resource);
        self.doubted = true;
        if let Some(resource) = resource {
            self.doubts.retain(|it| it.version() != resource.version());
            if self.doubts.len() >= MAX_DOUBTS {
                self.doubts.remove(0);
            }
            self.doubts.push(Arc::clone(resource));
        }
    }

    /// Every resource that the proxy may have under this name, as far as it is known.
    pub(crate) fn possible(&self) -> impl Iterator<Item = &Arc<Resource>> {
        let known = self.told.ours().into_iter().chain(self.holds.ours());
        known.chain(&self.doubts)
    }

    /// Whether the proxy may have something of which only the name is known.
    pub(crate) const fn is_foreign(&self) -> bool {
        matches!(self.told, Holding::Foreign) || matches!(self.holds, Holding::Foreign)
    }

    fn settled(resource: &Arc<Resource>) -> Self {
        let held = || Holding::Ours(Arc::clone(resource));
        Self {
            told: held(),
            holds: held(),
            ..Self::default()
        }
    }

    /// What the proxy has once it accepts all that it was told and did not refuse.
    pub(crate) fn expected(&self) -> Option<&Arc<Resource>> {
        if self.doubted {
            self.holds.ours()
        } else {
            self.told.ours()
        }
    }

    pub(crate) fn foreign() -> Self {
        Self {
            told: Holding::Foreign,
            holds: Holding::Foreign,
            ..Self::default()
        }
    }

    /// Whether the proxy has confirmed exactly this.
    pub(crate) fn is_settled_at(&self, resource: &Resource) -> bool {
        self.is_told(resource) && self.holds.is(resource)
    }

    /// Whether the proxy was told exactly this, or that there is nothing, and did not refuse it.
    pub(crate) fn is_said(&self, resource: Option<&Resource>) -> bool {
        match resource {
            Some(resource) => self.is_told(resource),
            None => !self.doubted && !self.told.is_present(),
        }
    }

    /// Whether the proxy was told exactly this and did not refuse it.
    pub(crate) fn is_told(&self, resource: &Resource) -> bool {
        !self.doubted && self.told.is(resource)
    }
}

/// The rows of one type.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every subscribed name of this set without an entry is told and confirmed at this set's version.
    base: Arc<ResourceSet>,
    entries: BTreeMap<Arc<str>, Entry>,
}

impl Ledger {
    /// The row of a subscribed name.
    pub(crate) fn get(&self, name: &str) -> Entry {
        match self.entries.get(name) {
            Some(entry) => entry.clone(),
            None => self.base.get(name).map(Entry::settled).unwrap_or_default(),
        }
    }

    /// The row of a subscribed name, to change.
    pub(crate) fn get_mut(&mut self, name: &Arc<str>) -> &mut Entry {
        let base = &self.base;
        self.entries
            .entry(Arc::clone(name))
            .or_insert_with(|| base.get(name).map(Entry::settled).unwrap_or_default())
    }

    /// Replaces a row.
    pub(crate) fn set(&mut self, name: &Arc<str>, entry: Entry) {
        self.entries.insert(Arc::clone(name), entry);
    }

    /// The rows that differ from the base: those where something is to be said, confirmed or remembered.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops the row of a name that is no longer subscribed to. A later subscription must `set` it anew,
    /// or else the base would speak for it.
    pub(crate) fn drop_row(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Drops every row that the subscription does not have any more.
    pub(crate) fn drop_unsubscribed(&mut self, subscription: &Subscription) {
        self.entries.retain(|name, _| subscription.contains(name));
    }

    /// The wildcard was added: whatever the base has beyond the names given one by one was never said.
    pub(crate) fn forget_beyond(&mut self, subscription: &Subscription) {
        for resource in self.base.iter() {
            if !subscription.names().contains(resource.name()) {
                self.entries
                    .insert(Arc::clone(resource.name()), Entry::default());
            }
        }
    }

    /// Makes `target` the base. What is known of each name stays the same; where it differs from the new
    /// base, it gets an entry. Costs nothing when the set is the same; answers whether it is another.
    pub(crate) fn rebase(
        &mut self,
        target: &Arc<ResourceSet>,
        subscription: &Subscription,
    ) -> bool {
        if Arc::ptr_eq(&self.base, target) {
            return false;
        }
        let differs = self.base.version() != target.version();
        if differs {
            for name in differing(&self.base, target, subscription) {
                self.get_mut(&name);
            }
        }
        self.base = Arc::clone(target);
        self.compact(subscription);
        differs
    }

    /// The proxy proved that it has every subscribed resource of the base.
    pub(crate) fn settle(&mut self) {
        self.entries.clear();
    }

    /// Drops the entries that say what the base says, or nothing at all.
    pub(crate) fn compact(&mut self, subscription: &Subscription) {
        let base = &self.base;
        self.entries.retain(|name, entry| match base.get(name) {
            Some(target) => !entry.is_settled_at(target),
            // A name given one by one is remembered, so that its absence is said only once.
            None => {
                entry.doubted
                    || entry.told.is_present()
                    || entry.holds.is_present()
                    || subscription.names().contains(name)
            }
        });
    }
}

/// The subscribed names that are not the same in both sets.
fn differing(old: &ResourceSet, new: &ResourceSet, subscription: &Subscription) -> Vec<Arc<str>> {
    let differs = |name: &str| old.version_of(name) != new.version_of(name);
    if !subscription.is_wildcard() && subscription.names().len() < new.len() {
        let names = subscription.names().iter();
        return names.filter(|name| differs(name)).cloned().collect();
    }
    let changed = new.iter().filter(|resource| differs(resource.name()));
    let removed = old
        .iter()
        .filter(|resource| new.get(resource.name()).is_none());
    changed
        .chain(removed)
        .map(|resource| Arc::clone(resource.name()))
        .filter(|name| subscription.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ResourceType::Cluster,
        testing::{cluster, snapshot},
    };

    fn everything() -> Subscription {
        let mut subscription = Subscription::default();
        subscription.replace(Cluster, &[]);
        subscription
    }

    fn set(revisions: &[(&str, u32)]) -> Arc<ResourceSet> {
        Arc::clone(
            snapshot(
                revisions
                    .iter()
                    .map(|(name, revision)| cluster(name, *revision)),
            )
            .set(Cluster),
        )
    }

    #[test]
    fn a_new_base_changes_nothing_that_is_known() {
        let mut ledger = Ledger::default();
        let old = set(&[("a", 1), ("b", 1)]);
        ledger.rebase(&old, &everything());
        ledger.settle();
        ledger.rebase(&set(&[("a", 2), ("c", 1)]), &everything());
        for name in ["a", "b"] {
            assert!(ledger.get(name).is_settled_at(old.get(name).unwrap()));
        }
        assert!(matches!(ledger.get("c").told, Holding::Unsaid));
    }

    #[test]
    fn a_proxy_in_step_has_no_entries() {
        let mut ledger = Ledger::default();
        let target = set(&[("a", 1)]);
        ledger.rebase(&target, &everything());
        assert!(!ledger.is_settled());
        ledger.set(&Arc::from("a"), Entry::settled(target.get("a").unwrap()));
        ledger.compact(&everything());
        assert!(ledger.is_settled());
    }

    #[test]
    fn equal_sets_of_two_snapshots_open_no_entries() {
        let mut ledger = Ledger::default();
        ledger.rebase(&set(&[("a", 1)]), &everything());
        ledger.settle();
        ledger.rebase(&set(&[("a", 1)]), &everything());
        assert!(ledger.is_settled());
    }

    #[test]
    fn a_wildcard_added_later_forgets_what_was_not_asked_for() {
        let mut subscription = Subscription::default();
        subscription.replace(Cluster, &["a".to_owned()]);
        let mut ledger = Ledger::default();
        ledger.rebase(&set(&[("a", 1), ("b", 1)]), &subscription);
        ledger.settle();
        subscription.replace(Cluster, &["a".to_owned(), "*".to_owned()]);
        ledger.forget_beyond(&subscription);
        assert!(ledger.get("a").told.is_present());
        assert!(!ledger.get("b").told.is_present());
    }
}
