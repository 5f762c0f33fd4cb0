//! The state of one resource type on one stream: subscription, ledger, the response in flight and what was
//! refused. It records; what to send next is decided by the session.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Refusal, Resource, ResourceType, Subscription, TypeStatus, Version,
    ledger::{Entry, Holding, Ledger},
    snapshot::ResourceSet,
    subscription::Change,
};

/// One name of a response.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub name: Arc<str>,
    /// The resource sent; `None` says that there is none.
    pub resource: Option<Arc<Resource>>,
    /// The version that the snapshot had; the resource sent may be older, when the newer one has to wait.
    pub wanted: Option<Version>,
}

/// A response that waits for its acknowledgement. There is at most one per type: newer states replace each
/// other in the snapshot, not in a queue.
#[derive(Debug)]
struct InFlight {
    nonce: u64,
    version: Version,
    told: Vec<Told>,
}

/// What a reconnecting proxy says it has.
#[derive(Debug)]
pub(crate) enum Claim {
    /// State of the world: the version of the last response it accepted.
    Version(String),
    /// Incremental: `initial_resource_versions`.
    Resources(HashMap<String, String>),
}

/// The names of a refused response, each with the version that was wanted. Any of them may be the bad one, so
/// all wait until one of them changes.
type Refused = Vec<(Arc<str>, Option<Version>)>;

#[derive(Debug, Default)]
pub(crate) struct TypeState {
    pub subscription: Subscription,
    pub ledger: Ledger,
    /// A response is due even if there is no resource to put in it.
    pub owed: bool,
    /// State of the world: the proxy has resources from before this stream that are not known by name, and a
    /// full response that leaves one out would delete it.
    pub holds_unnamed: bool,
    /// The proxy came with resources from an earlier stream and may not have named all of them yet: each
    /// type has a request of its own. An answer to any response comes after those.
    pub resuming: bool,
    claim: Option<Claim>,
    /// Names to send whatever the first request, still to come, says the proxy has of them.
    pub outdated: Vec<Arc<str>>,
    in_flight: Option<InFlight>,
    last_nonce: Option<u64>,
    refused: Vec<Refused>,
    refusal: Option<Refusal>,
    sent_version: Option<Version>,
    acked_version: Option<Version>,
    /// The version of everything subscribed to; `None` when it has to be computed.
    target_version: Option<Version>,
    acks: u64,
    nacks: u64,
}

impl TypeState {
    pub(crate) const fn in_flight(&self) -> Option<u64> {
        match &self.in_flight {
            Some(flight) => Some(flight.nonce),
            None => None,
        }
    }

    /// The nonce of the last response, answered or not.
    pub(crate) const fn last_nonce(&self) -> Option<u64> {
        self.last_nonce
    }

    pub(crate) fn is_refused(&self, name: &str) -> bool {
        self.refused
            .iter()
            .flatten()
            .any(|(refused, _)| &**refused == name)
    }

    /// Keeps what a reconnecting proxy says it has until there is a snapshot to compare it with.
    pub(crate) fn claim(&mut self, claim: Claim) {
        self.claim = Some(claim);
    }

    /// Brings the state in line with the newest set.
    pub(crate) fn adopt(&mut self, ty: ResourceType, target: &Arc<ResourceSet>) {
        if self.ledger.rebase(target, &self.subscription) {
            self.target_version = None;
        }
        let reachable = *self
            .target_version
            .get_or_insert_with(|| self.subscription.version_in(target));
        let unchanged =
            |(name, wanted): &(Arc<str>, Option<Version>)| target.version_of(name) == *wanted;
        self.refused.retain(|names| names.iter().all(unchanged));
        let Some(claim) = self.claim.take() else {
            return;
        };
        self.resuming = true;
        match claim {
            Claim::Version(version) if version == reachable.to_string() => self.adopt_all(),
            Claim::Version(_) => self.adopt_unnamed(ty),
            Claim::Resources(versions) => self.adopt_resources(&versions, target),
        }
        for name in self.outdated.clone() {
            self.tell_anew(&name);
        }
        if self.ledger.is_settled() && !self.owed && !self.holds_unnamed {
            self.sent_version = Some(reachable);
            self.acked_version = Some(reachable);
        }
    }

    /// "ACK/NACK and resource type instance version": resources that the proxy has already seen need not
    /// be sent again, if its subscription is the same. It is: the version covers every subscribed name.
    fn adopt_all(&mut self) {
        self.ledger.settle();
        self.owed = false;
    }

    /// The proxy has something, but not what it would be sent now.
    fn adopt_unnamed(&mut self, ty: ResourceType) {
        self.holds_unnamed = ty.is_full_state();
        if ResourceType::USERS.contains(&ty) {
            for name in self.subscription.names() {
                self.ledger.get_mut(name).holds = Holding::Foreign;
            }
        }
    }

    /// "Incremental xDS": a reconnecting proxy names what it has, to avoid having it sent again.
    fn adopt_resources(&mut self, versions: &HashMap<String, String>, target: &ResourceSet) {
        let subscription = &self.subscription;
        for (name, version) in versions
            .iter()
            .filter(|(name, _)| subscription.contains(name))
        {
            self.owed = false;
            match target.get(name) {
                Some(resource) if resource.version().to_string() == *version => {
                    self.ledger.drop_row(name);
                }
                _ => self.ledger.set(&Arc::from(name.as_str()), Entry::foreign()),
            }
        }
    }

