//! Golden files: manifests in, resources out, one folder a case under `golden/resources`. Write them
//! anew with `make golden`, and read the difference.

use super::*;
use crate::cli::manifest::{self, Manifest};
use crate::model::change::{self, Change, Precondition, Spec};
use crate::model::decision::DecisionSpec;
use crate::model::lifecycle::Action;
use crate::model::settings;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::ClusterDiscoveryType;
use envoy_types::pb::envoy::config::core::v3::{TypedExtensionConfig, transport_socket};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{Listener as EnvoyListener, filter};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::HttpGrpcAccessLogConfig;
use envoy_types::pb::envoy::extensions::clusters::composite::v3::ClusterConfig as CompositeConfig;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::google::protobuf::{Any, BytesValue};
use prost::Message;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn golden_folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/resources")
        .join(case)
}

fn settings() -> Settings {
    Settings {
        wasm_path: "/etc/envoy/watershed.wasm".to_owned(),
    }
}

/// The model that `manifests` and then `acts` make.
fn model(manifests: &[Manifest], acts: &[(&str, Action)]) -> Model {
    let puts = manifests.iter().map(put);
    let acts = acts
        .iter()
        .map(|(key, action)| Change::Act(Key::try_new(key).unwrap(), *action));
    puts.chain(acts)
        .fold(Model::default(), |model, change| then(&model, &change))
}

fn then(model: &Model, change: &Change) -> Model {
    let now = "2026-01-31T00:00:00Z".parse().unwrap();
    change::apply(model, change, Precondition::None, now)
        .unwrap()
        .model
}

fn put(manifest: &Manifest) -> Change {
    fn read<S: DeserializeOwned>(manifest: &Manifest) -> S {
        serde_json::from_value(manifest.spec.clone()).unwrap()
    }
    let name = match manifest.kind {
        manifest::Kind::Settings => settings::KEY,
        _ => &manifest.key,
    };
    let spec = match manifest.kind {
        manifest::Kind::Settings => Spec::Settings(read(manifest)),
        manifest::Kind::Cluster => Spec::Cluster(read(manifest)),
        manifest::Kind::Segment => Spec::Segment(read(manifest)),
        manifest::Kind::Layer => Spec::Layer(read(manifest)),
        manifest::Kind::Holdout => Spec::Holdout(read(manifest)),
        manifest::Kind::Service => Spec::Service(read(manifest)),
        manifest::Kind::Metric => Spec::Metric(read(manifest)),
        manifest::Kind::Experiment => Spec::Experiment(read(manifest)),
    };
    Change::Put(Key::try_new(name).unwrap(), spec)
}

