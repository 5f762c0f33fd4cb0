//! Traffic is split by unit as the weights say, in both variants of xDS, and each unit stays where it is.

use watershed_tests::envoy::Transport;
use watershed_tests::split::{assert_split, by_variant};
use watershed_tests::traffic::{Answer, ask_all, units};
use watershed_tests::{Stack, documents};

async fn twenty_thousand_units_are_split(transport: Transport) {
    let mut stack = Stack::with_chat(transport).await;
    let units = units(20_000);

    let first = ask_all(stack.gateway(), &units).await;
    assert_split(&first, &documents::WEIGHTS);
    assert!(
        first
            .iter()
            .all(|answer| answer.status == 200 && answer.experiment == "chat-model")
    );
    let misled = first.iter().find(|answer| answer.model != cluster(answer));
    assert_eq!(misled, None, "the stamp and the model that answered differ");

    let second = ask_all(stack.gateway(), &units).await;
    let moved = first
        .iter()
        .zip(&second)
        .filter(|(then, now)| then != now)
        .count();
    assert_eq!(
        moved,
        0,
        "units changed their variant: {:?}",
        by_variant(&second)
    );
    stack.envoy.assert_filter_unharmed().await;
}

fn cluster(answer: &Answer) -> &str {
    match answer.variant.as_str() {
        "stable" => "stable-a",
        other => other,
    }
}

#[tokio::test]
async fn with_delta_xds_20_000_units_are_split_by_the_weights_and_stay() {
    twenty_thousand_units_are_split(Transport::Delta).await;
}

#[tokio::test]
async fn with_state_of_the_world_xds_20_000_units_are_split_by_the_weights_and_stay() {
    twenty_thousand_units_are_split(Transport::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_request_without_a_unit_goes_to_the_default_cluster_unstamped() {
    let stack = Stack::with_chat(Transport::Delta).await;
    let request = watershed_tests::http::Request::get("/v1/models");
    for request in [
        request.clone(),
        request.clone().header("x-conversation-id", ""),
    ] {
        let response = watershed_tests::http::send(stack.gateway(), &request)
            .await
            .unwrap();
        let expected = Answer {
            status: 200,
            model: "stable-a".to_owned(),
            ..Answer::default()
        };
        assert_eq!(Answer::from(&response), expected);
    }
    // The second source of the unit is a cookie.
    let request = request.header("cookie", "theme=dark; cid=unit-1");
    let response = watershed_tests::http::send(stack.gateway(), &request)
        .await
        .unwrap();
    let by_header = watershed_tests::traffic::ask(stack.gateway(), "unit-1").await;
    assert_eq!(Answer::from(&response), by_header);
    assert_eq!(by_header.experiment, "chat-model");
}
