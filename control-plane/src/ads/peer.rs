//! What a connection proved about the proxy at its other end, as far as the discovery services care.
//! How it was proved is the listener's.

use crate::model::Key;
use std::sync::Arc;
use tonic::Status;

/// The most characters of a made-up fleet that are shown.
const MAX_SHOWN: usize = 100;

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

    /// Whether it may speak for the fleet of this name, which may be any text.
    #[must_use]
    pub fn may_join_named(&self, fleet: &str) -> bool {
        match self {
            Self::Unproven => true,
            Self::Fleets(fleets) => fleets.iter().any(|it| it.as_str() == fleet),
        }
    }

    /// What it is told when it names a fleet that its certificate is not good for.
    #[must_use]
    pub fn refusal(&self, fleet: &str) -> Status {
        let fleet: String = fleet.escape_debug().take(MAX_SHOWN).collect();
        let good_for = match self {
            Self::Fleets(fleets) if !fleets.is_empty() => {
                let fleets: Vec<_> = fleets.iter().map(Key::as_str).collect();
                format!("only for {}", fleets.join(", "))
            }
            _ => "for no fleet (--xds-client-fleet says which names in it count)".to_owned(),
        };
        Status::permission_denied(format!(
            "the client certificate is not good for the fleet `{fleet}` (node.cluster), {good_for}"
        ))
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
        assert!(peer.may_join_named("edge") && !peer.may_join_named("edge "));
    }

    #[test]
    fn a_refusal_says_which_fleets_a_certificate_is_good_for_and_shows_little_of_garbage() {
        let edge = Peer::Fleets([Key::try_new("edge").unwrap()].into());
        assert!(
            edge.refusal("internal")
                .message()
                .ends_with("only for edge")
        );
        let garbage = "\u{0}\n".repeat(10_000);
        let refusal = Peer::Fleets(Arc::new([])).refusal(&garbage);
        assert!(refusal.message().contains("--xds-client-fleet"));
        assert!(refusal.message().len() < 400 && refusal.message().is_ascii());
    }
}
