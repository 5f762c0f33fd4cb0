//! The evidence is in ClickHouse where its URL says so, and what comes while the server is away is there in
//! the end.

use serde_json::{Value, json};
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{ClickHouse, binaries, eventually};

/// Waits until the API tells of so many requests.
async fn until_told(sidecar: &Sidecar, requests: u64) {
    let api = sidecar.control_plane.api();
    eventually("the timeline has all requests", async || {
        let timeline = api.get("/v1/experiments/chat-model/timeline").await;
        let told = requests_of(&timeline);
        if told == requests {
            Ok(())
        } else {
            Err(format!("{told} of {requests}"))
        }
    })
    .await;
}

/// All that any object in it says of requests.
fn requests_of(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, it)| match name.as_str() {
                "requests" => it.as_u64().unwrap_or(0),
                _ => requests_of(it),
            })
            .sum(),
        Value::Array(elements) => elements.iter().map(requests_of).sum(),
        _ => 0,
    }
}

#[tokio::test]
async fn what_comes_while_clickhouse_is_away_is_there_in_the_end_and_once() {
    let Some(mut server) = ClickHouse::start() else {
        return;
    };
    let mut sidecar = Sidecar::start(|bootstrap| bootstrap).await;
    let wasm = binaries::wasm();
    let url = server.url();
    let arguments = ["--wasm-path", wasm.to_str().unwrap(), "--insecure-open-api"];
    let evidence = ["--evidence-url", &url];
    let arguments = [&arguments[..], &evidence[..]].concat();
    sidecar.control_plane.start_with(&arguments).await;
    let log = sidecar.control_plane.log();
    assert!(
        log.contains("clickhouse://127.0.0.1:") && !log.contains("secret"),
        "{log}"
    );
    sidecar.apply_experiment().await;
    ask_all(sidecar.gateway(), &units(300)).await;
    until_told(&sidecar, 300).await;

    server.kill();
    ask_all(sidecar.gateway(), &units(200)).await;
    let api = sidecar.control_plane.api();
    eventually("the database is missed", async || {
        let failures = api.metric("watershed_evidence_failures_total").await;
        let waiting = api.metric("watershed_evidence_waiting").await;
        if failures > 0.0 && waiting >= 200.0 {
            Ok(())
        } else {
            Err(format!("{failures} failures, {waiting} waiting"))
        }
    })
    .await;
    server.run();
    until_told(&sidecar, 500).await;

    let outcome =
        json!({ "experiment": "chat-model", "unit": "unit-0", "metric": "stars", "value": 5 });
    api.post_with("/v1/outcomes", &outcome).await;
    assert_eq!(
        server.sql("SELECT sum(value) FROM evidence_values FINAL"),
        "5"
    );
    assert_eq!(
        server.sql("SELECT uniqExact(unit) FROM evidence_units"),
        "300"
    );
    sidecar.envoy.assert_filter_unharmed().await;
}
