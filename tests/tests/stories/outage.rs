//! Without its control plane a proxy goes on with what it has; once it is back, changes reach the proxy
//! again.

use watershed_tests::envoy::Transport;
use watershed_tests::split::assert_split;
use watershed_tests::traffic::{Traffic, ask_all, units};
use watershed_tests::{Stack, documents};

async fn the_control_plane_dies_and_comes_back(transport: Transport) {
    let mut stack = Stack::with_chat(transport).await;
    let units = units(2_000);
    let before = ask_all(stack.gateway(), &units).await;
    let traffic = Traffic::start(stack.gateway());

    stack.control_plane.kill();
    traffic.until_answered(1_000).await;
    assert_eq!(ask_all(stack.gateway(), &units).await, before);

    stack.control_plane.start().await;
    stack.api().until_in_sync("chat-model").await;
    traffic.until_answered(1_000).await;
    assert_eq!(
        ask_all(stack.gateway(), &units).await,
        before,
        "a restart moved units"
    );

    let ramped = [
        ("stable", 2_000),
        ("candidate-b", 4_000),
        ("candidate-c", 4_000),
    ];
    stack
        .api()
        .patch(
            "/v1/experiments/chat-model/weights",
            &documents::weights(&ramped),
        )
        .await;
    stack.api().until_in_sync("chat-model").await;
    assert_split(&ask_all(stack.gateway(), &units).await, &ramped);
    traffic.stop_unharmed().await;
}

#[tokio::test]
async fn with_delta_xds_no_request_fails_while_the_control_plane_is_killed_and_started_again() {
    the_control_plane_dies_and_comes_back(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_no_request_fails_while_the_control_plane_is_killed_and_started_again()
 {
    the_control_plane_dies_and_comes_back(Transport::StateOfTheWorld).await;
}
