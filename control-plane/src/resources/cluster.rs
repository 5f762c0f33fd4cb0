//! Envoy clusters and their endpoints from the model's clusters.

use super::protection::{circuit_breakers, health_check, outlier_detection};
use super::upstream_tls;
use super::wire::{ads, any, millis, socket, uint32};
use crate::model::cluster::{ClusterDesign, Discovery, Endpoint};
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::Http2ProtocolOptions;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as EnvoyEndpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions,
};

/// The extension that says which HTTP to speak upstream.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The Envoy cluster of `design`. One of discovery `eds` takes its endpoints apart from itself, so that
/// a change of endpoints leaves its connections alone; any other carries them.
pub(super) fn cluster(name: &str, design: &ClusterDesign) -> Cluster {
    let eds = design.discovery == Discovery::Eds;
    let discovery = match design.discovery {
        Discovery::Eds => DiscoveryType::Eds,
        Discovery::Dns => DiscoveryType::StrictDns,
        Discovery::Static => DiscoveryType::Static,
    };
    let checks = design.health_check.iter();
    let checks = checks.map(|check| health_check(check, design.http2));
    let mut cluster = Cluster {
        name: name.to_owned(),
        connect_timeout: Some(millis(design.connect_timeout_ms)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        eds_cluster_config: eds.then(|| EdsClusterConfig {
            eds_config: Some(ads()),
            ..Default::default()
        }),
        load_assignment: (!eds).then(|| endpoints(name, design)),
        transport_socket: design
            .tls
            .as_ref()
            .map(|it| upstream_tls::socket(it, design.http2)),
        health_checks: checks.collect(),
        outlier_detection: design.outlier_detection.as_ref().map(outlier_detection),
        circuit_breakers: design.circuit_breakers.as_ref().map(circuit_breakers),
        ..Default::default()
    };
    if design.http2 {
        cluster
            .typed_extension_protocol_options
            .insert(HTTP_OPTIONS.to_owned(), any(&http2()));
    }
    cluster
}

/// The endpoints of `design`, in one locality.
pub(super) fn endpoints(name: &str, design: &ClusterDesign) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: design.endpoints.iter().map(endpoint).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn endpoint(endpoint: &Endpoint) -> LbEndpoint {
    let address = socket(endpoint.host.to_string(), endpoint.port);
    LbEndpoint {
        load_balancing_weight: uint32(endpoint.weight),
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(EnvoyEndpoint {
            address: Some(address),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn http2() -> HttpProtocolOptions {
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(
            Http2ProtocolOptions::default(),
        )),
    };
    HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..Default::default()
    }
}
