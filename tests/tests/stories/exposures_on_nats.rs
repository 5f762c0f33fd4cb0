//! Raw exposures of real traffic on a stream of NATS JetStream: each is there once, whatever is killed meanwhile.

use std::collections::BTreeSet;

use serde_json::Value;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Nats, binaries, eventually};

const PUBLISHED: &str = "watershed_exposures_published_total";
const FAILURES: &str = "watershed_exposures_failures_total";

/// What makes an exposure the one that it is.
fn identity(exposure: &Value) -> (i64, String, String) {
    let text = |field: &str| exposure[field].as_str().unwrap().to_owned();
    let time = exposure["time_us"].as_i64().unwrap();
    (time, text("request_id"), text("unit_key"))
}

/// All that is on the stream.
async fn on_stream(server: &Nats) -> Vec<Value> {
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream("WATERSHED_EXPOSURES").await.unwrap();
    let mut all = Vec::new();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        assert_eq!(message.subject.as_str(), "watershed.exposures.chat-model");
        all.push(serde_json::from_slice(&message.payload).unwrap());
    }
    all
}

#[tokio::test]
async fn each_exposure_is_on_the_stream_once_though_nats_and_the_control_plane_are_killed_under_load()
 {
    let Some(mut server) = Nats::start() else {
        return;
    };
    let mut sidecar = Sidecar::start(|bootstrap| bootstrap).await;
    let (wasm, url) = (binaries::wasm(), server.url());
    let arguments = [
        "--wasm-path",
        wasm.to_str().unwrap(),
        "--insecure-open-api",
        "--exposures-nats",
        &url,
    ];
    sidecar.control_plane.start_with(&arguments).await;
    sidecar.apply_experiment().await;
    let (api, gateway) = (sidecar.control_plane.api(), sidecar.gateway());
    let load = || tokio::spawn(async move { ask_all(gateway, &units(3_000)).await });

    // NATS goes in the middle of load, and what comes then waits.
    let first = load();
    api.until_over(PUBLISHED, 300.0).await;
    server.kill();
    api.until_over(FAILURES, 2.0).await;
    let log = sidecar.control_plane.log();
    assert_eq!(
        log.matches("exposures are not published").count(),
        1,
        "{log}"
    );
    first.await.unwrap();
    ask_all(gateway, &units(200)).await;
    api.until_over("watershed_evidence_kept_total", 3_199.0)
        .await;
    api.until_over("watershed_exposures_behind_seconds", 0.0)
        .await;

    // So does the control plane, which comes back before NATS does.
    sidecar.control_plane.kill();
    sidecar.control_plane.start_with(&arguments).await;
    api.until_over(FAILURES, 1.0).await;
    server.run();
    eventually("it is told that the outage is over", async || {
        let log = sidecar.control_plane.log();
        match log.contains("exposures are published again") {
            true => Ok(()),
            false => Err(log),
        }
    })
    .await;

    // And once more, while it publishes.
    sidecar
        .control_plane
        .api()
        .until_in_sync("chat-model")
        .await;
    let before = api.metric(PUBLISHED).await;
    let second = load();
    api.until_over(PUBLISHED, before + 300.0).await;
    sidecar.control_plane.kill();
    second.await.unwrap();
    sidecar.control_plane.start_with(&arguments).await;
    api.until_in_sync("chat-model").await;
    ask_all(gateway, &units(100)).await;

    let expected = eventually("the stream has what the store has", async || {
        let kept = api.exposures("chat-model").await;
        let published = on_stream(&server).await;
        if !kept.is_empty() && published.len() >= kept.len() {
            Ok((kept, published))
        } else {
            Err(format!("{} of {}", published.len(), kept.len()))
        }
    })
    .await;
    let (kept, published) = expected;
    let of = |all: &[Value]| all.iter().map(identity).collect::<BTreeSet<_>>();
    assert!(kept.len() >= 3_200, "{} are kept", kept.len());
    assert_eq!(published.len(), kept.len(), "each once");
    assert!(of(&published) == of(&kept), "the same ones");
    assert_eq!(of(&kept).len(), kept.len());
    println!("{} exposures, each once", kept.len());
    sidecar.envoy.assert_filter_unharmed().await;
}
