//! One stream of one proxy: learns who it is, follows its fleet's snapshots, and feeds the state
//! machine. At most one response per type is under way, so a slow proxy holds up nobody and is sent
//! the newest state when it comes round.

use super::registry::Connection;
use super::wire::Requests;
use super::{Ads, Peer};
use crate::clock;
use crate::model::{FleetSlice, Key};
use axum::body::Body;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tonic::Status;
use watershed_xds::{NodeIdentity, PerType, RequestError, Snapshot, Version, XdsStream};

/// The most bytes of a `node.id`.
const MAX_NODE_ID: usize = 512;

/// One proxy's stream.
pub(super) struct Session<S: XdsStream> {
    ads: Ads,
    stream: S,
    peer: Peer,
    outbound: Outbound<S::Response>,
    connection: Option<Connection>,
    /// The version of the snapshot that the stream has taken up.
    seen: Option<Version>,
}

/// The other side is gone, or was sent away.
struct Closed;

/// Where responses go, and the status that ends them.
type Outbound<T> = mpsc::Sender<Box<Result<T, Status>>>;

type Followed = Option<watch::Receiver<Snapshot>>;

impl<S> Session<S>
where
    S: XdsStream,
    S::Request: Message + Default,
{
    pub(super) fn new(ads: Ads, stream: S, peer: Peer, outbound: Outbound<S::Response>) -> Self {
        Self {
            ads,
            stream,
            peer,
            outbound,
            connection: None,
            seen: None,
        }
    }

    pub(super) async fn run(mut self, mut inbound: Requests<Body, S::Request>) {
        let mut fleet: Followed = None;
        loop {
            let step = tokio::select! {
                request = inbound.next() => match request {
                    Ok(Some(request)) => self.on_request(request, &mut fleet).await,
                    Ok(None) => Err(Closed),
                    Err(status) => self.close(status).await,
                },
                snapshot = next(&mut fleet) => self.on_snapshot(&snapshot).await,
            };
            if step.is_err() {
                break;
            }
        }
        if let (Some(node), Some(_)) = (self.stream.node(), &self.connection) {
            tracing::info!(node = node.id, fleet = node.cluster, "proxy disconnected");
        }
    }

    async fn on_request(
        &mut self,
        request: S::Request,
        fleet: &mut Followed,
    ) -> Result<(), Closed> {
        let responses = match self.stream.on_request(request) {
            Ok(responses) => responses,
            Err(fault) => {
                tracing::warn!(node = self.stream.node().map(|n| n.id.as_str()), %fault, "request refused");
                // The other faults leave the rest of the stream useful.
                if matches!(fault, RequestError::OtherType { .. }) {
                    return self
                        .close(Status::invalid_argument(fault.to_string()))
                        .await;
                }
                Vec::new()
            }
        };
        if fleet.is_none() {
            self.identify(fleet).await?;
        }
        self.send(responses).await
    }

    /// Learns from the first request who is there, and begins to follow its fleet.
    async fn identify(&mut self, fleet: &mut Followed) -> Result<(), Closed> {
        let node = self.stream.node();
        let (id, part) = match admit(node, &self.peer) {
            Ok(admitted) => admitted,
            Err(status) => {
                let node = node.map(|node| node.id.as_str());
                tracing::warn!(node, reason = status.message(), "proxy sent away");
                return self.close(status).await;
            }
        };
        tracing::info!(node = id, fleet = %part, "proxy connected");
        let mut snapshots = self.ads.fleets.follow(&part);
        let connection = self.ads.registry.connect(part, id, clock::now());
        self.connection = Some(connection);
        let snapshot = snapshots.borrow_and_update().clone();
        *fleet = Some(snapshots);
        self.on_snapshot(&snapshot).await
    }

    async fn on_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Closed> {
        self.seen = Some(snapshot.version());
        let responses = self.stream.on_snapshot(snapshot);
        self.send(responses).await
    }

    async fn send(&mut self, responses: Vec<S::Response>) -> Result<(), Closed> {
        if let (Some(connection), Some(seen)) = (&self.connection, self.seen) {
            let statuses = PerType::from_fn(|ty| self.stream.status(ty));
            connection.note(&statuses, seen, clock::now());
        }
        for response in responses {
            let sent = self.outbound.send(Box::new(Ok(response))).await;
            sent.map_err(|_| Closed)?;
        }
        Ok(())
    }

    async fn close(&mut self, status: Status) -> Result<(), Closed> {
        // Whoever is gone already does not need to be told.
        let _ = self.outbound.send(Box::new(Err(status))).await;
        Err(Closed)
    }
}

