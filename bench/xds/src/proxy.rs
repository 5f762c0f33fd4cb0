//! One simulated proxy: a connection and a stream of its own, on which it asks for what Envoy asks for, in
//! the order in which Envoy learns of it, and accepts whatever comes. It keeps versions, not resources, as a
//! proxy does that reconnects. Timing and counting are [`crate::fleet`]'s.

use envoy_types::pb::envoy::config::core::v3::{Extension, Node};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

/// The types that are asked for, in the order in which Envoy asks.
pub const TYPES: [&str; 5] = [
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
];
const CLUSTERS: &str = TYPES[0];
const ENDPOINTS: &str = TYPES[1];
const LISTENERS: &str = TYPES[2];
const ROUTES: &str = TYPES[3];
/// The type of the filter's configuration.
pub const FILTERS: &str = TYPES[4];

/// Envoy lists all its extensions when it introduces itself: so many, some 20 KB.
const EXTENSIONS: usize = 250;
/// What gRPC puts before a message.
const FRAME: usize = 5;

/// What a response brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brought {
    /// Bytes of the message, uncompressed, with gRPC's five.
    pub bytes: usize,
    /// Resources in it.
    pub resources: usize,
    /// Those that the proxy had in this very version.
    pub repeated: usize,
    /// Whether it was of the filter's type.
    pub filter: bool,
}

/// A proxy, connected or not: what it has.
#[derive(Debug)]
pub struct Proxy {
    id: usize,
    held: [Held; TYPES.len()],
}

#[derive(Debug, Default)]
struct Held {
    /// Asked for one by one.
    names: BTreeSet<String>,
    versions: BTreeMap<String, String>,
}

/// A proxy's open stream.
#[derive(Debug)]
pub struct Stream {
    requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Proxy {
    /// One that has nothing.
    #[must_use]
    pub fn new(id: usize) -> Self {
        Self {
            id,
            held: Default::default(),
        }
    }

    /// Connects and asks: for clusters and listeners if it has nothing, else for all that it had, with the
    /// versions in which it has it.
    ///
    /// # Errors
    /// There is no connection, or no stream.
    pub async fn connect(&self, address: SocketAddr) -> anyhow::Result<Stream> {
        let channel = Endpoint::try_from(format!("http://{address}"))?
            .connect()
            .await?;
        let (requests, outbound) = mpsc::unbounded_channel();
        let mut node = Some(node(self.id));
        for (ty, held) in TYPES.into_iter().zip(&self.held) {
            let whole = ty == CLUSTERS || ty == LISTENERS;
            if !whole && held.names.is_empty() {
                continue;
            }
            requests.send(DeltaDiscoveryRequest {
                node: node.take(),
                type_url: ty.to_owned(),
                resource_names_subscribe: held.names.iter().cloned().collect(),
                initial_resource_versions: held.versions.clone().into_iter().collect(),
                ..DeltaDiscoveryRequest::default()
            })?;
        }
        let outbound = UnboundedReceiverStream::new(outbound);
        let responses = AggregatedDiscoveryServiceClient::new(channel)
            .delta_aggregated_resources(outbound)
            .await?
            .into_inner();
        Ok(Stream {
            requests,
            responses,
        })
    }

    /// Waits for a response, takes it, accepts it, and asks for what it names.
    ///
    /// # Errors
    /// The stream ended.
    pub async fn take(&mut self, stream: &mut Stream) -> anyhow::Result<Brought> {
        let response = stream.responses.message().await?;
        let Some(response) = response else {
            anyhow::bail!("the control plane ended the stream");
        };
        let mut brought = Brought {
            bytes: response.encoded_len() + FRAME,
            resources: response.resources.len(),
            repeated: 0,
            filter: response.type_url == FILTERS,
        };
        let ty = response.type_url;
        let held = self.held_mut(&ty)?;
        let mut new = Vec::new();
        for resource in response.resources {
            let before = held
                .versions
                .insert(resource.name.clone(), resource.version.clone());
            match before {
                Some(version) => brought.repeated += usize::from(version == resource.version),
                None => new.push(resource.name),
            }
        }
        for name in response.removed_resources {
            held.versions.remove(&name);
        }
        stream.requests.send(DeltaDiscoveryRequest {
            type_url: ty.clone(),
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        })?;
        match ty.as_str() {
            CLUSTERS => self.subscribe(stream, ENDPOINTS, &new)?,
            LISTENERS => {
                self.subscribe(stream, ROUTES, &new)?;
                self.subscribe(stream, FILTERS, &new)?;
            }
            _ => {}
        }
        Ok(brought)
    }

    /// A listener's routes and filter have its name, and a cluster's endpoints have the cluster's.
    fn subscribe(&mut self, stream: &Stream, ty: &str, names: &[String]) -> anyhow::Result<()> {
        let held = self.held_mut(ty)?;
        let new = names
            .iter()
            .filter(|name| held.names.insert((*name).clone()));
        let new: Vec<_> = new.cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        stream.requests.send(DeltaDiscoveryRequest {
            type_url: ty.to_owned(),
            resource_names_subscribe: new,
            ..DeltaDiscoveryRequest::default()
        })?;
        Ok(())
    }

    fn held_mut(&mut self, ty: &str) -> anyhow::Result<&mut Held> {
        let place = TYPES.iter().position(|known| *known == ty);
        let held = place.and_then(|place| self.held.get_mut(place));
        held.ok_or_else(|| anyhow::anyhow!("nobody asked for {ty}"))
    }
}

fn node(id: usize) -> Node {
    let extension = |number: usize| Extension {
        name: format!("envoy.filters.http.extension_{number}"),
        category: "envoy.filters.http".to_owned(),
        type_urls: vec![format!(
            "envoy.extensions.filters.http.extension_{number}.v3.Config"
        )],
        ..Extension::default()
    };
    Node {
        id: format!("proxy-{id}"),
        cluster: "default".to_owned(),
        user_agent_name: "envoy".to_owned(),
        extensions: (0..EXTENSIONS).map(extension).collect(),
        ..Node::default()
    }
}
