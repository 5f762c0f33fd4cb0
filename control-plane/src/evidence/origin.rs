//! Who sends evidence: a proxy as its streams name it, held against the certificate that it showed.

use crate::ads::Peer;
use envoy_types::pb::envoy::config::core::v3::Node;
use tonic::{Request, Status};

/// The other end of the connection that a request came on.
pub fn peer<T>(request: &Request<T>) -> Peer {
    let peer = request.extensions().get::<Peer>();
    peer.cloned().unwrap_or_default()
}

/// The proxy's identifier. No proxy may give evidence (of this kind: `what`) for a fleet that its
/// certificate is not good for.
///
/// # Errors
/// Permission denied.
pub fn admit(node: Option<Node>, peer: &Peer, what: &str) -> Result<String, Status> {
    let node = node.unwrap_or_default();
    if peer.may_join_named(&node.cluster) {
        return Ok(node.id);
    }
    let refusal = peer.refusal(&node.cluster);
    let reason = refusal.message();
    tracing::warn!(node = node.id, reason, "{what} refused");
    Err(refusal)
}
