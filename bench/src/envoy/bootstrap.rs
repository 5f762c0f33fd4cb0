//! Envoy's configuration for each set-up. What lives here: one listener, one route table and the
//! same clusters for all, and the filter that tells them apart. What does not: starting Envoy.

use super::{Setup, experiments};
use crate::ours;
use crate::work::Experiment;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What all set-ups need to know.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where requests end.
    pub upstream: SocketAddr,
    /// The ext_authz service.
    pub authz: SocketAddr,
    /// Watershed's filter.
    pub filter: PathBuf,
    /// The filter that does nothing.
    pub empty: PathBuf,
    /// Both again, without exports for events that they have no use for.
    pub trimmed: Trimmed,
    /// The filter that makes host calls.
    pub probe: PathBuf,
}

impl Surroundings {
    /// Where nothing but one filter is used.
    #[must_use]
    pub fn of_filter(filter: &Path, upstream: SocketAddr, authz: SocketAddr) -> Self {
        Self {
            upstream,
            authz,
            filter: filter.into(),
            empty: filter.into(),
            trimmed: Trimmed {
                filter: filter.into(),
                empty: filter.into(),
            },
            probe: filter.into(),
        }
    }
}

/// Filters without exports for events that they have no use for.
#[derive(Clone, Debug)]
pub struct Trimmed {
    /// Watershed's filter.
    pub filter: PathBuf,
    /// The filter that does nothing.
    pub empty: PathBuf,
}

const GRPC_CLUSTER: &str = "authz";

/// The bootstrap of a set-up.
///
/// # Errors
/// Where Watershed's configuration can't be written.
pub fn of(setup: Setup, around: &Surroundings) -> anyhow::Result<Value> {
    let filter = match setup {
        Setup::NoFilter => None,
        Setup::EmptyWasm => Some(filter("empty", wasm(&around.empty, "empty", None))),
        Setup::EmptyTrimmed => {
            let wasm = wasm(&around.trimmed.empty, "empty", None);
            Some(filter("empty", wasm))
        }
        Setup::Watershed(count) => Some(watershed(&around.filter, count)?),
        Setup::WatershedTrimmed(count) => Some(watershed(&around.trimmed.filter, count)?),
        Setup::Probe(call, count) => {
            let configuration = string(&format!("{call} {count}"));
            let wasm = wasm(&around.probe, "probe", Some(configuration));
            Some(filter("probe", wasm))
        }
        Setup::Lua => Some(filter("lua", lua())),
        Setup::ExtAuthz => Some(filter("authz", ext_authz())),
    };
    Ok(with_filters(filter.into_iter().collect(), around))
}

/// Watershed alone, with the filter at `file`.
///
/// # Errors
/// As [`of`].
pub fn with_filter(file: &Path, count: u32, around: &Surroundings) -> anyhow::Result<Value> {
    Ok(with_filters(vec![watershed(file, count)?], around))
}

fn watershed(file: &Path, count: u32) -> anyhow::Result<Value> {
    let configuration = protobuf(&experiments(count), "bench")?;
    Ok(filter(
        "watershed",
        wasm(file, "watershed", Some(configuration)),
    ))
}

/// A bootstrap whose filter's configuration comes from a file that may change.
#[must_use]
pub fn from_file(discovery: &Path, around: &Surroundings) -> Value {
    let filter = json!({
        "name": "watershed",
        "config_discovery": {
            "config_source": {
                "path_config_source": { "path": discovery },
                "resource_api_version": "V3",
            },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        },
    });
    with_filters(vec![filter], around)
}

/// The contents of such a file.
#[must_use]
pub fn discovery(version: &str, filter: &Path, configuration: Value) -> Value {
    json!({
        "version_info": version,
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "watershed",
            "typed_config": wasm(filter, "watershed", Some(configuration)),
        }],
    })
}

