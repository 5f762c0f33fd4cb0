//! A control plane that was lost is restored from an export, on another kind of store: every unit has
//! the variant that it had, and proxies are sent nothing that they do not have.

use std::path::Path;
use std::process::Command;

use watershed_tests::api::Api;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::envoy::Transport;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Durability, Postgres, Stack, binaries, documents};

fn watershed(api: Api, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(binaries::watershed())
        .args(arguments)
        .arg(file)
        .args(["--server", &format!("http://{}", api.address())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_state_exported_from_sqlite_is_restored_on_postgresql_with_every_unit_in_its_variant() {
    let Some(server) = Postgres::start(Durability::None) else {
        return;
    };
    let mut stack = Stack::with_chat(Transport::Delta).await;
    let api = stack.api();
    // A history, so that the buckets are not those of a fresh experiment of these weights.
    for weights in [[1_000, 8_000, 1_000], [6_000, 1_000, 3_000]] {
        let names = ["stable", "candidate-b", "candidate-c"];
        let weights: Vec<_> = names.into_iter().zip(weights).collect();
        let path = "/v1/experiments/chat-model/weights";
        api.patch(path, &documents::weights(&weights)).await;
    }
    api.until_in_sync("chat-model").await;
    let units = units(2_000);
    let before = ask_all(stack.gateway(), &units).await;
    let file = stack.folder().join("state.yaml");
    watershed(api, &["export", "--file"], &file);
    let state = std::fs::read_to_string(&file).unwrap();
    assert!(state.contains("format: watershed/v1"), "{state}");

    // Another control plane is filled before any proxy reaches it, and takes the lost one's place.
    stack.control_plane.kill();
    let url = server.create("watershed");
    let folder = stack.folder().join("fresh");
    std::fs::create_dir(&folder).unwrap();
    let mut fresh = ControlPlane::stopped(&folder).on(&url);
    fresh.start().await;
    let said = watershed(fresh.api(), &["import"], &file);
    assert!(said.contains("6 documents"), "{said}");
    fresh.kill();
    stack.control_plane.move_to(&url);
    stack.control_plane.start().await;
    api.until_in_sync("chat-model").await;
    let pushed = api.metric("watershed_xds_pushes_total").await;
    assert!(pushed.abs() < f64::EPSILON, "{pushed} pushes");
    assert_eq!(ask_all(stack.gateway(), &units).await, before);

    // What is exported again says the same, and a second import is refused.
    let again = stack.folder().join("again.yaml");
    watershed(api, &["export", "--file"], &again);
    let documents = |text: &str| {
        let state: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        state["documents"].clone()
    };
    let restored = std::fs::read_to_string(&again).unwrap();
    assert_eq!(documents(&restored), documents(&state));
    let output = Command::new(binaries::watershed())
        .arg("import")
        .arg(&file)
        .args(["--server", &format!("http://{}", api.address())])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("409"), "{said}");
}
