//! The manifests for meshes and gateways (`envoy/sidecar/`) say what a real Envoy takes: the filter's
//! configuration that stands in them, and the filters and clusters that they patch in. What is not here
//! is the mesh itself; each file says so at its top.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_tests::binaries;
use watershed_tests::envoy::{Bootstrap, validate};
use watershed_tests::standalone::HTTP_FILTERS;

fn documents(name: &str) -> Vec<Value> {
    let path = binaries::repository().join("envoy/sidecar").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "/etc/envoy/watershed.wasm",
        &binaries::wasm().display().to_string(),
    );
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn document(name: &str, kind: &str) -> Value {
    let found = documents(name).into_iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("{name} has no {kind}"))
}

fn bootstrap(name: &str) -> Bootstrap {
    let xds = ([127, 0, 0, 1], 18_000).into();
    Bootstrap::read(name, xds, &binaries::wasm())
}

/// The bootstrap without a control plane, with this configuration of the filter.
fn with_configuration(configuration: &str) -> Bootstrap {
    let mut bootstrap = bootstrap("sidecar/static.yaml");
    *bootstrap.at(&format!(
        "{HTTP_FILTERS}/0/typed_config/config/configuration/value"
    )) = json!(configuration);
    bootstrap
}

fn accept(what: &str, bootstrap: &Bootstrap) {
    let folder = TempDir::new().unwrap();
    validate(folder.path(), bootstrap).unwrap_or_else(|words| panic!("{what}: {words}"));
}

/// As a mesh hands it to the filter: the object as JSON.
fn plugin_configurations() -> Vec<(&'static str, String)> {
    let at = |name, kind, pointer: &str| {
        let document = document(name, kind);
        let found = document.pointer(pointer);
        found
            .unwrap_or_else(|| panic!("{kind}: {pointer}"))
            .to_string()
    };
    let consul = document("consul.yaml", "ServiceDefaults");
    let consul = &consul["spec"]["envoyExtensions"][0]["arguments"]["pluginConfig"];
    vec![
        (
            "TrafficExtension",
            at("istio.yaml", "TrafficExtension", "/spec/wasm/pluginConfig"),
        ),
        (
            "WasmPlugin",
            at("istio.yaml", "WasmPlugin", "/spec/pluginConfig"),
        ),
        (
            "EnvoyExtensionPolicy",
            at(
                "envoy-gateway.yaml",
                "EnvoyExtensionPolicy",
                "/spec/wasm/0/config",
            ),
        ),
        (
            "ServiceDefaults",
            consul["configuration"].as_str().unwrap().to_owned(),
        ),
    ]
}

#[test]
fn the_filter_takes_the_configuration_of_every_manifest() {
    for (what, configuration) in plugin_configurations() {
        accept(what, &with_configuration(&configuration));
        let broken = configuration.replace("9000", "8000");
        let folder = TempDir::new().unwrap();
        let words = validate(folder.path(), &with_configuration(&broken)).unwrap_err();
        assert!(
            words.contains("overlap"),
            "{what} is not what the filter read: {words}"
        );
    }
}

/// The user's own bootstrap with a filter and a cluster in the place of Watershed's.
fn patched(filter: Value, cluster: Value) -> Bootstrap {
    let mut bootstrap = bootstrap("sidecar/ecds.yaml");
    *bootstrap.at(&format!("{HTTP_FILTERS}/0")) = filter;
    let clusters = bootstrap.at("/static_resources/clusters");
    let clusters = clusters.as_array_mut().unwrap();
    let ours = clusters.iter_mut().find(|it| it["name"] == "watershed");
    *ours.unwrap() = cluster;
    bootstrap
}

#[test]
fn envoy_takes_what_istios_envoyfilter_patches_in() {
    let patches = &document("istio.yaml", "EnvoyFilter")["spec"]["configPatches"];
    let value = |kind: &str| {
        let patches = patches.as_array().unwrap();
        let found = patches.iter().find(|patch| patch["applyTo"] == kind);
        found.unwrap()["patch"]["value"].clone()
    };
    accept(
        "EnvoyFilter",
        &patched(value("HTTP_FILTER"), value("CLUSTER")),
    );
}

#[test]
fn envoy_takes_what_kumas_meshproxypatch_adds() {
    let document = document("kuma.yaml", "MeshProxyPatch");
    let changes = document["spec"]["default"]["appendModifications"].as_array();
    let value = |kind: &str| -> Value {
        let found = changes.unwrap().iter().find_map(|it| it.get(kind));
        let text = found.unwrap()["value"].as_str().unwrap();
        serde_saphyr::from_str(text).unwrap()
    };
    accept(
        "MeshProxyPatch",
        &patched(value("httpFilter"), value("cluster")),
    );
}

#[test]
fn both_bootstraps_of_a_users_own_have_one_route_table() {
    let table = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config";
    let mut ecds = bootstrap("sidecar/ecds.yaml");
    let mut alone = bootstrap("sidecar/static.yaml");
    assert_eq!(ecds.at(table), alone.at(table));
}
