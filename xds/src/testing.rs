//! Small resources, requests and readable responses for the unit tests of this crate.

use envoy_types::pb::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    google::{protobuf::Any, rpc::Status},
};

use crate::{Resource, ResourceType, Snapshot};

pub(crate) type Typed = (ResourceType, Resource);

pub(crate) fn resource(ty: ResourceType, name: &str, revision: u32, references: &[&str]) -> Typed {
    let body = Any {
        type_url: ty.type_url().to_owned(),
        value: format!("{name}@{revision}").into(),
    };
    (
        ty,
        Resource::new(name, body, references.iter().map(ToString::to_string)),
    )
}

pub(crate) fn cluster(name: &str, revision: u32) -> Typed {
    resource(ResourceType::Cluster, name, revision, &[])
}

pub(crate) fn eds_cluster(name: &str, revision: u32) -> Typed {
    let (ty, cluster) = cluster(name, revision);
    (ty, cluster.with_endpoints(name))
}

pub(crate) fn endpoints(name: &str, revision: u32) -> Typed {
    resource(ResourceType::Endpoint, name, revision, &[])
}

pub(crate) fn listener(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Listener, name, revision, references)
}

pub(crate) fn route(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Route, name, revision, references)
}

pub(crate) fn extension(name: &str, revision: u32, references: &[&str]) -> Typed {
    resource(ResourceType::Extension, name, revision, references)
}

pub(crate) fn snapshot(resources: impl IntoIterator<Item = Typed>) -> Snapshot {
    let mut builder = Snapshot::builder();
    for (ty, resource) in resources {
        builder.add(ty, resource);
    }
    builder.build()
}

/// The text of a body: `name@revision`.
fn text(body: Option<&Any>) -> String {
    body.map(|body| String::from_utf8_lossy(&body.value).into_owned())
        .unwrap_or_default()
}

fn title(type_url: &str) -> &'static str {
    ResourceType::from_type_url(type_url).map_or("?", ResourceType::abbreviation)
}

/// A response that a test can read and answer.
pub(crate) trait Readable {
    /// `CDS a@1 b@2 -c`: the service, the resources, and what is gone.
    fn line(&self) -> String;
}

impl Readable for DiscoveryResponse {
    fn line(&self) -> String {
        let bodies = self.resources.iter().map(|body| text(Some(body)));
        let words: Vec<_> = std::iter::once(title(&self.type_url).to_owned())
            .chain(bodies)
            .collect();
        words.join(" ")
    }
}

impl Readable for DeltaDiscoveryResponse {
    fn line(&self) -> String {
        let bodies = self
            .resources
            .iter()
            .map(|resource| text(resource.resource.as_ref()));
        let gone = self.removed_resources.iter().map(|name| format!("-{name}"));
        let title = std::iter::once(title(&self.type_url).to_owned());
        let words: Vec<_> = title.chain(bodies).chain(gone).collect();
        words.join(" ")
    }
}

/// All responses, one line each.
pub(crate) fn lines<R: Readable>(responses: &[R]) -> Vec<String> {
    responses.iter().map(Readable::line).collect()
}

/// What a proxy says when it refuses.
pub(crate) fn refusal() -> Option<Status> {
    Some(Status {
        message: "bad".to_owned(),
        ..Status::default()
    })
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A request of the state-of-the-world protocol, before any response.
pub(crate) fn ask(ty: ResourceType, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: ty.type_url().to_owned(),
        resource_names: strings(names),
        ..DiscoveryRequest::default()
    }
}

/// The acknowledgement of a state-of-the-world response, naming what is subscribed to.
pub(crate) fn ack(response: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: response.version_info.clone(),
        response_nonce: response.nonce.clone(),
        type_url: response.type_url.clone(),
        resource_names: strings(names),
        ..DiscoveryRequest::default()
    }
}

/// The refusal of a state-of-the-world response.
pub(crate) fn nack(response: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: String::new(),
        error_detail: refusal(),
        ..ack(response, names)
    }
}

/// A change of subscription in the incremental protocol.
pub(crate) fn subscribe(ty: ResourceType, add: &[&str], remove: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: ty.type_url().to_owned(),
        resource_names_subscribe: strings(add),
        resource_names_unsubscribe: strings(remove),
        ..DeltaDiscoveryRequest::default()
    }
}

/// The acknowledgement of an incremental response.
pub(crate) fn delta_ack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// The refusal of an incremental response.
pub(crate) fn delta_nack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        error_detail: refusal(),
        ..delta_ack(response)
    }
}
