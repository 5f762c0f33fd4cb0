//! The aggregated discovery service: a tonic shell over the state machines of `watershed-xds`. It
//! moves messages, and keeps a registry of who is connected and what each proxy has acknowledged.
//! What to send, and when, is decided there; what there is to send, in [`crate::resources`].

mod fleets;
mod registry;
mod view;

pub use fleets::Fleets;
pub use registry::{ProxyState, Registry};
pub use view::FleetView;

use crate::clock;
use crate::metrics::Metrics;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use futures::Stream;
use registry::Connection;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use watershed_xds::{DeltaStream, ResourceType, Snapshot, SotwStream, Version, XdsStream};

/// Responses that may wait for the network. The state machine has at most one per type under way.
const OUTBOUND: usize = 8;
/// The largest request that is read: a subscription of many names.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The discovery service of all fleets.
#[derive(Clone)]
pub struct Ads {
    fleets: Arc<Fleets>,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
}

impl Ads {
    /// The gRPC service that sends what `fleets` hold and notes in `registry` who has it.
    #[must_use]
    pub fn service(
        fleets: Arc<Fleets>,
        registry: Arc<Registry>,
        metrics: Arc<Metrics>,
    ) -> AggregatedDiscoveryServiceServer<Self> {
        let ads = Self {
            fleets,
            registry,
            metrics,
        };
        AggregatedDiscoveryServiceServer::new(ads).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    /// Serves one stream in a task of its own, so that its fault is nobody else's.
    fn serve<S>(&self, inbound: Streaming<S::Request>) -> Outbound<S::Response>
    where
        S: XdsStream + Send + 'static,
        S::Request: Send + 'static,
        S::Response: Send + 'static,
    {
        let (outbound, responses) = mpsc::channel(OUTBOUND);
        let session = Session::<S> {
            ads: self.clone(),
            stream: S::default(),
            outbound,
            connection: None,
            seen: None,
        };
        tokio::spawn(session.run(inbound));
        Box::pin(ReceiverStream::new(responses))
    }
}

#[async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Outbound<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Outbound<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(Response::new(
            self.serve::<SotwStream>(request.into_inner()),
        ))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(Response::new(
            self.serve::<DeltaStream>(request.into_inner()),
        ))
    }
}

/// One proxy's stream.
struct Session<S: XdsStream> {
    ads: Ads,
    stream: S,
    outbound: mpsc::Sender<Result<S::Response, Status>>,
    connection: Option<Connection>,
    /// The version of the filter's configuration in the snapshot that the stream has taken up.
    seen: Option<Version>,
}

/// The other side is gone.
struct Closed;

impl<S: XdsStream> Session<S> {
    async fn run(mut self, mut inbound: Streaming<S::Request>) {
        let mut fleet: Option<watch::Receiver<Snapshot>> = None;
        loop {
            let step = tokio::select! {
                request = inbound.message() => match request {
                    Ok(Some(request)) => self.on_request(request, &mut fleet).await,
                    Ok(None) | Err(_) => Err(Closed),
                },
                snapshot = next(&mut fleet) => self.on_snapshot(&snapshot).await,
            };
            if step.is_err() {
                break;
            }
        }
        if let Some(node) = self.stream.node() {
            tracing::info!(node = node.id, fleet = node.cluster, "proxy disconnected");
        }
    }

    async fn on_request(
        &mut self,
        request: S::Request,
        fleet: &mut Option<watch::Receiver<Snapshot>>,
    ) -> Result<(), Closed> {
        let responses = match self.stream.on_request(request) {
            Ok(responses) => responses,
            Err(fault) => {
                tracing::warn!(node = self.stream.node().map(|n| n.id.as_str()), %fault, "request refused");
                Vec::new()
            }
        };
        if fleet.is_none() {
            self.identify(fleet).await?;
        }
        self.send(responses).await
    }

    /// Learns from the first request who is there, and begins to follow its fleet.
    async fn identify(
        &mut self,
        fleet: &mut Option<watch::Receiver<Snapshot>>,
    ) -> Result<(), Closed> {
        let Some(node) = self.stream.node().filter(|node| !node.id.is_empty()) else {
            let status = Status::invalid_argument(
                "node.id and node.cluster must be set in the proxy's bootstrap",
            );
            let _ = self.outbound.send(Err(status)).await;
            return Err(Closed);
        };
        tracing::info!(node = node.id, fleet = node.cluster, "proxy connected");
        let mut snapshots = self.ads.fleets.follow(&node.cluster);
        let metrics = Arc::clone(&self.ads.metrics);
        self.connection = Some(
            self.ads
                .registry
                .connect(node.clone(), clock::now(), metrics),
        );
        let snapshot = snapshots.borrow_and_update().clone();
        *fleet = Some(snapshots);
        self.on_snapshot(&snapshot).await
    }

    async fn on_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Closed> {
        self.seen = Some(snapshot.get(ResourceType::Extension).version());
        let responses = self.stream.on_snapshot(snapshot);
        self.send(responses).await
    }

    async fn send(&mut self, responses: Vec<S::Response>) -> Result<(), Closed> {
        if let (Some(connection), Some(seen)) = (&self.connection, self.seen) {
            connection.note(|ty| self.stream.status(ty), seen, clock::now());
        }
        for response in responses {
            self.outbound.send(Ok(response)).await.map_err(|_| Closed)?;
        }
        Ok(())
    }
}

/// The next snapshot of a fleet that is followed; waits for ever where none is, or where the control
/// plane is shutting down.
async fn next(fleet: &mut Option<watch::Receiver<Snapshot>>) -> Snapshot {
    if let Some(snapshots) = fleet
        && snapshots.changed().await.is_ok()
    {
        return snapshots.borrow_and_update().clone();
    }
    std::future::pending().await
}
