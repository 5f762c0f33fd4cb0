//! The services over real gRPC, with proxies that are slow, broken or set up with a stream a type.

use super::{Ads, FleetView, Fleets, Registry};
use crate::api::{FleetState, ProxyStatus};
use crate::metrics::Metrics;
use crate::model::{FleetSlice, Key};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::endpoint::v3::endpoint_discovery_service_client::EndpointDiscoveryServiceClient;
use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_client::ExtensionConfigDiscoveryServiceClient;
use envoy_types::pb::envoy::service::listener::v3::listener_discovery_service_client::ListenerDiscoveryServiceClient;
use envoy_types::pb::envoy::service::route::v3::route_discovery_service_client::RouteDiscoveryServiceClient;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server as GrpcServer};
use tonic::{Code, Status, Streaming};
use watershed_xds::ResourceType::{self, Cluster, Extension};
use watershed_xds::{Resource, Snapshot};

/// Only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    fleets: Arc<Fleets>,
    view: FleetView,
    metrics: Arc<Metrics>,
    channel: Channel,
}

fn edge() -> Key {
    Key::try_new("edge").unwrap()
}

impl Server {
    async fn start() -> Self {
        let fleets = Arc::new(Fleets::default());
        let metrics = Arc::new(Metrics::new());
        let registry = Registry::new(Arc::clone(&fleets), Arc::clone(&metrics));
        let ads = Ads::new(Arc::clone(&fleets), Arc::clone(&registry));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        let server = GrpcServer::builder().add_routes(ads.add_to(Routes::default()));
        tokio::spawn(server.serve_with_incoming(incoming));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self {
            view: FleetView::new(Arc::clone(&fleets), registry),
            fleets,
            metrics,
            channel: endpoint.connect().await.unwrap(),
        }
    }

    /// Publishes a cluster and a filter of this content to the fleet `edge`.
    fn publish(&self, content: &str) -> String {
        let snapshot = snapshot(content);
        let version = snapshot.version().to_string();
        let part = FleetSlice::rest_of(edge());
        self.fleets.publish(BTreeMap::from([(part, snapshot)]));
        version
    }

