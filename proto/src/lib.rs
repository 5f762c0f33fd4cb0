//! Wire types shared by the filter and the control plane.
//!
//! What lives here: the messages of `proto/*.proto`, compiled at build time, with both encodings
//! that the filter takes (Protobuf binary and the canonical Protobuf JSON). What does not: any
//! meaning. Validation and evaluation are the engine's.

/// The filter's configuration and the record it leaves for the access log.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications
)]
pub mod filter {
    /// Version 1 of the filter's messages.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/watershed.filter.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/watershed.filter.v1.serde.rs"));
    }
}

/// Outcomes over gRPC.
#[cfg(feature = "grpc")]
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications
)]
pub mod outcomes {
    /// Version 1 of the service.
    pub mod v1 {
        tonic::include_proto!("watershed.outcomes.v1");
    }
}

/// The newest configuration schema that this build understands. A filter refuses a configuration
/// with a higher number, because it could not promise to do what that configuration asks.
pub const CONFIG_SCHEMA: u32 = 1;

/// The key under which the filter leaves its [`filter::v1::AssignmentRecord`] in Envoy's filter
/// state. Envoy adds the prefix `wasm.`, see [`RECORD_FILTER_STATE`].
pub const RECORD_PROPERTY: &str = "watershed.assignment";

/// The name of the filter-state object as an access log sees it.
pub const RECORD_FILTER_STATE: &str = "wasm.watershed.assignment";

/// The request header that carries the chosen cluster from the filter to Envoy's route table.
pub const CLUSTER_HEADER: &str = "x-watershed-cluster";
/// The request header that names the experiments a request is in, comma-separated.
pub const EXPERIMENT_HEADER: &str = "x-experiment-id";
/// The request header that names the variants, in the order of [`EXPERIMENT_HEADER`].
pub const VARIANT_HEADER: &str = "x-variant";
/// The response header in which an upstream tells what came of a request: `cost_usd=0.014,
/// output_tokens=412`.
pub const OUTCOME_HEADER: &str = "x-experiment-outcome";
