//! Who sends evidence: a proxy as its streams name it, held against the certificate that it showed.

use crate::ads::Peer;
use envoy_types::pb::envoy::config::core::v3::Node;
use tonic::{Request, Status};

/// Who a stream is from: what it says of itself, as far as its certificate allows.
pub struct Origin {
    peer: Peer,
    /// What it brings, for the log.
    what: &'static str,
    node: Option<String>,
}

impl Origin {
    /// That of a stream which has not named itself yet, and brings evidence of the kind `what`.
    pub fn of<T>(request: &Request<T>, what: &'static str) -> Self {
        let peer = request.extensions().get::<Peer>().cloned();
        Self {
            peer: peer.unwrap_or_default(),
            what,
            node: None,
        }
    }

    /// The proxy's identifier, with a message that names it or does not. Only the first one of a stream
    /// does. No proxy may give evidence for a fleet that its certificate is not good for, and who does not
    /// say which it is in is in none.
    ///
    /// # Errors
    /// Permission denied.
    pub fn node(&mut self, named: Option<Option<Node>>) -> Result<&str, Status> {
        if self.node.is_none() || named.is_some() {
            let node = named.flatten().unwrap_or_default();
            if !self.peer.may_join_named(&node.cluster) {
                let refusal = self.peer.refusal(&node.cluster);
                let (what, reason) = (self.what, refusal.message());
                tracing::warn!(node = node.id, reason, "{what} refused");
                return Err(refusal);
            }
            self.node = Some(node.id);
        }
        Ok(self.name())
    }

    /// The identifier that it has named; empty before.
    pub fn name(&self) -> &str {
        self.node.as_deref().unwrap_or_default()
    }
}