    async fn until(&self, what: &str, holds: impl Fn(&FleetState) -> bool) -> FleetState {
        let reached = async {
            loop {
                let fleet = self.view.fleet(&edge());
                if holds(&fleet) {
                    return fleet;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("{what}: {:#?}", self.view.fleet(&edge())))
    }
}

fn snapshot(content: &str) -> Snapshot {
    let mut builder = Snapshot::builder();
    for ty in ResourceType::ALL {
        let body = Any {
            type_url: ty.type_url().to_owned(),
            value: content.into(),
        };
        builder.add(ty, Resource::new("a", body, []));
    }
    builder.build()
}

fn node(id: &str) -> Option<Node> {
    Some(Node {
        id: id.to_owned(),
        cluster: "edge".to_owned(),
        ..Node::default()
    })
}

fn ask(id: &str, ty: ResourceType) -> DiscoveryRequest {
    DiscoveryRequest {
        node: node(id),
        type_url: ty.type_url().to_owned(),
        resource_names: vec!["a".to_owned()],
        ..DiscoveryRequest::default()
    }
}

/// A proxy with an aggregated state-of-the-world stream, that does only what a test has it do.
struct Proxy {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

impl Proxy {
    async fn connect(server: &Server) -> Self {
        let (requests, outbound) = mpsc::channel(64);
        let mut client = AggregatedDiscoveryServiceClient::new(server.channel.clone());
        let responses = client.stream_aggregated_resources(ReceiverStream::new(outbound));
        Self {
            requests,
            responses: responses.await.unwrap().into_inner(),
        }
    }

    async fn send(&self, request: DiscoveryRequest) {
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> Result<DiscoveryResponse, Status> {
        let next = tokio::time::timeout(PATIENCE, self.responses.message()).await;
        next.expect("an answer in time")
            .map(|next| next.expect("the stream is open"))
    }

    async fn answer(&self, id: &str, response: &DiscoveryResponse, refusal: Option<&str>) {
        self.send(DiscoveryRequest {
            type_url: response.type_url.clone(),
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: refusal.map(|words| rpc::Status {
                message: words.to_owned(),
                ..rpc::Status::default()
            }),
            ..ask(id, Extension)
        })
        .await;
    }

    /// Takes the next response and accepts it; gives its content.
    async fn take(&mut self, id: &str) -> String {
        let response = self.next().await.unwrap();
        self.answer(id, &response, None).await;
        content(&response)
    }
}

fn content(response: &DiscoveryResponse) -> String {
    let bodies = response.resources.iter();
    bodies
        .map(|body| String::from_utf8(body.value.clone()).unwrap())
        .collect()
}

/// Asks once over the separate service of each type, in one of the two ways.
macro_rules! ask_each {
    ($server:ident, $request:ident, [$(($ty:ident, $client:ident, $method:ident)),*]) => {
        $({
            let request = $request(ResourceType::$ty);
            // The stream is left open, as a proxy's is.
            let outbound = tokio_stream::StreamExt::chain(
                tokio_stream::once(request),
                tokio_stream::pending(),
            );
            let mut client = $client::new($server.channel.clone());
            let mut responses = client.$method(outbound).await.unwrap().into_inner();
            let answer = tokio::time::timeout(PATIENCE, responses.message()).await;
            let answer = answer.expect("an answer in time").unwrap().unwrap();
            assert_eq!(answer.type_url, ResourceType::$ty.type_url());
            assert_eq!(answer.resources.len(), 1);
        })*
    };
}

#[tokio::test]
async fn each_type_is_served_on_a_stream_of_its_own_in_both_protocols() {
    let server = Server::start().await;
    server.publish("1");
    // The type goes without saying here.
    let sotw = |ty| DiscoveryRequest {
        type_url: String::new(),
        ..ask("sotw", ty)
    };
    ask_each!(
        server,
        sotw,
        [
            (Cluster, ClusterDiscoveryServiceClient, stream_clusters),
            (Endpoint, EndpointDiscoveryServiceClient, stream_endpoints),
            (Listener, ListenerDiscoveryServiceClient, stream_listeners),
            (Route, RouteDiscoveryServiceClient, stream_routes),
            (
                Extension,
                ExtensionConfigDiscoveryServiceClient,
                stream_extension_configs
            )
        ]
    );
    let delta = |ty: ResourceType| DeltaDiscoveryRequest {
        node: node("delta"),
        type_url: ty.type_url().to_owned(),
        resource_names_subscribe: vec!["a".to_owned()],
        ..DeltaDiscoveryRequest::default()
    };
    ask_each!(
        server,
        delta,
        [
            (Cluster, ClusterDiscoveryServiceClient, delta_clusters),
            (Endpoint, EndpointDiscoveryServiceClient, delta_endpoints),
            (Listener, ListenerDiscoveryServiceClient, delta_listeners),
            (Route, RouteDiscoveryServiceClient, delta_routes),
            (
                Extension,
                ExtensionConfigDiscoveryServiceClient,
                delta_extension_configs
            )
        ]
    );
}

#[tokio::test]
async fn a_separate_stream_ends_with_a_clear_status_when_asked_for_another_type() {
    let server = Server::start().await;
    let mut client = ClusterDiscoveryServiceClient::new(server.channel.clone());
    let outbound = tokio_stream::once(ask("a", Extension));
    let mut responses = client.stream_clusters(outbound).await.unwrap().into_inner();
    let status = responses.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("a stream of CDS"), "{status}");
}

#[tokio::test]
async fn polling_is_not_served_and_says_so() {
    let server = Server::start().await;
    let mut client = ClusterDiscoveryServiceClient::new(server.channel.clone());
    let status = client.fetch_clusters(ask("a", Cluster)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "use the streaming methods");
}

#[tokio::test]
async fn a_proxy_without_a_name_is_told_what_is_missing() {
    let server = Server::start().await;
    let mut proxy = Proxy::connect(&server).await;
    let nameless = DiscoveryRequest {
        node: None,
        ..ask("a", Cluster)
    };
    proxy.send(nameless).await;
    let status = proxy.next().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("node.id"), "{status}");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_sent_only_the_newest_and_holds_up_nobody() {
    let server = Server::start().await;
    server.publish("0");
    let (mut slow, mut quick) = (Proxy::connect(&server).await, Proxy::connect(&server).await);
    slow.send(ask("slow", Extension)).await;
    let first = slow.next().await.unwrap();
    quick.send(ask("quick", Extension)).await;
    assert_eq!(quick.take("quick").await, "0");
    for n in 1..=50 {
        server.publish(&n.to_string());
        // Each comes at once, though the other proxy has not even answered the first.
        assert_eq!(quick.take("quick").await, n.to_string());
    }
    slow.answer("slow", &first, None).await;
    assert_eq!(
        slow.take("slow").await,
        "50",
        "what lay between was never sent"
    );
    let fleet = server
        .until("both have the newest", |fleet| {
            fleet.proxies.iter().all(|proxy| proxy.in_sync)
        })
        .await;
    let acks = |node: &str| {
        let proxy = fleet
            .proxies
            .iter()
            .find(|proxy| proxy.node == node)
            .unwrap();
        proxy.types[0].acks
    };
    assert_eq!((acks("slow"), acks("quick")), (2, 51));
}

#[tokio::test]
async fn a_proxy_that_reads_nothing_holds_up_nobody() {
    let server = Server::start().await;
    // Larger than the window of a stream, so that sending to it comes to a stop.
    let large = "x".repeat(1_000_000);
    server.publish(&large);
    let deaf = Proxy::connect(&server).await;
    deaf.send(ask("deaf", Extension)).await;
    let mut other = Proxy::connect(&server).await;
    other.send(ask("other", Extension)).await;
    assert_eq!(other.take("other").await, large);
    for n in 0..20 {
        let content = format!("{n}{large}");
        server.publish(&content);
        assert_eq!(other.take("other").await, content);
    }
}

#[tokio::test]
async fn the_fault_of_one_stream_is_nobody_elses() {
    let server = Server::start().await;
    server.publish("1");
    let mut healthy = Proxy::connect(&server).await;
    healthy.send(ask("healthy", Extension)).await;
    assert_eq!(healthy.take("healthy").await, "1");
    let mut broken = Vec::new();
    for n in 0..20 {
        let proxy = Proxy::connect(&server).await;
        let id = format!("broken-{n}");
        proxy.send(ask(&id, Extension)).await;
        let garbage = DiscoveryRequest {
            type_url: "garbage".to_owned(),
            response_nonce: "garbage".to_owned(),
            ..ask(&id, Extension)
        };
        proxy.send(garbage).await;
        // Half of them vanish, the other half never answer.
        if n % 2 == 0 {
            broken.push(proxy);
        }
    }
    for n in 2..10 {
        server.publish(&n.to_string());
        assert_eq!(healthy.take("healthy").await, n.to_string());
    }
    let gone = |fleet: &FleetState| fleet.proxies.len() == 1 + broken.len();
    server
        .until("those that vanished are forgotten", gone)
        .await;
}

#[tokio::test]
async fn a_refusal_is_kept_counted_and_keeps_the_version_from_being_rolled_out() {
    let server = Server::start().await;
    let good = server.publish("good");
    let (mut one, mut two) = (Proxy::connect(&server).await, Proxy::connect(&server).await);
    for (proxy, id) in [(&mut one, "one"), (&mut two, "two")] {
        proxy.send(ask(id, Extension)).await;
        proxy.take(id).await;
    }
    let by_all = |fleet: &FleetState| {
        let last = fleet.snapshots[0].accepted_by_all.clone();
        last.map(|last| last.version).unwrap_or_default()
    };
    let both_have = |fleet: &FleetState, version: &str| {
        let in_sync = fleet.proxies.iter().filter(|proxy| proxy.in_sync);
        in_sync.count() == 2 && by_all(fleet) == version
    };
    server
        .until("all have the first", |fleet| both_have(fleet, &good))
        .await;

    let bad = server.publish("bad");
    one.take("one").await;
    let response = two.next().await.unwrap();
    two.answer("two", &response, Some("the filter does not know this"))
        .await;
    let fleet = server
        .until("the refusal is known", |fleet| {
            fleet.proxies[0].in_sync && fleet.proxies[1].refusal.is_some()
        })
        .await;
    let refusing = &fleet.proxies[1];
    assert_eq!(fleet.snapshots[0].version.as_deref(), Some(bad.as_str()));
    assert_eq!(by_all(&fleet), good, "the last good version stays known");
    assert_eq!(refusing.version.as_deref(), Some(good.as_str()));
    assert!(!refusing.in_sync);
    let refusal = refusing.refusal.as_ref().unwrap();
    assert_eq!(
        (refusal.r#type.as_str(), refusal.message.as_str()),
        ("ECDS", "the filter does not know this")
    );
    let metrics = server.metrics.encode().unwrap();
    let counted = r#"watershed_xds_nacks_total{type="ECDS"} 1"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");

    let fixed = server.publish("fixed");
    one.take("one").await;
    two.take("two").await;
    let fleet = server
        .until("all have the third", |fleet| by_all(fleet) == fixed)
        .await;
    assert!(fleet.proxies[1].refusal.is_none());
    let last = fleet.proxies[1].types[0].last_refusal.as_ref().unwrap();
    assert_eq!(
        last.message, "the filter does not know this",
        "healed, and remembered"
    );
}

#[tokio::test]
async fn a_name_that_a_proxy_gives_itself_becomes_no_label() {
    let server = Server::start().await;
    server.publish("1");
    let (known, unknown) = (Proxy::connect(&server).await, Proxy::connect(&server).await);
    known.send(ask("known", Extension)).await;
    let mut elsewhere = ask("unknown", Extension);
    if let Some(node) = &mut elsewhere.node {
        node.cluster = "made-up".to_owned();
    }
    unknown.send(elsewhere).await;
    let made_up = Key::try_new("made-up").unwrap();
    server
        .until("one is there", |fleet| fleet.proxies.len() == 1)
        .await;
    server
        .until("the other is there", |_| {
            server.view.fleet(&made_up).proxies.len() == 1
        })
        .await;
    assert!(
        server.view.fleets().contains(&made_up),
        "a person finds the typing error"
    );
    let metrics = server.metrics.encode().unwrap();
    assert!(
        metrics.contains(r#"watershed_xds_proxies{fleet="edge"} 1"#),
        "{metrics}"
    );
    assert!(!metrics.contains("made-up"), "{metrics}");
}
