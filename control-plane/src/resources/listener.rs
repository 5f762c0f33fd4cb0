//! Envoy listeners: one per address of a fleet, with the filter by ECDS, routes by RDS and the access
//! log back to the control plane.

use super::wire::{ads, any, millis, socket, yes};
use super::XDS_CLUSTER;
use crate::model::service::Listener as Address;
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, AccessLogFilter, HeaderFilter, access_log, access_log_filter};
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, ExtensionConfigSource, GrpcService};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::{HeaderMatcher, header_matcher};
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::{CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{HttpConnectionManager, HttpFilter, Rds, http_filter};
use prost::Name;
use watershed_proto::{EXPERIMENT_HEADER, RECORD_FILTER_STATE};

/// How long an access-log entry may wait for company before it is sent.
const LOG_FLUSH_MS: u32 = 1_000;

/// The name of the listener on `address`, and of its routes and filter.
pub(super) fn name(address: &Address) -> String {
    format!(
        "watershed/{}",
        std::net::SocketAddr::new(address.address, address.port)
    )
}

/// The listener on `address`.
pub(super) fn listener(address: &Address) -> Listener {
    let name = name(address);
    let manager = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(&connection_manager(
            &name,
        )))),
    };
    Listener {
        address: Some(socket(address.address.to_string(), address.port)),
        filter_chains: vec![FilterChain {
            filters: vec![manager],
            ..Default::default()
        }],
        name,
        ..Default::default()
    }
}

fn connection_manager(name: &str) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: "watershed".to_owned(),
        // An edge trusts its peer's address and nobody's x-envoy headers.
        use_remote_address: yes(),
        // The filter and the route table must see the same path.
        normalize_path: yes(),
        http_filters: vec![filter(name), router()],
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: name.to_owned(),
        })),
        access_log: vec![access_log()],
        ..Default::default()
    }
}

/// The filter by ECDS. Until its first configuration arrives the listener waits, so that nobody is
/// served outside an experiment; when none comes in time, the pass-through default takes over.
fn filter(name: &str) -> HttpFilter {
    let discovery = ExtensionConfigSource {
        config_source: Some(ads()),
        type_urls: vec![Wasm::type_url()],
        ..Default::default()
    };
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::ConfigDiscovery(discovery)),
        ..Default::default()
    }
}

fn router() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(
            any(&Router::default()),
        )),
        ..Default::default()
    }
}

/// Every assigned request, with the filter's record, to the control plane.
fn access_log() -> AccessLog {
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
        buffer_flush_interval: Some(millis(LOG_FLUSH_MS)),
        filter_state_objects_to_log: vec![RECORD_FILTER_STATE.to_owned()],
        ..Default::default()
    };
    AccessLog {
        name: "envoy.access_loggers.http_grpc".to_owned(),
        filter: Some(assigned_only()),
        config_type: Some(access_log::ConfigType::TypedConfig(any(
            &HttpGrpcAccessLogConfig {
                common_config: Some(common),
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
