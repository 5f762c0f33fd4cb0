//! Which names a proxy asked for in one type, and how a request changes that. What the proxy was sent is
//! the ledger's business.

use std::{collections::BTreeSet, sync::Arc};

use crate::{ResourceSet, ResourceType, Version};

/// The most names that one subscription may hold.
pub const MAX_NAMES: usize = 10_000;

/// The special name that stands for everything ("How the client specifies what resources to return").
const WILDCARD: &str = "*";

/// The names a proxy is subscribed to in one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    started: bool,
    explicit: bool,
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
}

/// What a request changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Names that were not subscribed to before.
    pub added: Vec<Arc<str>>,
    /// Names to send again, though they were subscribed to before.
    pub again: Vec<Arc<str>>,
    /// Names that are no longer asked for by name.
    pub removed: Vec<Arc<str>>,
    /// The wildcard was added.
    pub widened: bool,
    /// The wildcard was taken away.
    pub narrowed: bool,
}

impl Change {
    /// Whether the request changed nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        let named = !(self.added.is_empty() && self.again.is_empty() && self.removed.is_empty());
        !(named || self.widened || self.narrowed)
    }
}

impl Subscription {
    /// Whether the proxy ever asked for this type.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.started
    }

    /// Whether it asked for everything.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The names asked for one by one.
    #[must_use]
    pub const fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }

    /// Whether a resource of this name is subscribed to.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Whether nothing is subscribed to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.wildcard && self.names.is_empty()
    }

    /// The version of everything subscribed to in a set: the set's own, if all of it is.
    pub(crate) fn version_in(&self, set: &ResourceSet) -> Version {
        let covers = self.wildcard
            || (self.names.len() >= set.len()
                && set.iter().all(|it| self.names.contains(it.name())));
        if covers {
            return set.version();
        }
        let subscribed = self.names.iter().filter_map(|name| set.get(name));
        Version::of_named(subscribed.map(|it| (&**it.name(), it.version())))
    }

    /// Takes the names of a state-of-the-world request: the whole list, every time
    /// ("Unsubscribing From Resources").
    pub(crate) fn replace(&mut self, ty: ResourceType, names: &[String]) -> Change {
        let first = !std::mem::replace(&mut self.started, true);
        let explicit = self.explicit || !names.is_empty();
        // "For historical reasons": no name in any request so far means everything, where a wildcard exists.
        let legacy = !explicit && ty.is_full_state();
        let wildcard = legacy || names.iter().any(|name| name == WILDCARD);
        let wanted: BTreeSet<Arc<str>> = names
            .iter()
            .filter(|name| *name != WILDCARD)
            .map(|name| Arc::from(name.as_str()))
            .collect();
        // "How the client specifies what resources to return": a newly requested name is sent, even if it
        // was sent before without having been asked for.
        let asked = wanted.difference(&self.names).cloned().collect();
        let (added, again) = if self.wildcard {
            (Vec::new(), asked)
        } else {
            (asked, Vec::new())
        };
        let change = Change {
            removed: self.names.difference(&wanted).cloned().collect(),
            widened: wildcard && (first || !self.wildcard),
            narrowed: !wildcard && self.wildcard,
            added,
            again,
        };
        self.explicit = explicit;
        self.wildcard = wildcard;
        // The names that stay keep their allocation, which the ledger shares.
        for name in &change.removed {
            self.names.remove(name);
        }
        self.names
            .extend(change.added.iter().chain(&change.again).cloned());
        change
    }

    /// Takes the names of an incremental request: what to add and what to take away.
    pub(crate) fn update(
        &mut self,
        ty: ResourceType,
        subscribe: &[String],
        unsubscribe: &[String],
    ) -> Change {
        let first = !std::mem::replace(&mut self.started, true);
        let had_everything = self.wildcard;
        let mut change = Change::default();
        for name in unsubscribe {
            if name == WILDCARD {
                change.narrowed |= std::mem::take(&mut self.wildcard);
            } else if let Some(name) = self.names.take(name.as_str()) {
                // "Unsubscribing from Resources": names that were never subscribed to are ignored.
                change.removed.push(name);
            }
        }
        // "Incremental xDS": no names at all in the first request means everything, where a wildcard exists.
        let legacy = first && subscribe.is_empty() && unsubscribe.is_empty() && ty.is_full_state();
        if legacy || subscribe.iter().any(|name| name == WILDCARD) {
            change.widened = !std::mem::replace(&mut self.wildcard, true);
            change.narrowed = false;
        }
        // "Subscribing to Resources": a name that is already subscribed to has to be sent again.
        let wanted: BTreeSet<&str> = subscribe
            .iter()
            .map(String::as_str)
            .filter(|name| *name != WILDCARD)
            .collect();
        for name in wanted {
            let name: Arc<str> = Arc::from(name);
            let known = !self.names.insert(Arc::clone(&name)) || change.removed.contains(&name);
            change.removed.retain(|removed| *removed != name);
            let list = if had_everything || known {
                &mut change.again
            } else {
                &mut change.added
            };
            list.push(name);
        }
        self.explicit |= !subscribe.is_empty();
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResourceType::{Cluster, Endpoint};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn arcs(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn the_documented_state_of_the_world_walk_is_followed() {
        let mut subscription = Subscription::default();
        assert!(subscription.replace(Cluster, &[]).widened);
        let change = subscription.replace(Cluster, &names(&["*", "A"]));
        assert_eq!((change.again, change.widened), (arcs(&["A"]), false));
        let change = subscription.replace(Cluster, &names(&["A"]));
        assert!(change.narrowed && change.added.is_empty() && change.again.is_empty());
        let change = subscription.replace(Cluster, &[]);
        assert_eq!(change.removed, arcs(&["A"]));
        assert!(
            subscription.is_empty(),
            "it is no wildcard: a name was given before"
        );
    }

    #[test]
    fn the_documented_incremental_walk_is_followed() {
        let mut subscription = Subscription::default();
        assert!(subscription.update(Cluster, &[], &[]).widened);
        assert_eq!(
            subscription.update(Cluster, &names(&["A"]), &[]).again,
            arcs(&["A"])
        );
        assert!(subscription.is_wildcard());
        assert!(subscription.update(Cluster, &[], &names(&["*"])).narrowed);
        assert_eq!(
            subscription.update(Cluster, &[], &names(&["A"])).removed,
            arcs(&["A"])
        );
        assert!(subscription.is_empty());
        subscription.update(Cluster, &[], &[]);
        assert!(
            subscription.is_empty(),
            "only a first request is a wildcard without a name"
        );
    }

    #[test]
    fn an_empty_first_request_asks_for_nothing_where_there_is_no_wildcard() {
        let (mut sotw, mut delta) = (Subscription::default(), Subscription::default());
        sotw.replace(Endpoint, &[]);
        delta.update(Endpoint, &[], &[]);
        assert!(sotw.is_empty() && delta.is_empty());
        assert!(sotw.is_started() && delta.is_started());
    }

    #[test]
    fn a_name_subscribed_to_again_is_sent_again_in_the_incremental_protocol() {
        let mut subscription = Subscription::default();
        subscription.update(Endpoint, &names(&["a"]), &[]);
        assert_eq!(
            subscription
                .update(Endpoint, &names(&["a", "a"]), &[])
                .again,
            arcs(&["a"])
        );
    }

    #[test]
    fn a_phantom_unsubscription_changes_nothing() {
        let mut subscription = Subscription::default();
        subscription.update(Endpoint, &names(&["a"]), &[]);
        assert_eq!(
            subscription.update(Endpoint, &[], &names(&["b", "*"])),
            Change::default()
        );
    }

    #[test]
    fn a_name_both_taken_away_and_added_stays() {
        let mut subscription = Subscription::default();
        subscription.update(Endpoint, &names(&["a"]), &[]);
        let change = subscription.update(Endpoint, &names(&["a"]), &names(&["a"]));
        assert_eq!((change.again, change.removed), (arcs(&["a"]), arcs(&[])));
        assert!(subscription.contains("a"));
    }

    #[test]
    fn names_given_twice_count_once() {
        let mut subscription = Subscription::default();
        subscription.replace(Endpoint, &names(&["a", "a"]));
        assert_eq!(subscription.names().len(), 1);
    }
}
