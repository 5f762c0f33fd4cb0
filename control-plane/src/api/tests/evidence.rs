//! Outcomes in, and what the evidence comes to out, over a store that a test fills.

use super::resources::stamping;
use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use watershed_evidence::sketch::Sketch;
use watershed_evidence::store::{Arm, Minute, Sufficient};
use watershed_evidence::sums::Sums;
use watershed_evidence::winsorize::{Clipping, Limits};
use watershed_evidence::{Exposure, Measure, Source};

const OUTCOME: &str =
    r#"{"unit_type": "user", "unit": "u", "metric": "cost", "value": 1.5, "idempotency_key": "k"}"#;

async fn report(server: &Server, kind: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let request = Request::post("/v1/outcomes")
        .header("content-type", kind)
        .header("content-encoding", encoding);
    server.send(request.body(Body::from(body)).unwrap()).await
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn outcomes_are_kept_once_and_counted() {
    let server = Server::filled().await;
    let first = server.json("POST", "/v1/outcomes", OUTCOME).await;
    assert_eq!(
        first.json(),
        json!({"accepted": 1, "duplicate": 0, "refused": 0})
    );
    let lines = format!(
        "{OUTCOME}\n{{\"unit\": 7}}\n{}",
        OUTCOME.replace("\"k\"", "\"l\"")
    );
    let second = report(&server, "application/x-ndjson", "gzip", packed(&lines)).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let said = second.json();
    assert_eq!(
        (&said["accepted"], &said["duplicate"], &said["refused"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(said["errors"][0]["pointer"], "/1/unit");
    let kept = server.kept.outcomes.lock().unwrap();
    let expected = UnitHasher::new(&[7; 32], Privacy::Hashed).unit("user", "u");
    assert!(kept.len() == 2 && kept.iter().all(|it| it.unit == expected));
}

#[tokio::test]
async fn a_whole_report_may_be_sent_again_under_one_key() {
    let server = Server::filled().await;
    let body = OUTCOME.replace(", \"idempotency_key\": \"k\"", "");
    for counts in [
        json!({"accepted": 2, "duplicate": 0, "refused": 0}),
        json!({"accepted": 0, "duplicate": 2, "refused": 0}),
    ] {
        let request = Request::post("/v1/outcomes")
            .header("content-type", "application/json")
            .header("idempotency-key", "report-1")
            .body(Body::from(format!("[{body},{body}]")));
        assert_eq!(server.send(request.unwrap()).await.json(), counts);
    }
}

#[tokio::test]
async fn what_is_no_report_is_a_problem_and_nothing_is_kept() {
    let server = Server::filled().await;
    let all = server
        .json("POST", "/v1/outcomes", r#"[{"unit": ""}]"#)
        .await;
    assert_eq!(all.problem(422), ["/0: missing field `metric`"]);
    for (kind, encoding, body, status) in [
        ("application/json", "identity", b"{".to_vec(), 400),
        ("application/json", "gzip", OUTCOME.into(), 400),
        ("application/json", "br", OUTCOME.into(), 400),
        ("text/plain", "identity", OUTCOME.into(), 415),
        (
            "application/json",
            "gzip",
            packed(&" ".repeat(9 << 20)),
            413,
        ),
        ("application/json", "identity", vec![b' '; 9 << 20], 413),
    ] {
        report(&server, kind, encoding, body).await.problem(status);
    }
    assert!(server.kept.outcomes.lock().unwrap().is_empty());
    *server.kept.is_gone.lock().unwrap() = true;
    server
        .json("POST", "/v1/outcomes", OUTCOME)
        .await
        .problem(503);
}

#[tokio::test]
async fn exposures_are_lines_with_a_place_to_go_on() {
    let server = Server::filled().await;
    let one = Exposure {
        experiment: "chat".to_owned(),
        ..fake::exposure()
    };
    server
        .kept
        .exposures
        .lock()
        .unwrap()
        .extend([one.clone(), one]);
    let answer = server.get("/v1/exposures").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(
        (answer.text.lines().count(), answer.header("x-next-cursor")),
        (2, "2")
    );
    let rest = server.get("/v1/exposures?cursor=2&format=csv").await;
    assert_eq!(rest.text.lines().count(), 1, "the header alone");
    server
        .get("/v1/exposures?experiment=gone")
        .await
        .problem(404);
    server.get("/v1/exposures?format=xml").await.problem(400);
    let file = server.get("/v1/exposures?format=parquet").await;
    assert_eq!(
        file.header("content-type"),
        "application/vnd.apache.parquet"
    );
    assert!(file.text.starts_with("PAR1") && file.text.ends_with("PAR1"));
    assert_eq!(file.header("x-next-cursor"), "2");
    server
        .get("/v1/exposures?format=parquet&follow=true")
        .await
        .problem(400);
    *server.kept.is_gone.lock().unwrap() = true;
    server.get("/v1/exposures?follow=true").await.problem(503);
}

#[tokio::test]
async fn the_timeline_shows_rates_and_quantiles_of_minutes() {
    let server = Server::filled().await;
    server.put("/v1/experiments/x", &stamping(1_000)).await;
    let mut latency = Sketch::default();
    latency.add(100.0);
    server.kept.minutes.lock().unwrap().push(Minute {
        at: clock().as_microsecond() - 60_000_000,
        variant: "control".to_owned(),
        requests: 4,
        errors: 1,
        execution_failures: 2,
        latency,
        ttfb: Sketch::default(),
    });
    let shown = server.get("/v1/experiments/x/timeline").await.json();
    let minute = &shown["minutes"][0];
    assert_eq!(minute["at"], "2026-01-31T08:59:00Z");
    assert_eq!(minute["error_rate"], 0.25);
    assert_eq!(minute["ttfb_ms"]["p50"], Value::Null);
    let p50 = minute["latency_ms"]["p50"].as_f64().unwrap();
    assert!((p50 - 100.0).abs() <= 1.0, "{p50}");
    let path = "/v1/experiments/x/timeline?from=2026-01-01T00:00:00Z";
    server.get(path).await.problem(400);
    server
        .get("/v1/experiments/gone/timeline")
        .await
        .problem(404);
}

#[tokio::test]
async fn a_unit_is_forgotten_and_the_audit_does_not_name_it() {
    let server = Server::filled().await;
    let tried = server.delete("/v1/units/user/u%2F1?dry_run=true").await;
    assert_eq!(tried.json()["exposures"], 0);
    assert!(server.kept.forgotten.lock().unwrap().is_empty());
    let gone = server.delete("/v1/units/user/u%2F1?reason=asked").await;
    assert_eq!(
        gone.json(),
        json!({"exposures": 2, "outcomes": 1, "experiments": 1})
    );
    let expected = UnitHasher::new(&[7; 32], Privacy::Hashed).key("user", "u/1");
    assert_eq!(*server.kept.forgotten.lock().unwrap(), [expected]);
    let audit = server.get("/v1/audit?kind=unit").await;
    assert_eq!(audit.json()["items"][0]["action"], "forget");
    assert!(!audit.text.contains("u/1") && !audit.text.contains(&expected.to_string()));
    server
        .delete("/v1/units/Not%20a%20key/u")
        .await
        .problem(400);
}

/// `n` units of which each has the value of its place among three.
fn arm(n: i64, value: f64) -> Arm {
    let mut sums = Sums::default();
    for place in 0..n {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        sums.add(&Sums::of(value + (place % 3) as f64, 1.0, 0.0));
    }
    // 2026-01-31
    let days = [(20_484, sums)].into();
    Arm {
        sums,
        days,
        ..Arm::default()
    }
}

/// Puts the experiment `x`, which may be started, with these changes; gives the keys of its two variants.
async fn put_x(server: &Server, changes: Value) -> [String; 2] {
    let mut spec = stamping(1_000);
    spec["owner"] = "somebody".into();
    spec["decision_date"] = "2026-03-31".into();
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    server.put("/v1/experiments/x", &spec).await;
    [0, 1].map(|place| spec["variants"][place]["key"].as_str().unwrap().to_owned())
}

async fn start_x(server: &Server) {
    let started = server.json("POST", "/v1/experiments/x/start", "").await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.text);
}

/// What two variants come down to for the outcome `score`.
fn scores([a, b]: &[String; 2], arms: [Arm; 2]) -> Sufficient {
    let [of_a, of_b] = arms;
    Sufficient {
        measure: Measure::of(Source::Outcome("score".to_owned())),
        clipping: None,
        variants: [(a.clone(), of_a), (b.clone(), of_b)].into(),
        behind: 0,
    }
}

#[tokio::test]
async fn results_say_who_won_and_what_they_rest_on() {
    let server = Server::filled().await;
    let metric = json!({"type": "mean", "direction": "increase"});
    server.put("/v1/metrics/score", &metric).await;
    let keys = put_x(&server, json!({"primary_metric": "score"})).await;
    let before = server.get("/v1/experiments/x/results").await.json();
    assert_eq!(before["results"], Value::Null, "nobody was assigned");
    start_x(&server).await;
    let sufficient = |[a, b]: [f64; 2]| scores(&keys, [arm(7_000, a), arm(3_000, b)]);
    let kept = [
        ("requests".to_owned(), sufficient([1.0, 1.0])),
        ("score".to_owned(), sufficient([1.0, 2.0])),
    ];
    server.kept.sums.lock().unwrap().extend(kept);
    let answer = server.get("/v1/experiments/x/results").await;
    let shown = answer.json();
    let results = &shown["results"];
    assert_eq!(results["trust"]["valid"], true, "{}", answer.text);
    let metric = &results["metrics"][0];
    assert_eq!(
        (&metric["metric"], &metric["role"]),
        (&"score".into(), &"primary".into())
    );
    assert_eq!(metric["arms"][1]["n"], 3_000.0);
    assert_eq!(metric["arms"][1]["mean"], 3.0);
    assert_eq!(metric["comparisons"][0]["verdict"], "winner", "{metric}");
    let measured = server.kept.measures.lock().unwrap().clone().unwrap();
    assert!(measured.0.contains_key("score"));
    server
        .get("/v1/experiments/x/results?alpha=2")
        .await
        .problem(400);
    server
        .get("/v1/experiments/gone/results")
        .await
        .problem(404);
}

#[tokio::test]
async fn results_of_a_winsorised_metric_state_the_limits_and_wait_for_them() {
    let server = Server::filled().await;
    let metric = json!({
        "type": "mean", "direction": "increase", "winsorize": {"upper": 0.99, "ignore_zeros": true},
    });
    server.put("/v1/metrics/score", &metric).await;
    let keys = put_x(&server, json!({"primary_metric": "score"})).await;
    start_x(&server).await;
    let sufficient = |clipping| Sufficient {
        clipping,
        ..scores(&keys, [arm(7_000, 1.0), arm(3_000, 1.0)])
    };
    let keep = |clipping| {
        let kept = ["requests", "score"].map(|name| (name.to_owned(), sufficient(clipping)));
        server.kept.sums.lock().unwrap().extend(kept);
    };
    keep(None);
    let shown = server.get("/v1/experiments/x/results").await.json();
    assert_eq!(
        shown["left_out"]["metrics"]["score"],
        "it is not measured yet; ask again"
    );
    let upper = Limits {
        upper: Some(12.5),
        ..Limits::default()
    };
    keep(Some(Clipping { x: upper, y: None }));
    let answer = server.get("/v1/experiments/x/results").await;
    let results = &answer.json()["results"];
    assert_eq!(
        results["metrics"][0]["winsorized"],
        json!({"value": {"upper": {"quantile": 0.99, "at": 12.5}}, "ignore_zeros": true}),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn units_that_strayed_are_in_the_first_view_and_not_in_the_second() {
    let server = Server::filled().await;
    let metric = json!({"type": "mean", "direction": "increase"});
    server.put("/v1/metrics/score", &metric).await;
    let p95 = json!({"type": "quantile", "quantile": 0.95, "direction": "decrease"});
    server.put("/v1/metrics/slow", &p95).await;
    let changes = json!({"primary_metric": "score", "guardrails": ["slow"]});
    let keys = put_x(&server, changes).await;
    start_x(&server).await;
    let sufficient = || {
        let mut treated = arm(3_000, 2.0);
        treated.strayed = [(20_484, arm(30, 2.0).sums)].into();
        // As much on the first day as on all.
        treated.ages = vec![treated.days.clone()];
        scores(&keys, [arm(7_000, 1.0), treated])
    };
    let kept = ["requests", "score", "slow"].map(|name| (name.to_owned(), sufficient()));
    server.kept.sums.lock().unwrap().extend(kept);
    let shown = server.get("/v1/experiments/x/results").await.json();
    assert_eq!(shown["served"], Value::Null, "nobody strayed");
    server.kept.summary.lock().unwrap().strayed = [(keys[1].clone(), 30)].into();
    let answer = server.get("/v1/experiments/x/results").await;
    let shown = answer.json();
    assert_eq!(shown["strayed"][&keys[1]], 30);
    let units = |view: &Value| view["metrics"][0]["arms"][1]["n"].clone();
    assert_eq!(units(&shown["results"]), 3_000.0, "{}", answer.text);
    let served = &shown["served"];
    assert_eq!(units(&served["results"]), 2_970.0);
    assert_eq!(
        (&shown["results"]["view"], &served["results"]["view"]),
        (&"intent_to_treat".into(), &"served".into())
    );
    let why = &served["left_out"]["metrics"]["slow"];
    assert_eq!(why, "single values are not kept by who served them");
}

#[tokio::test]
async fn a_split_that_is_not_the_configured_one_withholds_the_verdict() {
    let server = Server::filled().await;
    let keys = put_x(&server, json!({})).await;
    start_x(&server).await;
    let sufficient = Sufficient {
        measure: Measure::of(Source::Requests),
        ..scores(&keys, [arm(3_000, 1.0), arm(2_000, 2.0)])
    };
    for name in ["requests", "error_rate", "latency_mean"] {
        server
            .kept
            .sums
            .lock()
            .unwrap()
            .insert(name.to_owned(), sufficient.clone());
    }
    let shown = server.get("/v1/experiments/x/results").await.json();
    assert_eq!(shown["results"]["trust"]["valid"], false);
    for metric in shown["results"]["metrics"].as_array().unwrap() {
        assert_eq!(metric["comparisons"][0]["verdict"], "invalid");
    }
}
