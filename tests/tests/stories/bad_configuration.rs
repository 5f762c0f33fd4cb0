//! What Envoy refuses is shown with Envoy's own words, harms no request, and is gone once it is mended.
//! The control plane accepts only what compiles, so that the faults here are such that only a proxy can
//! know: an address that is not its own, and a filter that is not on its disk.

use watershed_tests::envoy::Transport;
use watershed_tests::split::{SIGNIFICANT, assert_split, by_variant, p_value};
use watershed_tests::traffic::{Traffic, ask_all, units};
use watershed_tests::{Stack, documents, eventually};

async fn a_listener_that_cannot_be_bound(transport: Transport) {
    let stack = Stack::with_chat(transport).await;
    let api = stack.api();
    let traffic = Traffic::start(stack.gateway());

    // RFC 5737: addresses for documentation, which no machine has.
    let elsewhere = "203.0.113.7:10000".parse().unwrap();
    let mut service = documents::service(elsewhere);
    service["hosts"] = serde_json::json!(["elsewhere.example"]);
    api.put("/v1/services/elsewhere", &service).await;
    let message = api.until_refused("chat-model").await;
    assert!(message.contains("203.0.113.7"), "{message}");
    let fleet = api.fleet("chat-model", "default").await;
    assert_eq!(fleet["refused"], 1, "{fleet:#}");
    assert!(api.metric("watershed_xds_nacks_total").await >= 1.0);

    // The refusal holds back nothing else.
    let ramped = [
        ("stable", 4_000),
        ("candidate-b", 3_000),
        ("candidate-c", 3_000),
    ];
    api.patch(
        "/v1/experiments/chat-model/weights",
        &documents::weights(&ramped),
    )
    .await;
    eventually("the new weights are served", async || {
        let answers = ask_all(stack.gateway(), &units(2_000)).await;
        let p = p_value(&by_variant(&answers), &ramped);
        if p > SIGNIFICANT {
            Ok(())
        } else {
            Err(format!("p = {p:e}"))
        }
    })
    .await;

    api.delete("/v1/services/elsewhere").await;
    eventually("the refusal is gone", async || {
        let fleet = api.fleet("chat-model", "default").await;
        let mended = fleet["refused"] == 0 && fleet["in_sync"] == true;
        if mended {
            Ok(())
        } else {
            Err(format!("{fleet:#}"))
        }
    })
    .await;
    traffic.stop_unharmed().await;
}

#[tokio::test]
async fn with_delta_xds_a_listener_that_envoy_cannot_bind_is_refused_by_name_and_harms_nothing() {
    a_listener_that_cannot_be_bound(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_a_listener_that_envoy_cannot_bind_is_refused_by_name_and_harms_nothing()
 {
    a_listener_that_cannot_be_bound(Transport::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_filter_that_is_not_on_the_proxys_disk_is_refused_and_the_last_good_one_goes_on() {
    let mut stack = Stack::with_chat(Transport::Delta).await;
    let traffic = Traffic::start(stack.gateway());

    stack.control_plane.kill();
    let missing = stack.folder().join("no-such-filter.wasm");
    stack.control_plane.start_with_wasm(&missing).await;
    let message = stack.api().until_refused("chat-model").await;
    assert!(message.contains("no-such-filter.wasm"), "{message}");
    let fleet = stack.api().fleet("chat-model", "default").await;
    assert_eq!(fleet["in_sync"], false, "{fleet:#}");
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );

    stack.control_plane.kill();
    stack.control_plane.start().await;
    stack.until_split().await;
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );
    traffic.stop_unharmed().await;
    stack.envoy.assert_filter_unharmed().await;
}
