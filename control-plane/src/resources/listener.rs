//! Envoy listeners: one per address of a fleet, with the filter by ECDS, routes by RDS and the access
//! log back to the control plane (see `access_log`).

use super::access_log::access_log;
use super::wire::{ads, any, socket, yes};
use crate::model::service::Listener as Address;
use envoy_types::pb::envoy::config::core::v3::ExtensionConfigSource;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{HttpConnectionManager, HttpFilter, Rds, http_filter};
use prost::Name;

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
