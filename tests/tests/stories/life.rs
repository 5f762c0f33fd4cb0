//! An experiment's life on a real proxy: who is assigned in each of its stages, that a unit stays in its
//! variant from the first to the last, and that the clock takes the steps that it was told to take,
//! whatever happens to the control plane meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use watershed::clock;
use watershed_tests::envoy::Transport;
use watershed_tests::traffic::{Answer, ask_all, units};
use watershed_tests::{Stack, documents, eventually};

const CHAT: &str = "/v1/experiments/chat-model";

async fn step(stack: &Stack, action: &str, body: Option<Value>) {
    let path = format!("{CHAT}/{action}");
    match body {
        Some(body) => stack.api().post_with(&path, &body).await,
        None => stack.api().post(&path).await,
    };
    stack.api().until_in_sync("chat-model").await;
}

fn assigned(answers: &[Answer]) -> usize {
    let stamped = |answer: &&Answer| answer.experiment == "chat-model";
    answers.iter().filter(stamped).count()
}

#[tokio::test]
async fn a_unit_keeps_its_variant_from_the_first_stage_to_the_last() {
    let stack = Stack::with_service(Transport::Delta).await;
    let mut chat = documents::chat_model();
    chat["internal"] = json!({ "header": "x-conversation-id", "prefix": "unit-1" });
    chat["canary_traffic"] = json!(1_000);
    stack.api().put(CHAT, &chat).await;
    step(&stack, "internal", None).await;
    let gateway = stack.gateway();
    eventually("the proxy listens", async || {
        tokio::net::TcpStream::connect(gateway).await.map(drop)
    })
    .await;

    let everybody = units(2_000);
    let is_internal = |unit: &String| unit.starts_with("unit-1");
    let internal = ask_all(gateway, &everybody).await;
    for (unit, answer) in everybody.iter().zip(&internal) {
        let stamped = answer.experiment == "chat-model";
        assert_eq!(stamped, is_internal(unit), "{unit}: {answer:?}");
    }

    step(&stack, "canary", None).await;
    let canary = ask_all(gateway, &everybody).await;
    // The units are the same in every run: about 200 of 2000 have a bucket of the canary's.
    let count = assigned(&canary);
    assert!((140..=260).contains(&count), "{count}");

    step(&stack, "start", None).await;
    let running = ask_all(gateway, &everybody).await;
    assert_eq!(assigned(&running), everybody.len());
    for earlier in [&internal, &canary] {
        let both = earlier.iter().zip(&running);
        let mut before = both.filter(|(earlier, _)| !earlier.experiment.is_empty());
        assert!(before.all(|(earlier, now)| earlier == now));
    }

    step(&stack, "decide", Some(json!({ "variant": "candidate-b" }))).await;
    let decided = ask_all(gateway, &everybody).await;
    assert!(decided.iter().all(|answer| answer.model == "candidate-b"));

    step(&stack, "archive", None).await;
    let over = ask_all(gateway, &everybody).await;
    assert_eq!(assigned(&over), 0);
    assert!(over.iter().all(|answer| answer.model == "stable-a"));
    let document = stack.api().get(CHAT).await;
    assert_eq!(document["allocation"], json!([]));
    assert_eq!(document["decision"]["variant"], "candidate-b");
}

async fn until_state(stack: &Stack, state: &str) {
    eventually("the clock takes the step", async || {
        let document = stack.api().get(CHAT).await;
        match document["state"].as_str() {
            Some(is) if is == state => Ok(()),
            is => Err(format!("{is:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn start_and_end_are_kept_by_the_clock_and_survive_a_kill() {
    let mut stack = Stack::with_service(Transport::Delta).await;
    let mut chat = documents::chat_model();
    chat["start"] = json!((clock::now() + Duration::from_secs(5)).to_string());
    stack.api().put(CHAT, &chat).await;
    stack.api().post(&format!("{CHAT}/schedule")).await;
    stack.control_plane.kill();
    stack.control_plane.start().await;
    until_state(&stack, "running").await;
    stack.until_split().await;

    chat["end"] = json!((clock::now() + Duration::from_secs(2)).to_string());
    stack.api().put(CHAT, &chat).await;
    stack.control_plane.kill();
    stack.control_plane.start().await;
    until_state(&stack, "paused").await;
    stack.api().until_in_sync("chat-model").await;
    let answers = ask_all(stack.gateway(), &units(200)).await;
    assert_eq!(assigned(&answers), 0);
}
