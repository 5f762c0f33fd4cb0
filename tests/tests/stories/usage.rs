//! What LLM answers say of their tokens is evidence, with no change of the service that gives them.

use serde_json::{Value, json};
use watershed_tests::envoy::Transport;
use watershed_tests::http::{Request, send};
use watershed_tests::{Stack, documents, eventually};

/// As `watershed model` has it: a token a word of the prompt, and what a model is set to.
const PROMPT: &str = "one two three";

fn chat(unit: &str, stream: bool) -> Request {
    let message = json!({ "role": "user", "content": PROMPT });
    Request::new("POST", "/v1/chat/completions")
        .header("x-conversation-id", unit)
        .json(&json!({ "model": "any", "stream": stream, "messages": [message] }))
}

/// A metric in the arm of the control.
fn of_stable<'a>(results: &'a Value, metric: &str) -> Option<&'a Value> {
    let lists = ["metrics", "guardrails"].map(|list| results["results"][list].as_array());
    let mut metrics = lists.into_iter().flatten().flatten();
    let metric = metrics.find(|it| it["metric"] == metric)?;
    let arms = metric["arms"].as_array()?;
    arms.iter().find(|arm| arm["variant"] == "stable")
}

#[tokio::test]
async fn tokens_of_answers_are_outcomes_and_a_streamed_answer_passes_unread() {
    let mut stack = Stack::with_service(Transport::Delta).await;
    let api = stack.api();
    let mut service = documents::service(stack.gateway());
    service["usage"] = json!({ "max_bytes": 4_096 });
    api.put("/v1/services/chat", &service).await;
    for metric in ["input_tokens", "output_tokens"] {
        let spec = json!({
            "type": "mean", "value": { "outcome": metric }, "direction": "decrease", "window": "1h",
        });
        api.put(&format!("/v1/metrics/{metric}"), &spec).await;
    }
    let mut experiment = documents::chat_model();
    experiment["primary_metric"] = json!("output_tokens");
    experiment["guardrails"] = json!(["input_tokens"]);
    api.put("/v1/experiments/chat-model", &experiment).await;
    api.post("/v1/experiments/chat-model/start").await;
    stack.until_split().await;

    let mut told = 0.0;
    for unit in 0..60 {
        let answer = send(stack.gateway(), &chat(&format!("unit-{unit}"), false)).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["usage"]["prompt_tokens"], 3);
        assert_eq!(answer.header("x-experiment-outcome"), None);
        told = answer.json()["usage"]["completion_tokens"]
            .as_f64()
            .unwrap();
    }
    let streamed = send(stack.gateway(), &chat("unit-0", true)).await.unwrap();
    assert!(
        streamed.text().contains("data: [DONE]"),
        "{}",
        streamed.text()
    );

    let (input, output) = eventually("the tokens are in the results", async || {
        let results = api.get("/v1/experiments/chat-model/results").await;
        // Three of each of the 60 answers that could be read: `total_tokens` is kept, too.
        if results["counts"]["attributed"] != 180 {
            return Err(results);
        }
        let sum = |metric| {
            let arm = of_stable(&results, metric)?;
            Some(arm["mean"].as_f64()? * arm["n"].as_f64()?)
        };
        match (sum("input_tokens"), sum("output_tokens")) {
            (Some(input), Some(output)) => Ok((input, output)),
            _ => Err(results),
        }
    })
    .await;
    let answers = input / 3.0;
    assert!((30.0..=55.0).contains(&answers), "{answers} of 60 at 70%");
    let each = output / answers;
    assert!(
        (each - told).abs() < 1e-6,
        "{each} tokens an answer, not {told}"
    );
    stack.envoy.assert_filter_unharmed().await;
}
