//! The xDS protocol as plain state machines. Nothing in this crate opens a socket, reads a clock or
//! knows what an experiment is: a shell feeds it requests and snapshots, and sends what it answers.
//!
//! A tour, in the order a push travels:
//!
//! - [`ResourceType`]: the five types served, in the order in which they are sent.
//! - [`Resource`], [`Snapshot`]: immutable resources with content-hash versions; what a fleet should run.
//! - `subscription`: which names a proxy asked for, and how a request changes that.
//! - `ledger`: what one proxy was told and what it has confirmed, resource by resource.
//! - `order`: make-before-break; what may be sent or taken away now.
//! - `plan`: what one response carries.
//! - `session`: the core that both protocols share; it decides what to push.
//! - [`SotwStream`], [`DeltaStream`]: the two wire protocols (nonces, versions, encoding) over a session.
//!
//! Section names in comments are those of the "xDS REST and gRPC protocol" page of Envoy's documentation.
//!
//! ```
//! use watershed_xds::{Resource, ResourceType, Snapshot, SotwStream, XdsStream};
//! use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
//! use envoy_types::pb::google::protobuf::Any;
//!
//! let body = Any { type_url: ResourceType::Cluster.type_url().to_owned(), value: vec![] };
//! let mut builder = Snapshot::builder();
//! builder.add(ResourceType::Cluster, Resource::new("stable", body, []));
//!
//! let mut stream = SotwStream::new();
//! stream.on_snapshot(&builder.build());
//! let responses = stream.on_request(DiscoveryRequest {
//!     type_url: ResourceType::Cluster.type_url().to_owned(),
//!     ..Default::default()
//! })?;
//! assert_eq!(responses.len(), 1);
//! # Ok::<(), watershed_xds::RequestError>(())
//! ```

mod delta;
mod ledger;
mod order;
mod plan;
mod resource;
mod resource_type;
mod session;
mod snapshot;
mod sotw;
mod status;
mod stream;
mod subscription;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod transitions;
mod type_state;

pub use delta::DeltaStream;
pub use resource::{Resource, Version};
pub use resource_type::{PerType, ResourceType};
pub use snapshot::{Inconsistency, ResourceSet, Snapshot, SnapshotBuilder};
pub use sotw::SotwStream;
pub use status::{Refusal, TypeStatus};
pub use stream::{NodeIdentity, RequestError, XdsStream};
pub use subscription::{MAX_NAMES, Subscription};
