//! Traces of the control plane at a collector of OpenTelemetry: what a change takes, in the trace of who makes it,
//! and nothing of who is in an experiment.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use watershed_tests::collector::Collector;
use watershed_tests::http::Request;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Port, binaries, documents, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute as text.
fn attribute(span: &Span, name: &str) -> String {
    let of_name = span.attributes.iter().find(|it| it.key == name);
    let value = of_name.and_then(|it| it.value.clone()?.value);
    format!("{value:?}")
}

/// A control plane that sends traces to a port.
async fn traced(port: &Port) -> Sidecar {
    let mut sidecar = Sidecar::start(|bootstrap| bootstrap).await;
    let (wasm, endpoint) = (binaries::wasm(), format!("http://{}", port.address()));
    let arguments = [
        "--wasm-path",
        wasm.to_str().unwrap(),
        "--insecure-open-api",
        "--otlp-endpoint",
        &endpoint,
    ];
    sidecar.control_plane.start_with(&arguments).await;
    sidecar
}

/// Changes the weights, as part of [`TRACE`].
async fn change(sidecar: &Sidecar) {
    let weights = documents::weights(&[("stable", 4_000), ("candidate-b", 6_000)]);
    let patch = Request::new("PATCH", "/v1/experiments/chat-model/weights")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&weights);
    let changed = sidecar.control_plane.api().send(&patch).await.unwrap();
    assert_eq!(changed.status, 200, "{}", changed.text());
}

#[tokio::test]
async fn a_change_is_a_request_a_build_a_commit_and_a_push_in_the_trace_of_who_makes_it() {
    let port = Port::reserve();
    let collector = Collector::start(&port).await;
    let sidecar = traced(&port).await;
    sidecar.apply_experiment().await;
    change(&sidecar).await;
    let spans = eventually("the collector has the trace", async || {
        let spans = collector.spans();
        let spans = spans
            .into_iter()
            .filter(|it| hexadecimal(&it.trace_id) == TRACE);
        let spans: BTreeMap<_, _> = spans.map(|it| (it.name.clone(), it)).collect();
        if spans.len() >= 4 {
            Ok(spans)
        } else {
            Err(format!("{:?}", spans.keys()))
        }
    })
    .await;
    let request = &spans["PATCH /v1/experiments/{key}/weights"];
    assert_eq!(hexadecimal(&request.parent_span_id), PARENT);
    assert!(attribute(request, "http.response.status_code").contains("200"));
    assert!(attribute(request, "http.route").contains("/v1/experiments/{key}/weights"));
    for name in ["build snapshots", "commit", "push snapshot"] {
        assert_eq!(spans[name].parent_span_id, request.span_id, "{name}");
    }
    let push = &spans["push snapshot"];
    assert!(attribute(push, "watershed.fleet").contains("default"));
    assert!(attribute(push, "watershed.proxies").contains("1"));
    let resource = format!("{:?}", collector.resources()[0]);
    assert!(
        resource.contains("service.name") && resource.contains("\"watershed\""),
        "{resource}"
    );
}

#[tokio::test]
async fn no_unit_no_key_and_nothing_that_a_caller_chose_is_in_a_span() {
    let port = Port::reserve();
    let collector = Collector::start(&port).await;
    let mut sidecar = traced(&port).await;
    sidecar.apply_experiment().await;
    ask_all(sidecar.gateway(), &units(100)).await;
    let api = sidecar.control_plane.api();
    let outcome =
        json!({ "experiment": "chat-model", "unit": "unit-0", "metric": "stars", "value": 5 });
    let secret = ("authorization", "Bearer s3cret-key");
    for request in [
        Request::new("POST", "/v1/outcomes").json(&outcome),
        Request::get("/v1/units/conversation/unit-0?type=unit-0"),
        Request::get("/unit-0"),
        Request::new("BREW-unit-0", "/v1/experiments"),
        Request::get("/v1/experiments/unit-0"),
        Request::get("/v1/experiments").header("traceparent", "00-unit-0-s3cret-01"),
    ] {
        api.send(&request.header(secret.0, secret.1)).await.unwrap();
    }
    eventually("evidence is kept and is a span", async || {
        let spans = collector.spans();
        let keeping = spans.iter().find(|it| it.name == "keep evidence");
        keeping.map(|_| ()).ok_or(spans.len())
    })
    .await;
    // What was not sent yet goes out at the end.
    sidecar.control_plane.end().await;
    let spans = collector.spans();
    assert!(spans.iter().any(|it| it.name == "POST /v1/outcomes"));
    let all = format!("{spans:?}");
    for none in ["unit-", "s3cret", "BREW", "stars"] {
        assert!(!all.contains(none), "{none} is in a span");
    }
}

#[tokio::test]
async fn without_its_collector_a_control_plane_serves_and_says_so_once() {
    let port = Port::reserve();
    let sidecar = traced(&port).await;
    sidecar.apply_experiment().await;
    let api = sidecar.control_plane.api();
    eventually("spans are dropped, twice", async || {
        let dropped = api.metric("watershed_trace_spans_dropped_total").await;
        let log = sidecar.control_plane.log();
        let told = log.matches("traces do not reach the collector").count();
        if dropped > 0.0 && told == 1 {
            Ok(())
        } else {
            Err(format!("{dropped} {told}"))
        }
    })
    .await;
    let collector = Collector::start(&port).await;
    change(&sidecar).await;
    eventually("the collector has spans", async || {
        let spans = collector.spans();
        let log = sidecar.control_plane.log();
        let is_told = log.contains("traces reach the collector again");
        if is_told && !spans.is_empty() {
            Ok(())
        } else {
            Err(spans.len())
        }
    })
    .await;
    let log = sidecar.control_plane.log();
    assert_eq!(
        log.matches("traces do not reach the collector").count(),
        1,
        "{log}"
    );
}
