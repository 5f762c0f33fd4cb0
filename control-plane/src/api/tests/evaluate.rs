//! `POST /v1/evaluate` and force tokens: what is answered, that it is the proxies' configuration, and
//! garbage.

use super::*;
use proptest::prelude::*;

async fn running() -> Server {
    let server = Server::filled().await;
    let settings = json!({
        "signing_keys": [{"id": "k1", "secret": "0123456789abcdef0123456789abcdef"}],
        "force": {"header": "x-force"},
    });
    server.put("/v1/settings", &settings).await;
    server.post("/v1/experiments/x/start").await;
    server
}

async fn evaluate(server: &Server, request: &Value) -> Answer {
    server
        .json("POST", "/v1/evaluate", &request.to_string())
        .await
}

#[tokio::test]
async fn a_request_is_evaluated_as_a_proxy_would() {
    let server = running().await;
    let mut seen = BTreeMap::new();
    for unit in 0..300 {
        let request = json!({"experiment": "x", "unit": format!("u{unit}")});
        let answer = evaluate(&server, &request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let body = answer.json();
        assert_eq!(
            (&body["service"], &body["cluster"]),
            (&json!("chat"), &json!("stable"))
        );
        let experiment = &body["experiments"][0];
        assert_eq!(experiment["unit"], format!("u{unit}"));
        let outcome = (
            experiment["verdict"].to_string(),
            experiment["variant"].to_string(),
        );
        *seen.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn what_is_not_served_is_noted() {
    let server = Server::filled().await;
    let body = evaluate(&server, &json!({})).await.json();
    assert_eq!(body["experiments"], json!([]));
    assert_eq!(
        body["notes"],
        json!(["experiment `x` is draft: no proxy knows it"])
    );
    assert_eq!(body["time"], "2026-01-31T09:00:00Z");
}

#[tokio::test]
async fn a_request_that_no_service_takes_has_none() {
    let server = Server::filled().await;
    let chat = json!({"default_cluster": "stable", "hosts": ["chat.example.com"]});
    server.put("/v1/services/chat", &chat).await;
    let body = evaluate(&server, &json!({"host": "other.example.com"}))
        .await
        .json();
    assert_eq!(
        (&body["service"], &body["cluster"]),
        (&json!(""), &Value::Null)
    );
    let taken = evaluate(&server, &json!({"host": "CHAT.example.com:443"}))
        .await
        .json();
    assert_eq!(taken["service"], "chat");
}

#[tokio::test]
async fn every_fault_of_a_described_request_has_its_place() {
    let server = running().await;
    let request = json!({
        "fleet": "nowhere", "listener": "here", "experiment": "y", "unit": "u",
        "method": "", "host": "a b", "path": "v1", "source_address": "localhost", "time": "now",
        "chance": 1.0, "headers": {"a b": "x", "c": "\n"},
    });
    let faults = evaluate(&server, &request).await.problem(422);
    let places: Vec<&str> = faults
        .iter()
        .map(|f| f.split(':').next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/experiment",
            "/fleet",
            "/listener",
            "/source_address",
            "/time",
            "/chance",
            "/headers/a b",
            "/headers/c",
            "/method",
            "/host",
            "/path",
        ]
    );
    for (request, place) in [
        (json!({"unit": "u"}), "/unit"),
        (json!({"experiment": "x", "unit": ""}), "/unit"),
        (json!({"experiment": "x", "unit": "u\n"}), "/unit"),
        (json!({"experiment": "x", "unit": "u".repeat(257)}), "/unit"),
        (json!({"pathh": "/"}), "/pathh"),
        (json!({"headers": ["a"]}), "/headers"),
        (json!([]), ""),
    ] {
        let faults = evaluate(&server, &request).await.problem(422);
        assert!(
            faults[0].starts_with(&format!("{place}: ")),
            "{request}: {faults:?}"
        );
    }
    server.json("POST", "/v1/evaluate", "{").await.problem(400);
    server.get("/v1/evaluate").await.problem(405);
}

#[tokio::test]
async fn evaluating_is_for_those_who_read() {
    let server = Server::locked().await;
    evaluate(&server, &json!({})).await.problem(401);
    let viewer = server.made("reader", "viewer").await;
    let answer = server.with_key(&viewer, "POST", "/v1/evaluate", "{}").await;
    assert_eq!(
        answer.problem(422),
        ["/fleet: is missing, and there is no fleet `default`"]
    );
}

#[tokio::test]
async fn a_force_token_gives_its_variant_until_it_expires() {
    let server = running().await;
    for variant in ["control", "candidate"] {
        let wish = json!({"variant": variant, "expires": "2h"}).to_string();
        let answer = server.json("POST", "/v1/experiments/x/force", &wish).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let forced = answer.json();
        assert_eq!(forced["expires_at"], "2026-01-31T11:00:00Z");
        assert_eq!(forced["places"], json!({"header": "x-force"}));
        let request = json!({
            "experiment": "x", "unit": "u1", "headers": {"x-force": forced["token"]},
        });
        let body = evaluate(&server, &request).await.json();
        assert_eq!(body["experiments"][0]["variant"], variant);
        assert_eq!(body["experiments"][0]["reason"], "FORCED");
        let mut late = request.clone();
        late["time"] = "2026-01-31T11:00:00Z".into();
        let body = evaluate(&server, &late).await.json();
        assert_ne!(body["experiments"][0]["reason"], "FORCED");
        assert!(
            body["notes"][0]
                .as_str()
                .unwrap()
                .starts_with("header x-force is ignored: ")
        );
    }
    let revision = server.control.model().revision;
    assert_eq!(revision, 6, "a token is no change");
}

#[tokio::test]
async fn a_force_token_that_cannot_be_is_refused() {
    let server = running().await;
    let force = async |body: &str| server.json("POST", "/v1/experiments/x/force", body).await;
    for (body, faults) in [
        (
            r#"{"variant": "lost"}"#,
            &["/variant: `lost` is not a variant"] as &[_],
        ),
        (
            r#"{"variant": "", "expires": "31d"}"#,
            &[
                "/variant: `` is not a variant",
                "/expires: `31d` does not fit",
            ],
        ),
        (
            r#"{"variant": "control", "expires": "0s"}"#,
            &["/expires: `0s` does not fit"],
        ),
        ("{}", &[": missing field `variant`"]),
        (
            r#"{"variant": 1}"#,
            &["/variant: invalid type: integer `1`"],
        ),
        (r#"["control"]"#, &[": invalid type: sequence"]),
    ] {
        assert_eq!(force(body).await.problem(422), faults, "{body}");
    }
    let control = r#"{"variant": "control"}"#;
    server
        .json("POST", "/v1/experiments/y/force", control)
        .await
        .problem(404);
    server
        .put("/v1/settings", &json!({"signing_keys": [{"id": "k1"}]}))
        .await;
    assert!(force(control).await.problem(409).is_empty());
    server.put("/v1/settings", &json!({})).await;
    assert!(force(control).await.problem(409).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_description_is_answered(
        host in option(), path in option(), token in ".{0,30}", unit in option(), body in ".{0,30}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = running().await;
            let request = json!({
                "experiment": "x", "unit": unit, "host": host, "path": path, "body": body,
                "headers": {"x-force": token, "cookie": token},
            });
            let answer = evaluate(&server, &request).await;
            assert!(matches!(answer.status.as_u16(), 200 | 422), "{}", answer.text);
        });
    }
}

fn option() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[ -~é]{0,20}")
}
