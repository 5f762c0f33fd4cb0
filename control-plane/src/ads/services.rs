//! The gRPC services: the aggregated one, and one for each type for proxies that are set up so. All
//! are shells of a few lines over [`Session`].

use super::session::Session;
use super::{Fleets, Peer, Registry};
use envoy_types::pb::envoy::service::cluster::v3::cluster_discovery_service_server::{
    ClusterDiscoveryService, ClusterDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::endpoint::v3::endpoint_discovery_service_server::{
    EndpointDiscoveryService, EndpointDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_server::{
    ExtensionConfigDiscoveryService, ExtensionConfigDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::listener::v3::listener_discovery_service_server::{
    ListenerDiscoveryService, ListenerDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::route::v3::route_discovery_service_server::{
    RouteDiscoveryService, RouteDiscoveryServiceServer,
};
use futures::{Stream, StreamExt as _};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status, Streaming, async_trait};
use watershed_xds::{DeltaStream, ResourceType, SotwStream, XdsStream};

/// Responses that may wait for the network. The state machine has at most one per type under way. Boxed:
/// a channel makes room for 32 of them at once, whatever its bound is.
const OUTBOUND: usize = 8;
/// The largest request that is read: a subscription of many names.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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
    pub fn add_to(&self, routes: &mut RoutesBuilder) {
        macro_rules! add {
            ($($server:ident),*) => {
                $(
                    let service = $server::new(self.clone());
                    routes.add_service(service.max_decoding_message_size(MAX_REQUEST_BYTES));
                )*
            };
        }
        add!(
            AggregatedDiscoveryServiceServer,
            ClusterDiscoveryServiceServer,
            EndpointDiscoveryServiceServer,
            ListenerDiscoveryServiceServer,
            RouteDiscoveryServiceServer,
            ExtensionConfigDiscoveryServiceServer
        );
    }

    /// Serves one stream in a task of its own, so that its fault is nobody else's.
    fn serve<S>(
        &self,
        stream: S,
        request: Request<Streaming<S::Request>>,
    ) -> Response<Outbound<S::Response>>
    where
        S: XdsStream + Send + 'static,
        S::Request: Send + 'static,
        S::Response: Send + 'static,
    {
        let peer = request.extensions().get::<Peer>().cloned();
        let (outbound, responses) = mpsc::channel(OUTBOUND);
        let session = Session::new(self.clone(), stream, peer.unwrap_or_default(), outbound);
        tokio::spawn(session.run(request.into_inner()));
        let responses = ReceiverStream::new(responses).map(|response| *response);
        Response::new(Box::pin(responses))
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
        Ok(self.serve(SotwStream::new(), request))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.serve(DeltaStream::new(), request))
    }
}

/// The service of one type. Its polling by single requests is not served: a proxy that polls could not
/// be told of a roll-back in time.
macro_rules! separate_service {
    (
        $ty:expr, $service:ident,
        $stream:ident -> $stream_type:ident,
        $delta:ident -> $delta_type:ident,
        $fetch:ident
    ) => {
        #[async_trait]
        impl $service for Ads {
            type $stream_type = Outbound<DiscoveryResponse>;
            type $delta_type = Outbound<DeltaDiscoveryResponse>;

            async fn $stream(
                &self,
                request: Request<Streaming<DiscoveryRequest>>,
            ) -> Result<Response<Self::$stream_type>, Status> {
                Ok(self.serve(SotwStream::only($ty), request))
            }

            async fn $delta(
                &self,
                request: Request<Streaming<DeltaDiscoveryRequest>>,
            ) -> Result<Response<Self::$delta_type>, Status> {
                Ok(self.serve(DeltaStream::only($ty), request))
            }

            async fn $fetch(
                &self,
                _request: Request<DiscoveryRequest>,
            ) -> Result<Response<DiscoveryResponse>, Status> {
                Err(Status::unimplemented("use the streaming methods"))
            }
        }
    };
}

separate_service!(
    ResourceType::Cluster, ClusterDiscoveryService,
    stream_clusters -> StreamClustersStream,
    delta_clusters -> DeltaClustersStream,
    fetch_clusters
);
separate_service!(
    ResourceType::Endpoint, EndpointDiscoveryService,
    stream_endpoints -> StreamEndpointsStream,
    delta_endpoints -> DeltaEndpointsStream,
    fetch_endpoints
);
separate_service!(
    ResourceType::Listener, ListenerDiscoveryService,
    stream_listeners -> StreamListenersStream,
    delta_listeners -> DeltaListenersStream,
    fetch_listeners
);
separate_service!(
    ResourceType::Route, RouteDiscoveryService,
    stream_routes -> StreamRoutesStream,
    delta_routes -> DeltaRoutesStream,
    fetch_routes
);
separate_service!(
    ResourceType::Extension, ExtensionConfigDiscoveryService,
    stream_extension_configs -> StreamExtensionConfigsStream,
    delta_extension_configs -> DeltaExtensionConfigsStream,
    fetch_extension_configs
);
