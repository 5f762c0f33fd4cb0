//! What a variant tells the upstream and the client beside its name, and where requests go that no
//! experiment routes.

use serde_json::{Value, json};
use watershed_tests::Standalone;
use watershed_tests::http::Request;

/// Units called `b…` are in the audience and get `b`, which says more; nobody else is.
fn configuration() -> Value {
    let header = |name: &str, value: &str| json!({ "name": name, "value": value });
    let small = json!({ "attribute": { "bodySize": {} },
        "compare": { "ordering": "NUMBER", "operator": "LESS", "value": "1000" } });
    let premium = json!({ "attribute": { "header": "x-tier" }, "equals": "premium" });
    json!({
        "services": [{ "key": "all", "defaultCluster": "stable-a", "routingRules": [
            { "key": "premium", "when": { "condition": premium }, "cluster": "candidate-b" },
            { "key": "small", "when": { "condition": small }, "cluster": "candidate-b" },
        ]}],
        "layers": [{ "key": "prompts" }],
        "experiments": [{
            "key": "prompt",
            "layer": "prompts",
            "unitSources": [{ "header": "x-unit" }],
            "audience": { "condition": { "attribute": { "header": "x-unit" }, "prefix": "b" } },
            "allocation": [{ "start": 0, "end": 9999 }],
            "fallback": "a",
            "variants": [
                { "key": "a", "ranges": [] },
                {
                    "key": "b",
                    "ranges": [{ "start": 0, "end": 9999 }],
                    "requestHeaders": [header("x-prompt-version", "v2")],
                    "responseHeaders": [header("x-served-by", "experiment")],
                    "baggage": [header("prompt", "v 2")],
                },
            ],
        }],
    })
}

async fn standalone() -> Standalone {
    Standalone::start(&configuration(), |bootstrap| bootstrap).await
}

#[tokio::test]
async fn a_variant_sets_its_headers_for_the_upstream_and_for_the_client() {
    let mut standalone = standalone().await;
    let request = Request::get("/")
        .header("x-unit", "b")
        .header("x-prompt-version", "mine")
        .header("baggage", "user=u, prompt=mine;p=1")
        .header("baggage", "trace=t");
    let response = standalone.send(&request).await;
    assert_eq!(
        response.header("x-served-by").as_deref(),
        Some("experiment")
    );
    let seen = response.json();
    assert_eq!(seen["headers"]["x-prompt-version"], "v2");
    assert_eq!(seen["headers"]["baggage"], "user=u,trace=t,prompt=v%202");
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn what_a_variant_might_set_is_not_believed_of_a_client() {
    let mut standalone = standalone().await;
    let request = Request::get("/")
        .header("x-unit", "somebody")
        .header("X-Prompt-Version", "v2")
        .header("x-prompt-version", "v3")
        .header("baggage", "prompt=v2,user=u");
    let response = standalone.send(&request).await;
    assert_eq!(response.header("x-served-by"), None);
    let seen = response.json();
    assert_eq!(seen["headers"]["x-prompt-version"], Value::Null);
    assert_eq!(seen["headers"]["baggage"], "user=u");
    standalone.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn rules_route_what_no_experiment_routes() {
    let mut standalone = standalone().await;
    let post = |length: usize| {
        Request::new("POST", "/")
            .header("content-length", length.to_string())
            .body(&vec![b'x'; length])
    };
    for (request, upstream) in [
        (Request::get("/").header("x-tier", "premium"), "candidate-b"),
        (post(999), "candidate-b"),
        (post(1_000), "stable-a"),
        (Request::get("/"), "stable-a"),
        (
            Request::get("/").header("x-watershed-cluster", "candidate-b"),
            "stable-a",
        ),
    ] {
        let seen = standalone.echo(&request).await;
        assert_eq!(seen["upstream"], upstream, "{request:?}");
    }
    standalone.envoy.assert_filter_unharmed().await;
}
