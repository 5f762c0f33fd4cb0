//! An experiment is tried on the proxies of a slice first, and then on all: where it is served, the split is
//! the same.

use serde_json::json;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::split::{assert_split, by_variant};
use watershed_tests::traffic::{ask_all, units};

#[tokio::test]
async fn an_experiment_is_served_by_the_proxies_of_its_slice_and_then_by_all() {
    let mut sidecar = Sidecar::start(|bootstrap| bootstrap).await;
    sidecar.control_plane.start().await;
    let (canary, listener) = sidecar
        .another("canary", |mut bootstrap| {
            let node = bootstrap.at("/node");
            node["id"] = json!("sidecar-2");
            node["metadata"] = json!({ "watershed": { "slice": "canary" } });
            bootstrap
        })
        .await;
    let api = sidecar.control_plane.api();
    sidecar.apply_experiment().await;
    let mut experiment = Sidecar::experiment();
    experiment["slices"] = json!(["canary"]);
    api.put("/v1/experiments/chat-model", &experiment).await;
    api.until_in_sync("chat-model").await;

    let units = units(2_000);
    let split = ask_all(listener.address(), &units).await;
    assert_split(&split, &Sidecar::WEIGHTS);
    let others = ask_all(sidecar.gateway(), &units).await;
    let untouched = others
        .iter()
        .all(|answer| answer.model == "stable-a" && answer.experiment.is_empty());
    assert!(untouched, "{:?}", by_variant(&others));

    api.put("/v1/experiments/chat-model", &Sidecar::experiment())
        .await;
    let fleet = api.until_in_sync("chat-model").await;
    assert_eq!(fleet["connected"], 2);
    assert_eq!(ask_all(sidecar.gateway(), &units).await, split);
    assert_eq!(ask_all(listener.address(), &units).await, split);
    drop(canary);
}
