//! `kill -9` of a control plane that takes evidence in: what was kept is there once, and what was not is told
//! as missing.

use std::collections::BTreeSet;

use serde_json::json;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{binaries, eventually};

/// Waits until so many assignments are counted and settled, and `arrived` says that what arrived of them is
/// what it should be: the log may come after the count, and is then added to it.
async fn settled(sidecar: &Sidecar, counted: usize, arrived: impl AsyncFn() -> usize) {
    let api = sidecar.control_plane.api();
    eventually("the counts have settled", async || {
        let status = api.get("/v1/experiments/chat-model/status").await;
        let telemetry = status["telemetry"].clone();
        let expected = arrived().await;
        match telemetry["counted"] == counted && telemetry["arrived"] == expected {
            true => Ok(()),
            false => Err(format!("{telemetry}, {expected} are there")),
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_kept_before_kill_9_is_there_once_and_what_was_not_is_told_as_missing() {
    let mut sidecar = Sidecar::start(|mut bootstrap| {
        *bootstrap.at("/stats_flush_interval") = json!("0.2s");
        bootstrap
    })
    .await;
    let wasm = binaries::wasm();
    let arguments = ["--wasm-path", wasm.to_str().unwrap(), "--insecure-open-api"];
    let settle = ["--telemetry-settle-seconds", "2"];
    let arguments = [&arguments[..], &settle[..]].concat();
    sidecar.control_plane.start_with(&arguments).await;
    sidecar.apply_experiment().await;
    let api = sidecar.control_plane.api();
    api.until_counts_are_told().await;
    ask_all(sidecar.gateway(), &units(300)).await;
    settled(&sidecar, 300, async || 300).await;

    let load = tokio::spawn({
        let gateway = sidecar.gateway();
        async move { ask_all(gateway, &units(3_000)).await }
    });
    let kept = api.until_over("watershed_evidence_kept_total", 600.0).await;
    sidecar.control_plane.kill();
    load.await.unwrap();
    sidecar.control_plane.start_with(&arguments).await;
    let before = api.exposures("chat-model").await.len();
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let is_there = before as f64 >= kept;
    assert!(is_there, "{before} of {kept} that were kept");

    ask_all(sidecar.gateway(), &units(100)).await;
    settled(&sidecar, 3_400, async || {
        api.exposures("chat-model").await.len()
    })
    .await;
    let all = api.exposures("chat-model").await;
    let distinct: BTreeSet<_> = all
        .iter()
        .map(|it| {
            (
                it["time_us"].as_i64(),
                it["request_id"].to_string(),
                it["unit_key"].to_string(),
            )
        })
        .collect();
    assert_eq!(distinct.len(), all.len(), "each once");
    println!("{} of 3,400 were lost", 3_400 - all.len());
    sidecar.envoy.assert_filter_unharmed().await;
}
