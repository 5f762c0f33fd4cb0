//! The newest snapshot of each fleet, and who follows it. A follower that is slow misses the snapshots
//! in between and sees the newest one: nothing queues.

use crate::model::Key;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use watershed_xds::Snapshot;

/// The snapshots of all fleets; none at first.
#[derive(Default)]
pub struct Fleets {
    newest: Mutex<HashMap<String, watch::Sender<Snapshot>>>,
}

impl Fleets {
    /// Replaces all snapshots. A fleet that is gone has an empty one from now on.
    pub fn publish(&self, mut snapshots: BTreeMap<Key, Snapshot>) {
        let mut newest = self.lock();
        newest.retain(|fleet, sender| {
            sender.receiver_count() > 0 || snapshots.contains_key(fleet.as_str())
        });
        for (fleet, sender) in newest.iter() {
            let snapshot = snapshots.remove(fleet.as_str()).unwrap_or_else(empty);
            sender.send_if_modified(|current| {
                let changed = current.version() != snapshot.version();
                if changed {
                    *current = snapshot;
                }
                changed
            });
        }
        for (fleet, snapshot) in snapshots {
            newest.insert(fleet.to_string(), watch::Sender::new(snapshot));
        }
    }

    /// Follows `fleet`, which may be one that nobody has described yet.
    #[must_use]
    pub fn follow(&self, fleet: &str) -> watch::Receiver<Snapshot> {
        let mut newest = self.lock();
        let sender = newest
            .entry(fleet.to_owned())
            .or_insert_with(|| watch::Sender::new(empty()));
        sender.subscribe()
    }

    /// The newest snapshot of `fleet`.
    #[must_use]
    pub fn newest(&self, fleet: &str) -> Option<Snapshot> {
        self.lock().get(fleet).map(|sender| sender.borrow().clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Snapshot>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty() -> Snapshot {
    Snapshot::builder().build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::google::protobuf::Any;
    use watershed_xds::{Resource, ResourceType};

    fn snapshot(content: &str) -> Snapshot {
        let body = Any {
            type_url: ResourceType::Cluster.type_url().to_owned(),
            value: content.into(),
        };
        let mut builder = Snapshot::builder();
        builder.add(ResourceType::Cluster, Resource::new("a", body, []));
        builder.build()
    }

    fn of(fleet: &str, content: &str) -> BTreeMap<Key, Snapshot> {
        BTreeMap::from([(Key::try_new(fleet).unwrap(), snapshot(content))])
    }

    #[test]
    fn a_follower_is_told_of_a_change_and_not_of_a_repetition() {
        let fleets = Fleets::default();
        fleets.publish(of("edge", "1"));
        let follower = fleets.follow("edge");
        fleets.publish(of("edge", "1"));
        assert!(!follower.has_changed().unwrap());
        fleets.publish(of("edge", "2"));
        assert!(follower.has_changed().unwrap());
    }

    #[test]
    fn a_fleet_that_is_gone_is_emptied_for_its_followers() {
        let fleets = Fleets::default();
        fleets.publish(of("edge", "1"));
        let follower = fleets.follow("edge");
        fleets.publish(BTreeMap::new());
        assert_eq!(follower.borrow().version(), empty().version());
    }

    #[test]
    fn a_fleet_may_be_followed_before_it_is_described() {
        let fleets = Fleets::default();
        let follower = fleets.follow("edge");
        fleets.publish(of("edge", "1"));
        assert_eq!(follower.borrow().version(), snapshot("1").version());
    }

    #[test]
    fn names_that_nobody_follows_any_more_are_forgotten() {
        let fleets = Fleets::default();
        for n in 0..100 {
            drop(fleets.follow(&format!("garbage-{n}")));
        }
        fleets.publish(of("edge", "1"));
        assert_eq!(fleets.lock().len(), 1);
    }
}
