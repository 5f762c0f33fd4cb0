//! The newest snapshot of each fleet, and who follows it. A follower that is slow misses the snapshots
//! in between and sees the newest one: nothing queues.

use crate::model::{FleetSlice, Key};
use crate::traces;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use watershed_xds::Snapshot;

/// The snapshots of all fleets; none at first.
#[derive(Default)]
pub struct Fleets {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    described: BTreeMap<FleetSlice, Snapshot>,
    followed: HashMap<FleetSlice, watch::Sender<Snapshot>>,
}

impl State {
    /// What the proxies of `part` should have: their slice's, else their fleet's.
    fn newest(&self, part: &FleetSlice) -> Option<&Snapshot> {
        self.described.get(part).or_else(|| {
            let rest = FleetSlice::rest_of(part.fleet.clone());
            self.described.get(&rest)
        })
    }
}

impl Fleets {
    /// Replaces all snapshots. A fleet that is gone has an empty one from now on.
    pub fn publish(&self, snapshots: BTreeMap<FleetSlice, Snapshot>) {
        let mut state = self.lock();
        state.described = snapshots;
        state
            .followed
            .retain(|_, sender| sender.receiver_count() > 0);
        for (part, sender) in &state.followed {
            let snapshot = state.newest(part).cloned().unwrap_or_else(empty);
            sender.send_if_modified(|current| {
                let changed = current.version() != snapshot.version();
                if changed {
                    let proxies = sender.receiver_count();
                    let _pushing = traces::push(part, snapshot.version(), proxies).entered();
                    *current = snapshot;
                }
                changed
            });
        }
    }

    /// Follows the snapshots of `part`, whose fleet may be one that nobody has described yet.
    #[must_use]
    pub fn follow(&self, part: &FleetSlice) -> watch::Receiver<Snapshot> {
        let mut state = self.lock();
        if let Some(sender) = state.followed.get(part) {
            return sender.subscribe();
        }
        let sender = watch::Sender::new(state.newest(part).cloned().unwrap_or_else(empty));
        let receiver = sender.subscribe();
        state.followed.insert(part.clone(), sender);
        receiver
    }

    /// The newest snapshot for `part`, where its fleet is described.
    #[must_use]
    pub fn newest(&self, part: &FleetSlice) -> Option<Snapshot> {
        self.lock().newest(part).cloned()
    }

    /// The fleets that are described, each with the slices that have a snapshot of their own.
    #[must_use]
    pub fn described(&self) -> Vec<FleetSlice> {
        self.lock().described.keys().cloned().collect()
    }

    /// Whether anything describes `fleet`.
    #[must_use]
    pub fn describe(&self, fleet: &Key) -> bool {
        let rest = FleetSlice::rest_of(fleet.clone());
        self.lock().described.contains_key(&rest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn part(fleet: &str, slice: Option<&str>) -> FleetSlice {
        FleetSlice {
            fleet: Key::try_new(fleet).unwrap(),
            slice: slice.map(|slice| Key::try_new(slice).unwrap()),
        }
    }

    fn edge() -> FleetSlice {
        part("edge", None)
    }

    fn of(content: &str) -> BTreeMap<FleetSlice, Snapshot> {
        BTreeMap::from([(edge(), snapshot(content))])
    }

    #[test]
    fn a_follower_is_told_of_a_change_and_not_of_a_repetition() {
        let fleets = Fleets::default();
        fleets.publish(of("1"));
        let follower = fleets.follow(&edge());
        fleets.publish(of("1"));
        assert!(!follower.has_changed().unwrap());
        fleets.publish(of("2"));
        assert!(follower.has_changed().unwrap());
    }

    #[test]
    fn a_fleet_that_is_gone_is_emptied_for_its_followers() {
        let fleets = Fleets::default();
        fleets.publish(of("1"));
        let follower = fleets.follow(&edge());
        fleets.publish(BTreeMap::new());
        assert_eq!(follower.borrow().version(), empty().version());
        assert!(!fleets.describe(&edge().fleet));
    }

    #[test]
    fn a_fleet_may_be_followed_before_it_is_described() {
        let fleets = Fleets::default();
        let follower = fleets.follow(&edge());
        fleets.publish(of("1"));
        assert_eq!(follower.borrow().version(), snapshot("1").version());
    }

    #[test]
    fn a_slice_has_its_own_snapshot_as_long_as_there_is_one_and_else_its_fleets() {
        let fleets = Fleets::default();
        let canary = part("edge", Some("canary"));
        fleets.publish(of("1"));
        let follower = fleets.follow(&canary);
        assert_eq!(follower.borrow().version(), snapshot("1").version());
        let mut both = of("1");
        both.insert(canary.clone(), snapshot("2"));
        fleets.publish(both);
        assert_eq!(follower.borrow().version(), snapshot("2").version());
        let rest = fleets.newest(&part("edge", Some("other"))).unwrap();
        assert_eq!(rest.version(), snapshot("1").version());
        fleets.publish(of("1"));
        assert_eq!(follower.borrow().version(), snapshot("1").version());
    }

    #[test]
    fn names_that_nobody_follows_any_more_are_forgotten() {
        let fleets = Fleets::default();
        for n in 0..100 {
            drop(fleets.follow(&part(&format!("garbage-{n}"), None)));
        }
        fleets.publish(of("1"));
        assert!(fleets.lock().followed.is_empty());
        assert_eq!(fleets.described(), [edge()]);
    }
}
