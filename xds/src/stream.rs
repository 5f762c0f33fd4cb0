//! The face that both wire protocols show to a shell: requests and snapshots in, responses out.

use envoy_types::pb::{
    envoy::config::core::v3::Node,
    google::{
        protobuf::{Struct, value::Kind},
        rpc,
    },
};

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

    /// A stream of a service of its own (CDS, EDS, LDS, RDS, ECDS), which speaks of one type only. A new
    /// aggregated stream is the `Default`.
    fn only(ty: ResourceType) -> Self;

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
    /// `node.metadata.watershed.slice`: the part of the fleet, if any. Not checked: what is no text there is
    /// told as [`NodeIdentity::NO_TEXT`].
    pub slice: Option<String>,
}

impl NodeIdentity {
    /// Stands for a slice that is no text; no name of a slice looks like it.
    pub const NO_TEXT: &str = "(not a text)";
}

impl From<&Node> for NodeIdentity {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id.clone(),
            cluster: node.cluster.clone(),
            slice: node.metadata.as_ref().and_then(slice),
        }
    }
}

fn slice(metadata: &Struct) -> Option<String> {
    let ours = metadata.fields.get("watershed")?.kind.as_ref()?;
    let value = match ours {
        Kind::StructValue(ours) => ours.fields.get("slice")?.kind.as_ref()?,
        other => other,
    };
    match value {
        Kind::StringValue(slice) => Some(slice.clone()),
        Kind::NullValue(_) => None,
        _ => Some(NodeIdentity::NO_TEXT.to_owned()),
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
    /// The stream is of a service that serves another type.
    #[error("this is a stream of {}: resources of type `{type_url}` are asked for elsewhere", ty.abbreviation())]
    OtherType {
        /// The type that the stream serves.
        ty: ResourceType,
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

/// The served type of a request, on a stream that may be of one type only. There the type "is implicit in
/// requests made via singleton xDS APIs" (`DiscoveryRequest.type_url`) and may be left out.
pub(crate) fn requested_type(
    type_url: &str,
    only: Option<ResourceType>,
) -> Result<ResourceType, RequestError> {
    let shown = || clip(type_url, 256).to_owned();
    match (only, ResourceType::from_type_url(type_url)) {
        (None, Some(ty)) => Ok(ty),
        (None, None) => Err(RequestError::UnknownType { type_url: shown() }),
        (Some(only), asked) if asked == Some(only) || type_url.is_empty() => Ok(only),
        (Some(ty), _) => Err(RequestError::OtherType {
            ty,
            type_url: shown(),
        }),
    }
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

#[cfg(test)]
mod tests;