/// The experiments as the filter takes them from a control plane.
///
/// # Errors
/// Where they can't be written.
pub fn protobuf(experiments: &[Experiment], version: &str) -> anyhow::Result<Value> {
    let bytes = routing(experiments, version)?.encode_to_vec();
    Ok(json!({
        "@type": "type.googleapis.com/google.protobuf.BytesValue",
        "value": STANDARD.encode(bytes),
    }))
}

/// The experiments as the filter takes them from a person.
///
/// # Errors
/// Where they can't be written.
pub fn text(experiments: &[Experiment], version: &str) -> anyhow::Result<Value> {
    let config = routing(experiments, version)?;
    Ok(string(&serde_json::to_string(&config)?))
}

fn string(text: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": text,
    })
}

/// The experiments, those of the first layer with clusters: they route.
///
/// # Errors
/// Where they can't be written.
pub fn routing(
    experiments: &[Experiment],
    version: &str,
) -> anyhow::Result<watershed_proto::filter::v1::FilterConfig> {
    let mut config = ours::config(experiments, version)?;
    let first = experiments.first().context("no experiment")?;
    for experiment in &mut config.experiments {
        if experiment.layer == first.layer {
            for variant in &mut experiment.variants {
                variant.cluster.clone_from(&variant.key);
            }
        }
    }
    Ok(config)
}

fn filter(name: &str, config: Value) -> Value {
    json!({ "name": name, "typed_config": config })
}

fn wasm(file: &Path, id: &str, configuration: Option<Value>) -> Value {
    let mut config = json!({
        "name": id,
        "failure_policy": "FAIL_RELOAD",
        "vm_config": {
            "vm_id": id,
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": file } },
        },
    });
    if let Some(configuration) = configuration {
        config["configuration"] = configuration;
    }
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": config,
    })
}

fn lua() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": { "inline_string": include_str!("hash.lua") },
    })
}

fn ext_authz() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "clear_route_cache": true,
        "grpc_service": { "envoy_grpc": { "cluster_name": GRPC_CLUSTER }, "timeout": "5s" },
    })
}

fn with_filters(mut filters: Vec<Value>, around: &Surroundings) -> Value {
    let router = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    });
    filters.push(filter("envoy.filters.http.router", router));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound",
        "http_filters": filters,
        "route_config": routes(),
    });
    json!({
        "node": { "id": "bench", "cluster": "bench" },
        "admin": { "address": socket(([127, 0, 0, 1], 0).into()) },
        "static_resources": {
            "listeners": [{
                "name": "inbound",
                "address": socket(([127, 0, 0, 1], 0).into()),
                "filter_chains": [{ "filters": [
                    filter("envoy.filters.network.http_connection_manager", manager),
                ] }],
            }],
            "clusters": clusters(around),
        },
    })
}

fn routes() -> Value {
    let to = |cluster: &str| {
        json!({
            "match": {
                "prefix": "/",
                "headers": [{
                    "name": watershed_proto::CLUSTER_HEADER,
                    "string_match": { "exact": cluster },
                }],
            },
            "route": { "cluster": cluster, "timeout": "0s" },
        })
    };
    let otherwise = json!({
        "match": { "prefix": "/" },
        "route": { "cluster": "upstream", "timeout": "0s" },
    });
    json!({
        "name": "inbound",
        "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [to("control"), to("candidate"), otherwise],
        }],
    })
}

fn clusters(around: &Surroundings) -> Vec<Value> {
    let cluster = |name: &str, address| {
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [
                    { "endpoint": { "address": socket(address) } },
                ] }],
            },
        })
    };
    let mut authz = cluster(GRPC_CLUSTER, around.authz);
    authz["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        },
    });
    let mut clusters: Vec<Value> = ["upstream", "control", "candidate"]
        .map(|name| cluster(name, around.upstream))
        .into();
    clusters.push(authz);
    clusters
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": {
        "address": address.ip().to_string(),
        "port_value": address.port(),
    } })
}
