//! The access log of a listener: which requests Envoy tells the control plane of, and what of each.
//! What does not live here: the listener itself, and reading what comes back (`evidence`).
//!
//! `envoy/sidecar/` holds the same for listeners that are the user's own; a test holds them together.

use super::XDS_CLUSTER;
use super::wire::{any, millis, uint32};
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, HeaderFilter, access_log, access_log_filter,
};
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, GrpcService};
use envoy_types::pb::envoy::config::route::v3::{HeaderMatcher, header_matcher};
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::{
    CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig,
};
use watershed_proto::{EXPERIMENT_HEADER, OUTCOME_HEADER, RECORD_FILTER_STATE};

/// How long an entry may wait for company before it is sent.
const FLUSH_MS: u32 = 1_000;
/// When a batch is sent before its time, and also what a worker keeps of entries that it can't send:
/// beyond it Envoy drops, and counts that it does. The control plane takes messages of 16 MiB.
const BUFFER_BYTES: u32 = 1024 * 1024;
/// Joins an entry with the traces of those who trace.
const TRACE_HEADER: &str = "traceparent";

/// Every assigned request, with the filter's record, to the control plane.
pub(super) fn access_log() -> AccessLog {
    let common = CommonGrpcAccessLogConfig {
        log_name: "watershed".to_owned(),
        grpc_service: Some(GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: XDS_CLUSTER.to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        }),
        transport_api_version: ApiVersion::V3.into(),
        buffer_flush_interval: Some(millis(FLUSH_MS)),
        buffer_size_bytes: uint32(BUFFER_BYTES),
        filter_state_objects_to_log: vec![RECORD_FILTER_STATE.to_owned()],
        ..Default::default()
    };
    AccessLog {
        name: "envoy.access_loggers.http_grpc".to_owned(),
        filter: Some(assigned_only()),
        config_type: Some(access_log::ConfigType::TypedConfig(any(
            &HttpGrpcAccessLogConfig {
                common_config: Some(common),
                // `x-request-id` has a field of its own in every entry.
                additional_request_headers_to_log: vec![TRACE_HEADER.to_owned()],
                additional_response_headers_to_log: vec![OUTCOME_HEADER.to_owned()],
                ..Default::default()
            },
        ))),
    }
}

/// The filter strips the header from clients, so it is there exactly where a request was assigned.
fn assigned_only() -> AccessLogFilter {
    let header = HeaderMatcher {
        name: EXPERIMENT_HEADER.to_owned(),
        header_match_specifier: Some(header_matcher::HeaderMatchSpecifier::PresentMatch(true)),
        ..Default::default()
    };
    AccessLogFilter {
        filter_specifier: Some(access_log_filter::FilterSpecifier::HeaderFilter(
            HeaderFilter {
                header: Some(header),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_access_log_of_a_listener_of_ones_own_tells_the_same() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/sidecar/ecds.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let bootstrap: Value = serde_saphyr::from_str(&text).unwrap();
        let at =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";
        let log = bootstrap.pointer(at).unwrap();
        let config = &log["typed_config"];
        let header = &log["filter"]["header_filter"]["header"];
        assert_eq!(header["name"], EXPERIMENT_HEADER);
        assert_eq!(
            config["common_config"]["filter_state_objects_to_log"],
            json!([RECORD_FILTER_STATE])
        );
        assert_eq!(config["common_config"]["buffer_size_bytes"], BUFFER_BYTES);
        assert_eq!(
            config["additional_request_headers_to_log"],
            json!([TRACE_HEADER])
        );
        assert_eq!(
            config["additional_response_headers_to_log"],
            json!([OUTCOME_HEADER])
        );
    }
}
