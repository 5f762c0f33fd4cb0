//! A change of weights takes effect on traffic that is under way, and takes no unit out of a variant
//! that grows.

use watershed_tests::envoy::Transport;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{Traffic, ask_all, units};
use watershed_tests::{Stack, documents};

const PATH: &str = "/v1/experiments/chat-model/weights";

async fn weights_change_live(transport: Transport) {
    let stack = Stack::with_chat(transport).await;
    let units = units(5_000);
    let mut before = ask_all(stack.gateway(), &units).await;
    let traffic = Traffic::start(stack.gateway());

    for ramped in [
        [
            ("stable", 5_000),
            ("candidate-b", 4_000),
            ("candidate-c", 1_000),
        ],
        [
            ("stable", 1_000),
            ("candidate-b", 6_000),
            ("candidate-c", 3_000),
        ],
        [
            ("stable", 0),
            ("candidate-b", 6_000),
            ("candidate-c", 4_000),
        ],
    ] {
        stack.api().patch(PATH, &documents::weights(&ramped)).await;
        stack.api().until_in_sync("chat-model").await;
        let after = ask_all(stack.gateway(), &units).await;
        assert_split(&after, &ramped);
        let mut pairs = before.iter().zip(&after);
        let lost =
            pairs.find(|(then, now)| then.variant != "stable" && then.variant != now.variant);
        assert_eq!(lost, None, "a unit left a variant that did not shrink");
        before = after;
    }

    let models = traffic.stop_unharmed().await;
    assert_eq!(models.len(), 3, "{models:?}");
}

#[tokio::test]
async fn with_delta_xds_weights_change_under_traffic_and_growing_variants_keep_their_units() {
    weights_change_live(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_weights_change_under_traffic_and_growing_variants_keep_their_units()
 {
    weights_change_live(Transport::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_refused_change_of_weights_changes_nothing() {
    use serde_json::json;
    use watershed_tests::http::Request;

    let stack = Stack::with_chat(Transport::Delta).await;
    let before = stack.api().until_in_sync("chat-model").await["version"].clone();
    for bad in [
        json!({ "stable": 7_000, "candidate-b": 2_000 }),
        json!({ "stable": 7_000, "candidate-b": 2_000, "candidate-c": 1_001 }),
        json!({ "stable": 7_000, "candidate-b": 2_000, "candidate-c": 500, "candidate-d": 500 }),
        json!({ "stable": -1, "candidate-b": 10_000, "candidate-c": 1 }),
        json!([]),
    ] {
        let response = stack
            .api()
            .send(&Request::new("PATCH", PATH).json(&bad))
            .await
            .unwrap();
        assert!(
            (400..500).contains(&response.status),
            "{bad}: {}",
            response.status
        );
        let kind = response.header("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "{bad}: {kind}"
        );
    }
    let after = stack.api().until_in_sync("chat-model").await["version"].clone();
    assert_eq!(before, after);
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );
}
