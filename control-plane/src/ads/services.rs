//! The gRPC services: the aggregated one, and one for each type for proxies that are set up so. All
//! are shells of a few lines over [`Session`].

use super::session::Session;
use super::wire::{self, Requests};
use super::{Fleets, Peer, Registry};
use axum::body::Body;
use axum::routing::{MethodRouter, post};
use http::{Request, Response};
use prost::Message;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::service::Routes;
use watershed_xds::{DeltaStream, ResourceType, SotwStream, XdsStream};

/// Responses that may wait for the network. The state machine has at most one per type under way.
const OUTBOUND: usize = 8;

/// The services, what their methods are about, and the type of those that have only one.
const SERVICES: [(&str, &str, Option<ResourceType>); 6] = [
    (
        "envoy.service.discovery.v3.AggregatedDiscoveryService",
        "AggregatedResources",
        None,
    ),
    (
        "envoy.service.cluster.v3.ClusterDiscoveryService",
        "Clusters",
        Some(ResourceType::Cluster),
    ),
    (
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "Endpoints",
        Some(ResourceType::Endpoint),
    ),
    (
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "Listeners",
        Some(ResourceType::Listener),
    ),
    (
        "envoy.service.route.v3.RouteDiscoveryService",
        "Routes",
        Some(ResourceType::Route),
    ),
    (
        "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
        "ExtensionConfigs",
        Some(ResourceType::Extension),
    ),
];

/// The discovery services of all fleets.
#[derive(Clone)]
pub struct Ads {
    pub(super) fleets: Arc<Fleets>,
    pub(super) registry: Arc<Registry>,
}

impl Ads {
    /// Services that send what `fleets` hold and note in `registry` who has it.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, registry: Arc<Registry>) -> Self {
        Self { fleets, registry }
    }

    /// Adds the aggregated service and the five separate ones.
    #[must_use]
    pub fn add_to(&self, routes: Routes) -> Routes {
        let mut router = routes.into_axum_router();
        for (service, what, only) in SERVICES {
            let sotw = move || only.map_or_else(SotwStream::new, SotwStream::only);
            let delta = move || only.map_or_else(DeltaStream::new, DeltaStream::only);
            router = router
                .route(&format!("/{service}/Stream{what}"), self.method(sotw))
                .route(&format!("/{service}/Delta{what}"), self.method(delta))
                .route(&format!("/{service}/Fetch{what}"), post(polled));
        }
        router.into()
    }

    /// The method whose streams `begin` makes.
    fn method<S>(&self, begin: impl Fn() -> S + Clone + Send + Sync + 'static) -> MethodRouter
    where
        S: XdsStream + Send + 'static,
        S::Request: Message + Default + 'static,
        S::Response: Message + 'static,
    {
        let ads = self.clone();
        post(move |request| async move { ads.serve(begin(), request) })
    }

    /// Serves one stream in a task of its own, so that its fault is nobody else's.
    fn serve<S>(&self, stream: S, request: Request<Body>) -> Response<Body>
    where
        S: XdsStream + Send + 'static,
        S::Request: Message + Default + 'static,
        S::Response: Message + 'static,
    {
        let peer = request.extensions().get::<Peer>().cloned();
        let (outbound, responses) = mpsc::channel(OUTBOUND);
        let session = Session::new(self.clone(), stream, peer.unwrap_or_default(), outbound);
        tokio::spawn(session.run(Requests::new(request.into_body())));
        wire::answer(responses)
    }
}

/// Polling by single requests is not served: a proxy that polls could not be told of a roll-back in time.
async fn polled() -> Response<Body> {
    Status::unimplemented("use the streaming methods").into_http()
}