/// The proxy's id and the part of a fleet that it is in, where it may have that configuration. The
/// fleet need not be described yet.
fn admit(node: Option<&NodeIdentity>, peer: &Peer) -> Result<(String, FleetSlice), Status> {
    let named = node.filter(|node| !node.id.is_empty() && !node.cluster.is_empty());
    let Some(node) = named else {
        let text = "node.id and node.cluster must be set in the proxy's bootstrap";
        return Err(Status::invalid_argument(text));
    };
    if node.id.len() > MAX_NODE_ID {
        let text = format!("node.id has more than {MAX_NODE_ID} bytes");
        return Err(Status::invalid_argument(text));
    }
    let key = |field: &str, name: &str| {
        let key = Key::try_new(name);
        key.map_err(|fault| Status::invalid_argument(format!("{field}: {fault}")))
    };
    let fleet = key("node.cluster", &node.cluster)?;
    let slice = node.slice.as_deref();
    let slice = slice.map(|name| key("node.metadata.watershed.slice", name));
    if !peer.may_join(&fleet) {
        return Err(peer.refusal(fleet.as_str()));
    }
    let slice = slice.transpose()?;
    Ok((node.id.clone(), FleetSlice { fleet, slice }))
}

/// The next snapshot of a fleet that is followed; waits for ever where none is, or where the control
/// plane is shutting down.
async fn next(fleet: &mut Followed) -> Snapshot {
    if let Some(snapshots) = fleet
        && snapshots.changed().await.is_ok()
    {
        return snapshots.borrow_and_update().clone();
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn node(id: &str, cluster: &str, slice: Option<&str>) -> NodeIdentity {
        NodeIdentity {
            id: id.to_owned(),
            cluster: cluster.to_owned(),
            slice: slice.map(str::to_owned),
        }
    }

    fn refused(node: Option<&NodeIdentity>, peer: &Peer) -> (Code, String) {
        let status = admit(node, peer).unwrap_err();
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn garbage_in_a_node_is_refused_and_the_field_is_named() {
        let long = "x".repeat(MAX_NODE_ID + 1);
        let garbage = [
            (node("", "edge", None), "node.id and node.cluster"),
            (node("a", "", None), "node.id and node.cluster"),
            (node(&long, "edge", None), "node.id has more"),
            (node("a", "no such key!", None), "node.cluster: "),
            (
                node("a", "edge", Some("")),
                "node.metadata.watershed.slice: ",
            ),
            (
                node("a", "edge", Some(NodeIdentity::NO_TEXT)),
                "node.metadata.watershed.slice: ",
            ),
        ];
        for (node, says) in garbage {
            let (code, text) = refused(Some(&node), &Peer::Unproven);
            assert_eq!(code, Code::InvalidArgument);
            assert!(text.starts_with(says), "{text}");
        }
        assert_eq!(refused(None, &Peer::Unproven).0, Code::InvalidArgument);
    }

    #[test]
    fn a_certificate_for_one_fleet_is_no_key_to_another() {
        let peer = Peer::Fleets([Key::try_new("edge").unwrap()].into());
        let (id, part) = admit(Some(&node("a", "edge", Some("canary"))), &peer).unwrap();
        assert_eq!(
            (id.as_str(), part.to_string().as_str()),
            ("a", "edge/canary")
        );
        let (code, text) = refused(Some(&node("a", "internal", None)), &peer);
        assert_eq!(code, Code::PermissionDenied);
        assert!(text.contains("`internal`"), "{text}");
    }
}