    /// Follows a change of the subscription. `answers_each` says whether the protocol answers for each name
    /// (incremental) or with the whole state.
    pub(crate) fn resubscribe(&mut self, ty: ResourceType, change: &Change, answers_each: bool) {
        self.target_version = None;
        for name in &change.removed {
            self.release(name);
            if !self.subscription.contains(name) {
                self.ledger.drop_row(name);
            } else if answers_each {
                // "Unsubscribing from Resources": the wildcard may still cover it, and the proxy has to be
                // told whether it does.
                self.ledger.get_mut(name).told = Holding::Foreign;
            }
        }
        if change.narrowed {
            self.ledger.drop_unsubscribed(&self.subscription);
            if let Some(flight) = &mut self.in_flight {
                flight
                    .told
                    .retain(|told| self.subscription.contains(&told.name));
            }
        }
        if change.widened {
            self.ledger.forget_beyond(&self.subscription);
        }
        for name in &change.added {
            self.release(name);
            self.ledger.set(name, Entry::default());
        }
        for name in &change.again {
            self.release(name);
            self.ask_again(ty, name);
        }
        let named = !(change.added.is_empty() && change.again.is_empty());
        self.owed |= change.widened || (named && !answers_each);
        self.owed &= answers_each || ty.is_full_state();
        if self.subscription.is_empty() {
            self.in_flight = None;
            self.owed = false;
        }
    }

    /// A response in flight or refused no longer speaks for this name.
    fn release(&mut self, name: &str) {
        if let Some(flight) = &mut self.in_flight {
            flight.told.retain(|told| &*told.name != name);
        }
        self.refused
            .retain(|names| names.iter().all(|(refused, _)| &**refused != name));
    }

    /// The proxy may have forgotten this resource. What it may still send traffic by is remembered: the
    /// clusters that it names must stay.
    fn ask_again(&mut self, ty: ResourceType, name: &Arc<str>) {
        let entry = self.ledger.get_mut(name);
        entry.told = Holding::Unsaid;
        if !ResourceType::USERS.contains(&ty) {
            entry.holds = Holding::Unsaid;
        }
    }

    /// Makes a resource be sent once more; the proxy keeps what it holds meanwhile.
    pub(crate) fn tell_again(&mut self, name: &Arc<str>) {
        if self.subscription.contains(name) {
            self.ledger.get_mut(name).told = Holding::Unsaid;
        }
    }

    /// Makes a resource be sent once more, and counts it as missing until then.
    pub(crate) fn tell_anew(&mut self, name: &Arc<str>) {
        if self.subscription.contains(name) {
            self.release(name);
            self.ledger.set(name, Entry::default());
        }
    }

    /// Records a response.
    pub(crate) fn sent(&mut self, nonce: u64, version: Version, told: Vec<Told>) {
        for Told { name, resource, .. } in &told {
            self.ledger.get_mut(name).tell(resource.as_ref());
        }
        self.owed = false;
        self.last_nonce = Some(nonce);
        self.sent_version = Some(version);
        self.in_flight = Some(InFlight {
            nonce,
            version,
            told,
        });
    }

    /// Records the proxy's answer to the response in flight.
    pub(crate) fn answered(&mut self, ty: ResourceType, answer: Result<(), String>) {
        let Some(flight) = self.in_flight.take() else {
            return;
        };
        match answer {
            Ok(()) => self.accepted(flight),
            Err(message) => self.refused(ty, flight, message),
        }
    }

    fn accepted(&mut self, flight: InFlight) {
        self.acks = self.acks.saturating_add(1);
        self.acked_version = Some(flight.version);
        self.holds_unnamed = false;
        for Told { name, resource, .. } in flight.told {
            self.ledger.get_mut(&name).confirm(resource.as_ref());
        }
        self.ledger.compact(&self.subscription);
        if self.refused.is_empty() {
            self.refusal = None;
        }
    }

    fn refused(&mut self, ty: ResourceType, flight: InFlight, message: String) {
        self.nacks = self.nacks.saturating_add(1);
        self.refusal = Some(Refusal {
            version: flight.version,
            message,
        });
        for Told { name, resource, .. } in &flight.told {
            let entry = self.ledger.get_mut(name);
            entry.doubt(resource.as_ref());
            // Part of a refused response may have been taken: what it removed is not to be relied on.
            if resource.is_none() && !ResourceType::USERS.contains(&ty) {
                entry.holds = Holding::Unsaid;
            }
        }
        if !flight.told.is_empty() {
            let names = flight.told.into_iter().map(|told| (told.name, told.wanted));
            self.refused.push(names.collect());
        }
    }

    /// Whether the proxy confirmed all it subscribed to. `says_gone` is whether it is told that a resource
    /// is gone.
    fn is_in_sync(&self, target: &ResourceSet, says_gone: bool) -> bool {
        let confirmed = |name: &str, entry: &Entry| match target.get(name) {
            Some(resource) => entry.is_settled_at(resource),
            None => !says_gone || entry.is_said(None),
        };
        self.subscription.is_started()
            && self.in_flight.is_none()
            && !self.owed
            && self
                .ledger
                .open()
                .all(|(name, entry)| confirmed(name, entry))
    }

    pub(crate) fn status(&self, target: Option<&ResourceSet>, says_gone: bool) -> TypeStatus {
        let target = target.filter(|_| self.subscription.is_started());
        let in_sync = target.is_some_and(|target| self.is_in_sync(target, says_gone));
        TypeStatus {
            subscribed: self.subscription.is_started(),
            target_version: self.target_version.filter(|_| target.is_some()),
            sent_version: self.sent_version,
            acked_version: self.acked_version,
            in_flight: self.in_flight(),
            refusal: self.refusal.clone().filter(|_| !in_sync),
            acks: self.acks,
            nacks: self.nacks,
            in_sync,
        }
    }
}
