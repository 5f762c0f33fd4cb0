//! One request, one answer along its whole path: what a proxy at the edge has stamped, one inside keeps.

use std::net::SocketAddr;

use serde_json::{Value, json};
use watershed_tests::Standalone;
use watershed_tests::echo::Echo;
use watershed_tests::http::Request;

/// An experiment on `x-unit` that gives everybody `variant`, of `a` (served by `stable-a`) and `b`
/// (served by `candidate-b`).
fn always(key: &str, variant: &str) -> Value {
    let variants: Vec<Value> = [("a", "stable-a"), ("b", "candidate-b")]
        .iter()
        .map(|(key, cluster)| {
            let everybody = json!([{ "start": 0, "end": 9999 }]);
            let ranges = if *key == variant {
                everybody
            } else {
                json!([])
            };
            json!({ "key": key, "cluster": cluster, "ranges": ranges })
        })
        .collect();
    json!({
        "key": key,
        "layer": key,
        "services": ["all"],
        "unitSources": [{ "header": "x-unit" }],
        "allocation": [{ "start": 0, "end": 9999 }],
        "variants": variants,
        "fallback": variant,
    })
}

/// The same without clusters.
fn stamping(key: &str, variant: &str) -> Value {
    let mut experiment = always(key, variant);
    for variant in experiment["variants"].as_array_mut().unwrap() {
        variant.as_object_mut().unwrap().remove("cluster");
    }
    experiment
}

fn configuration(trust: &str, experiments: &[Value]) -> Value {
    let layers: Vec<Value> = experiments
        .iter()
        .map(|experiment| json!({ "key": experiment["layer"] }))
        .collect();
    json!({
        "trust": trust,
        "services": [{ "key": "all", "defaultCluster": "stable-a" }],
        "layers": layers,
        "experiments": experiments,
    })
}

/// A proxy inside the mesh, which would give everybody `b` if it were asked.
async fn inside() -> Standalone {
    let experiments = [stamping("own", "a"), always("shared", "b")];
    Standalone::start(&configuration("MESH", &experiments), |bootstrap| bootstrap).await
}

/// A proxy at the edge in front of it, which gives everybody `a`.
async fn edge(inside: &Standalone) -> Standalone {
    edge_before(inside.gateway()).await
}

async fn edge_before(upstream: SocketAddr) -> Standalone {
    let experiments = [stamping("front", "a"), stamping("shared", "a")];
    Standalone::start(&configuration("EDGE", &experiments), |bootstrap| {
        bootstrap.cluster("stable-a", upstream)
    })
    .await
}

fn stamp(answer: &Value) -> (&str, &str, &str) {
    let text = |value: &'static str| answer["headers"][value].as_str().unwrap_or_default();
    let upstream = answer["upstream"].as_str().unwrap_or_default();
    (text("x-experiment-id"), text("x-variant"), upstream)
}

#[tokio::test]
async fn what_the_edge_has_stamped_is_kept_and_served_inside() {
    let mut inside = inside().await;
    let mut edge = edge(&inside).await;
    let request = || Request::get("/").header("x-unit", "u");
    let through_both = edge.echo(&request()).await;
    assert_eq!(
        stamp(&through_both),
        ("front,shared,own", "a,a,a", "stable-a"),
        "positions stay, own decisions come behind"
    );
    let spoofed = request()
        .header("x-experiment-id", "shared")
        .header("x-variant", "b");
    assert_eq!(
        stamp(&edge.echo(&spoofed).await),
        stamp(&through_both),
        "the edge believes nobody"
    );
    let inherited = "wasmcustom.watershed.assignment.experiment.shared.variant.a";
    inside.envoy.admin().until_stat(inherited, 2).await;
    edge.envoy.assert_filter_unharmed().await;
    inside.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn one_assignment_is_kept_from_the_edge_through_a_service_and_its_sidecar_to_the_model() {
    let mut inside = inside().await;
    let service = Echo::relay("service", inside.gateway()).await;
    let mut edge = edge_before(service.address).await;
    for unit in ["u", "v", "w"] {
        let request = Request::get("/").header("x-unit", unit);
        assert_eq!(
            stamp(&edge.echo(&request).await),
            ("front,shared,own", "a,a,a", "stable-a"),
            "the sidecar would have given {unit} b of its own"
        );
    }
    edge.envoy.assert_filter_unharmed().await;
    inside.envoy.assert_filter_unharmed().await;
}

#[tokio::test]
async fn inside_what_nobody_stamped_is_decided_and_what_makes_no_sense_is_not_believed() {
    let mut inside = inside().await;
    let request = || Request::get("/").header("x-unit", "u");
    let own = ("own,shared", "a,b", "candidate-b");
    assert_eq!(stamp(&inside.echo(&request()).await), own);
    for (experiments, variants) in [
        ("shared,x", "a"),
        ("shared", ""),
        ("shared,", "a,"),
        (",", ","),
    ] {
        let senseless = request()
            .header("x-experiment-id", experiments)
            .header("x-variant", variants);
        assert_eq!(
            stamp(&inside.echo(&senseless).await),
            own,
            "{experiments:?} {variants:?}"
        );
    }
    let unknown = request()
        .header("x-experiment-id", "else,shared")
        .header("x-variant", "z,gone");
    let answer = inside.echo(&unknown).await;
    assert_eq!(
        stamp(&answer),
        ("else,shared,own", "z,b,a", "candidate-b"),
        "a variant that is not there is decided anew, at its position"
    );
    inside.envoy.assert_filter_unharmed().await;
}
