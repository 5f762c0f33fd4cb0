//! What a connection proved about the proxy at its other end, as far as the discovery services care.
//! How it was proved is the listener's.

use crate::model::Key;
use std::sync::Arc;

/// The other end of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Peer {
    /// Nobody asked who it is: it may join the fleet that it names.
    #[default]
    Unproven,
    /// A client certificate allows these fleets and no other.
    Fleets(Arc<[Key]>),
}

impl Peer {
    /// Whether it may have the configuration of `fleet`.
    #[must_use]
    pub fn may_join(&self, fleet: &Key) -> bool {
        match self {
            Self::Unproven => true,
            Self::Fleets(fleets) => fleets.contains(fleet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proven_peer_may_join_its_fleets_and_no_other() {
        let fleet = |name: &str| Key::try_new(name).unwrap();
        let peer = Peer::Fleets(["edge", "internal"].map(fleet).into());
        assert!(peer.may_join(&fleet("edge")) && peer.may_join(&fleet("internal")));
        assert!(!peer.may_join(&fleet("default")));
        assert!(!Peer::Fleets(Arc::new([])).may_join(&fleet("edge")));
        assert!(Peer::Unproven.may_join(&fleet("edge")));
    }
}
