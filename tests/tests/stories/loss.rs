//! What the access log loses is known: the filter's counters come another way.

use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{binaries, eventually};

/// Where the listener's access log goes, and to which cluster.
const LOG_CLUSTER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
    /access_log/0/typed_config/common_config/grpc_service/envoy_grpc/cluster_name";

async fn telemetry(sidecar: &Sidecar) -> Value {
    let api = sidecar.control_plane.api();
    let status = api.get("/v1/experiments/chat-model/status").await;
    status["telemetry"].clone()
}

/// What the results say of the telemetry.
async fn trusted(sidecar: &Sidecar) -> Value {
    let api = sidecar.control_plane.api();
    let results = api.get("/v1/experiments/chat-model/results").await;
    let checks = results["results"]["trust"]["checks"].as_array();
    let mut checks = checks.into_iter().flatten();
    let check = checks.find(|check| check["name"] == "telemetry");
    check.unwrap_or_else(|| panic!("{results}"))["status"].clone()
}

/// Waits until so many are counted and so many of them arrived.
async fn until(sidecar: &Sidecar, counted: u64, arrived: u64) -> Value {
    eventually("the counts have settled", async || {
        let telemetry = telemetry(sidecar).await;
        if telemetry["counted"] == counted && telemetry["arrived"] == arrived {
            Ok(telemetry)
        } else {
            Err(telemetry)
        }
    })
    .await
}

#[tokio::test]
async fn the_share_of_entries_that_never_arrived_is_told_and_marks_the_experiment() {
    // The log's own way to the control plane, that can be cut while all else goes on.
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = relay.local_addr().unwrap();
    let mut sidecar = Sidecar::start(|mut bootstrap| {
        *bootstrap.at("/stats_flush_interval") = json!("0.2s");
        *bootstrap.at(LOG_CLUSTER) = json!("watershed-log");
        bootstrap.another_way("watershed-log", way)
    })
    .await;
    let xds = sidecar.control_plane.xds();
    let relaying = tokio::spawn(async move {
        // Aborted with this task, and their connections with them.
        let mut connections = JoinSet::new();
        while let Ok((mut proxy, _)) = relay.accept().await {
            connections.spawn(async move {
                let mut server = TcpStream::connect(xds).await?;
                copy_bidirectional(&mut proxy, &mut server).await
            });
        }
    });
    let wasm = binaries::wasm();
    let arguments = ["--wasm-path", wasm.to_str().unwrap(), "--insecure-open-api"];
    let settle = ["--telemetry-settle-seconds", "2"];
    sidecar
        .control_plane
        .start_with(&[&arguments[..], &settle[..]].concat())
        .await;
    sidecar.apply_experiment().await;
    sidecar.control_plane.api().until_counts_are_told().await;

    ask_all(sidecar.gateway(), &units(300)).await;
    let whole = until(&sidecar, 300, 300).await;
    assert_eq!(whole["telemetry_missing"], false);
    assert_eq!(whole["missing"], 0.0);
    assert_eq!(whole["proxies"][0]["node"], "sidecar-1");
    assert_eq!(trusted(&sidecar).await, "pass");
    let api = sidecar.control_plane.api();
    for (metric, requests) in [
        ("watershed_requests_total", 300.0),
        ("watershed_request_duration_seconds_count", 300.0),
        ("watershed_time_to_first_byte_seconds_count", 300.0),
        ("watershed_fallbacks_total", 0.0),
        ("watershed_unreached_total", 0.0),
    ] {
        assert!(
            (api.metric(metric).await - requests).abs() < 0.5,
            "{metric}"
        );
    }

    relaying.abort();
    ask_all(sidecar.gateway(), &units(100)).await;
    let lossy = until(&sidecar, 400, 300).await;
    assert_eq!(lossy["missing"], 0.25);
    assert_eq!(lossy["telemetry_missing"], true);
    assert_eq!(trusted(&sidecar).await, "fail");
    sidecar.envoy.assert_filter_unharmed().await;
}
