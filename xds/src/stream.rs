//! The face that both wire protocols show to a shell: requests and snapshots in, responses out.

use envoy_types::pb::{envoy::config::core::v3::Node, google::rpc};

use crate::{
    MAX_NAMES, ResourceType, Snapshot, Subscription, TypeStatus,
    status::{MAX_REFUSAL_BYTES, clip},
};

/// One discovery stream of one proxy, aggregated or of a single type. It answers nothing until it has a
/// snapshot: an empty answer would tell a proxy to drop the state that it has.
pub trait XdsStream: Default {
    /// What the proxy sends.
    type Request;
    /// What is sent to the proxy.
    type Response;

    /// Takes a request and answers it, in sending order. An empty answer means that there is nothing to
    /// say now, not that the request was ignored.
    ///
    /// # Errors
    /// The request was refused and changed nothing. The stream lives on; the shell reports the fault.
    fn on_request(&mut self, request: Self::Request) -> Result<Vec<Self::Response>, RequestError>;

    /// Takes the newest snapshot of the proxy's fleet and says what has to be sent now. What has to wait
    /// for an acknowledgement comes out of a later [`on_request`](Self::on_request). A snapshot that was
    /// replaced before its turn is never sent.
    fn on_snapshot(&mut self, snapshot: &Snapshot) -> Vec<Self::Response>;

    /// Where this stream stands with one type. Cheap enough to ask after every request.
    fn status(&self, ty: ResourceType) -> TypeStatus;

    /// What the proxy asked for in one type.
    fn subscription(&self, ty: ResourceType) -> &Subscription;

    /// Who is on the other side, as first told; `None` until told.
    fn node(&self) -> Option<&NodeIdentity>;
}

/// The part of a node that stays with a stream. The message itself (extensions, build) is many kilobytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// `node.id`: the proxy.
    pub id: String,
    /// `node.cluster`: the fleet.
    pub cluster: String,
}

impl From<&Node> for NodeIdentity {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id.clone(),
            cluster: node.cluster.clone(),
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The type is not served here.
    #[error("resources of type `{type_url}` are not served here")]
    UnknownType {
        /// The type as asked for, clipped.
        type_url: String,
    },
    /// The subscription would hold more than [`MAX_NAMES`] names.
    #[error("a {} subscription of {count} names is over the limit of {MAX_NAMES}", ty.abbreviation())]
    TooManyNames {
        /// The type subscribed to.
        ty: ResourceType,
        /// How many names there would be.
        count: usize,
    },
}

/// The served type of a request.
pub(crate) fn requested_type(type_url: &str) -> Result<ResourceType, RequestError> {
    ResourceType::from_type_url(type_url).ok_or_else(|| RequestError::UnknownType {
        type_url: clip(type_url, 256).to_owned(),
    })
}

/// Refuses lists of names that no honest proxy sends.
pub(crate) const fn check_count(ty: ResourceType, count: usize) -> Result<(), RequestError> {
    if count > MAX_NAMES {
        return Err(RequestError::TooManyNames { ty, count });
    }
    Ok(())
}

/// What a proxy said about a response: `Err` with its message when it refused.
pub(crate) fn answer_of(error_detail: Option<rpc::Status>) -> Result<(), String> {
    match error_detail {
        None => Ok(()),
        Some(status) => Err(clip(&status.message, MAX_REFUSAL_BYTES).to_owned()),
    }
}
