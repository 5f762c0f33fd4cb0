//! What a client says about experiments never reaches an upstream.

use watershed_tests::Stack;
use watershed_tests::envoy::Transport;
use watershed_tests::http::{Request, send};
use watershed_tests::traffic::{Answer, ask, request};

fn spoofed(request: Request) -> Request {
    request
        .header("x-experiment-id", "chat-model")
        .header("X-Experiment-ID", "other")
        .header("X-VARIANT", "candidate-b")
        .header("x-variant", "candidate-c")
        .header("x-variant", "")
        .header("x-watershed-cluster", "candidate-b")
        .header("X-Watershed-Cluster", "candidate-c")
}

#[tokio::test]
async fn spoofed_headers_do_not_reach_the_upstream_and_do_not_choose_it() {
    let mut stack = Stack::with_chat(Transport::Delta).await;
    for unit in ["unit-1", "unit-2", "unit-3", "unit-4", "unit-5"] {
        let honest = ask(stack.gateway(), unit).await;
        let answer = send(stack.gateway(), &spoofed(request(unit)))
            .await
            .unwrap();
        assert_eq!(Answer::from(&answer), honest, "{}", answer.text());
    }

    // Without a unit there is nothing to stamp, and the stable cluster answers.
    let answer = send(stack.gateway(), &spoofed(Request::get("/v1/models")))
        .await
        .unwrap();
    let expected = Answer {
        status: 200,
        model: "stable-a".to_owned(),
        ..Answer::default()
    };
    assert_eq!(Answer::from(&answer), expected, "{}", answer.text());
    stack.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn spoofed_headers_are_stripped_where_no_experiment_runs() {
    let stack = Stack::with_chat(Transport::Delta).await;
    stack.api().post("/v1/experiments/chat-model/pause").await;
    stack.api().until_in_sync("chat-model").await;
    let answer = send(stack.gateway(), &spoofed(request("unit-1")))
        .await
        .unwrap();
    let expected = Answer {
        status: 200,
        model: "stable-a".to_owned(),
        ..Answer::default()
    };
    assert_eq!(Answer::from(&answer), expected, "{}", answer.text());
}