/// Compares with the golden file, or writes it where `WATERSHED_GOLDEN=write` asks for that.
fn compare(file: &Path, got: &str) {
    if std::env::var("WATERSHED_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, got).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(file)
        .unwrap_or_else(|fault| panic!("{}: {fault}; `make golden` writes it", file.display()));
    assert_eq!(
        got,
        expected,
        "{} differs; `make golden` writes it anew",
        file.display()
    );
}

fn check(case: &str, model: &Model) {
    for (part, snapshot) in snapshots(model, &settings(), |_| None).unwrap() {
        let part = part.to_string().replace('/', ".");
        for ty in ResourceType::ALL {
            let mut text = String::new();
            for resource in snapshot.get(ty).iter() {
                let references: Vec<&str> =
                    resource.references().iter().map(|name| &**name).collect();
                writeln!(
                    text,
                    "# {} (sends to: {})",
                    resource.name(),
                    references.join(", ")
                )
                .unwrap();
                text.push_str(&render(ty, resource.body()));
                text.push('\n');
            }
            compare(
                &golden_folder(case)
                    .join(format!("{part}.{}.txt", ty.abbreviation().to_lowercase())),
                &text,
            );
        }
    }
}

fn render(ty: ResourceType, body: &Any) -> String {
    match ty {
        ResourceType::Cluster => cluster_text(unpack(body)),
        ResourceType::Endpoint => compact(&unpack::<ClusterLoadAssignment>(body)),
        ResourceType::Route => compact(&unpack::<RouteConfiguration>(body)),
        ResourceType::Listener => listener_text(unpack(body)),
        ResourceType::Extension => extension_text(&unpack(body)),
    }
}

/// A cluster, and what is packed in it.
fn cluster_text(mut cluster: Cluster) -> String {
    let socket = cluster.transport_socket.as_mut();
    let tls = socket.and_then(|socket| socket.config_type.take());
    let kind = match &mut cluster.cluster_discovery_type {
        Some(ClusterDiscoveryType::ClusterType(kind)) => kind.typed_config.take(),
        _ => None,
    };
    let options: Vec<Any> = std::mem::take(&mut cluster.typed_extension_protocol_options)
        .into_values()
        .collect();
    let mut text = compact(&cluster);
    if let Some(transport_socket::ConfigType::TypedConfig(tls)) = &tls {
        text.push_str(&compact(&unpack::<UpstreamTlsContext>(tls)));
    }
    if let Some(kind) = &kind {
        text.push_str(&compact(&unpack::<CompositeConfig>(kind)));
    }
    for options in &options {
        text.push_str(&compact(&unpack::<HttpProtocolOptions>(options)));
    }
    text
}

/// A listener, its connection manager and its access log, each on its own: packed messages are
/// bytes to `Debug`.
fn listener_text(mut listener: EnvoyListener) -> String {
    let mut packed = Vec::new();
    for filter in listener
        .filter_chains
        .iter_mut()
        .flat_map(|chain| &mut chain.filters)
    {
        if let Some(filter::ConfigType::TypedConfig(any)) = filter.config_type.take() {
            packed.push(any);
        }
    }
    let mut text = compact(&listener);
    for any in &packed {
        let mut manager: HttpConnectionManager = unpack(any);
        let logs: Vec<Any> = manager
            .access_log
            .iter_mut()
            .filter_map(|log| log.config_type.take())
            .map(|envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType::TypedConfig(any)| any)
            .collect();
        text.push_str(&compact(&manager));
        for log in &logs {
            text.push_str(&compact(&unpack::<HttpGrpcAccessLogConfig>(log)));
        }
    }
    text
}

fn extension_text(extension: &TypedExtensionConfig) -> String {
    let wasm: Wasm = unpack(extension.typed_config.as_ref().unwrap());
    let mut plugin = wasm.config.unwrap();
    let bytes: BytesValue = unpack(&plugin.configuration.take().unwrap());
    let config = FilterConfig::decode(bytes.value.as_slice()).unwrap();
    let config = serde_json::to_string_pretty(&config).unwrap();
    format!("{}{config}\n", compact(&plugin))
}

fn unpack<M: Message + Default + prost::Name>(any: &Any) -> M {
    assert_eq!(any.type_url, M::type_url());
    M::decode(any.value.as_slice()).unwrap()
}

/// `Debug` without the fields that are not set.
fn compact(message: &impl std::fmt::Debug) -> String {
    let unset = |line: &str| {
        let value = line.trim().split_once(": ").map(|(_, value)| value);
        matches!(
            value,
            Some("None," | "[]," | "{}," | "0," | "\"\"," | "false,")
        )
    };
    let text = format!("{message:#?}");
    text.lines()
        .filter(|line| !unset(line))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn golden_the_demos_manifests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/demo");
    let manifests = manifest::load(&folder).unwrap();
    let acts = [
        ("chat-model", Action::Start),
        ("prompt-style", Action::Start),
    ];
    check("demo", &model(&manifests, &acts));
}

#[test]
fn golden_two_fleets_hosts_paths_and_listeners() {
    let manifests = manifest::load(&golden_folder("fleets").join("in.yaml")).unwrap();
    check(
        "fleets",
        &model(&manifests, &[("search-ranker", Action::Start)]),
    );
}

#[test]
fn golden_each_state_of_an_experiment_is_served_as_it_says() {
    let manifests = manifest::load(&golden_folder("states").join("in.yaml")).unwrap();
    let acts = [
        ("scheduled", Action::Schedule),
        ("internal", Action::Internal),
        ("internal-forced", Action::Internal),
        ("canary", Action::Canary),
        ("paused", Action::Start),
        ("paused", Action::Pause),
        ("rolled-back", Action::Start),
        ("rolled-back", Action::Rollback),
        ("decided", Action::Start),
        ("archived", Action::Start),
        ("archived", Action::Pause),
        ("archived", Action::Archive),
    ];
    let variant = "b".to_owned();
    let decide = Change::Decide(Key::try_new("decided").unwrap(), DecisionSpec { variant });
    check("states", &then(&model(&manifests, &acts), &decide));
}

#[test]
fn golden_everything_a_manifest_can_say() {
    let manifests = manifest::load(&golden_folder("rich").join("in.yaml")).unwrap();
    let acts = [
        ("chat-model", Action::Start),
        ("chat-tone", Action::Start),
        ("search-ranker", Action::Start),
        ("search-hopeless", Action::Start),
    ];
    check("rich", &model(&manifests, &acts));
}

#[test]
fn golden_upstreams_with_all_that_is_around_them() {
    let manifests = manifest::load(&golden_folder("upstreams").join("in.yaml")).unwrap();
    let acts = [("model.size", Action::Start), ("plain", Action::Start)];
    check("upstreams", &model(&manifests, &acts));
}

#[test]
fn a_change_of_mirrors_and_fallbacks_leaves_the_filters_configuration_alone() {
    let manifests = manifest::load(&golden_folder("upstreams").join("in.yaml")).unwrap();
    let acts = [("model.size", Action::Start), ("plain", Action::Start)];
    let with = model(&manifests, &acts);
    let plain = manifests.iter().find(|it| it.key == "plain").unwrap();
    let mut without = plain.clone();
    let variant = without
        .spec
        .pointer_mut("/variants/1")
        .unwrap()
        .as_object_mut();
    variant
        .unwrap()
        .retain(|field, _| field != "mirrors" && field != "fallback");
    let without = then(&with, &put(&without));
    let [before, after] = [with, without].map(|model| {
        let made = snapshots(&model, &settings(), |_| None).unwrap();
        made.into_values().next().unwrap()
    });
    for ty in ResourceType::ALL {
        let same = before.get(ty).version() == after.get(ty).version();
        let differs = [ResourceType::Cluster, ResourceType::Route].contains(&ty);
        assert_eq!(same, !differs, "{ty:?}");
    }
}

#[test]
fn a_start_changes_nothing_but_the_filters_configuration() {
    let manifests = manifest::load(&golden_folder("fleets").join("in.yaml")).unwrap();
    let draft = snapshots(&model(&manifests, &[]), &settings(), |_| None).unwrap();
    let running = snapshots(
        &model(&manifests, &[("search-ranker", Action::Start)]),
        &settings(),
        |_| None,
    )
    .unwrap();
    for (part, before) in &draft {
        let after = &running[part];
        for ty in ResourceType::ALL {
            let same = before.get(ty).version() == after.get(ty).version();
            assert_eq!(
                same,
                ty != ResourceType::Extension || part.fleet.as_str() == "internal",
                "{part} {ty:?}"
            );
        }
    }
}

#[test]
fn an_experiment_of_a_slice_is_known_to_the_proxies_of_that_slice_alone() {
    let mut manifests = manifest::load(&golden_folder("fleets").join("in.yaml")).unwrap();
    let acts = [("search-ranker", Action::Start)];
    let everywhere = snapshots(&model(&manifests, &acts), &settings(), |_| None).unwrap();
    let draft = snapshots(&model(&manifests, &[]), &settings(), |_| None).unwrap();
    let ranker = manifests.iter_mut().find(|it| it.key == "search-ranker");
    ranker.unwrap().spec["slices"] = serde_json::json!(["canary"]);
    let sliced = snapshots(&model(&manifests, &acts), &settings(), |_| None).unwrap();

    let parts = |snapshots: &BTreeMap<FleetSlice, Snapshot>| -> Vec<String> {
        snapshots.keys().map(ToString::to_string).collect()
    };
    assert_eq!(parts(&sliced), ["edge", "edge/canary", "internal"]);
    assert_eq!(parts(&everywhere), ["edge", "internal"]);
    let edge = FleetSlice::rest_of(Key::try_new("edge").unwrap());
    let canary = FleetSlice {
        slice: Some(Key::try_new("canary").unwrap()),
        ..edge.clone()
    };
    // So that whoever has it already is sent nothing when it goes everywhere.
    assert_eq!(sliced[&canary].version(), everywhere[&edge].version());
    assert_eq!(sliced[&edge].version(), draft[&edge].version());
}

#[test]
fn a_model_of_no_services_has_no_fleets() {
    assert!(
        snapshots(&Model::default(), &settings(), |_| None)
            .unwrap()
            .is_empty()
    );
}

/// The manifests on a page of `docs/`, in the order in which they are applied.
fn documented(page: &str) -> Vec<Manifest> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let text = std::fs::read_to_string(folder.join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let mut manifests: Vec<Manifest> = blocks
        .flat_map(|rest| {
            let (block, _) = rest.split_once("```").unwrap();
            manifest::parse(page, block).unwrap()
        })
        .collect();
    manifests.sort_by_key(|manifest| manifest.kind);
    manifests
}

#[test]
fn every_manifest_of_the_documents_is_accepted_and_can_be_served() {
    for (page, least, parts) in [
        // The second one is for a slice.
        ("experiments.md", 13, 2),
        ("lifecycle.md", 8, 1),
        ("metrics.md", 5, 0),
        ("openfeature.md", 4, 1),
        ("services.md", 7, 1),
        ("uses.md", 20, 1),
    ] {
        let manifests = documented(page);
        assert!(manifests.len() >= least, "{page}: {}", manifests.len());
        let mut experiments: Vec<(&str, bool)> = Vec::new();
        for manifest in manifests
            .iter()
            .filter(|m| m.kind == manifest::Kind::Experiment)
        {
            let later = manifest.spec.get("start").is_some();
            experiments.push((manifest.key.as_str(), later));
        }
        let acts: Vec<_> = experiments
            .into_iter()
            .map(|(key, later)| {
                (
                    key,
                    if later {
                        Action::Schedule
                    } else {
                        Action::Start
                    },
                )
            })
            .collect();
        let model = model(&manifests, &acts);
        let made = snapshots(&model, &settings(), |_| None).unwrap();
        assert_eq!(made.len(), parts, "{page}");
    }
}
