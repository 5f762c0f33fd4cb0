//! One call takes everyone back to the fallback variant, and reaches the last request within a second.

use std::time::Duration;

use watershed_tests::envoy::Transport;
use watershed_tests::split::{assert_split, by_variant};
use watershed_tests::traffic::{Traffic, ask_all, units};
use watershed_tests::{Stack, documents, within};

/// What the product promises.
const PROMISE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_rollback_reaches_every_request_within_a_second_and_a_resume_undoes_it() {
    let stack = Stack::with_chat(Transport::Delta).await;
    // Units of the candidates: the ones that have to move.
    let all = units(400);
    let answers = ask_all(stack.gateway(), &all).await;
    let moving: Vec<String> = all
        .into_iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.variant != "stable")
        .map(|(unit, _)| unit)
        .take(32)
        .collect();
    let traffic = Traffic::start(stack.gateway());
    traffic.until_answered(100).await;

    stack
        .api()
        .post("/v1/experiments/chat-model/rollback")
        .await;
    within(PROMISE, "nobody is on a candidate", async || {
        let answers = ask_all(stack.gateway(), &moving).await;
        let back = answers
            .iter()
            .all(|answer| answer.model == "stable-a" && answer.variant == "stable");
        if back {
            Ok(())
        } else {
            Err(format!("{:?}", by_variant(&answers)))
        }
    })
    .await;
    stack.api().until_in_sync("chat-model").await;
    let answers = ask_all(stack.gateway(), &units(2_000)).await;
    assert_eq!(
        by_variant(&answers).into_iter().collect::<Vec<_>>(),
        [("stable", 2_000)]
    );

    stack.api().post("/v1/experiments/chat-model/resume").await;
    stack.api().until_in_sync("chat-model").await;
    assert_split(
        &ask_all(stack.gateway(), &units(2_000)).await,
        &documents::WEIGHTS,
    );
    traffic.stop_unharmed().await;
}

#[tokio::test]
async fn a_paused_experiment_leaves_its_requests_to_the_default_cluster() {
    let stack = Stack::with_chat(Transport::Delta).await;
    stack.api().post("/v1/experiments/chat-model/pause").await;
    stack.api().until_in_sync("chat-model").await;
    let answers = ask_all(stack.gateway(), &units(500)).await;
    let untouched = answers
        .iter()
        .all(|answer| answer.model == "stable-a" && answer.experiment.is_empty());
    assert!(untouched, "{:?}", by_variant(&answers));
}
