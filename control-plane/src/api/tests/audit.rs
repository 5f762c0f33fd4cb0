//! The audit: every write is in it, nothing that was refused is, and nothing changes it.

use super::golden::compare;
use super::*;

#[tokio::test]
async fn golden_audit() {
    let server = Server::filled().await;
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "curl/8.5\t(x)"),
        ("x-change-reason", "B is better"),
    ];
    let weights = r#"{"control": 6000, "candidate": 4000}"#;
    let path = "/v1/experiments/x/weights";
    assert_eq!(
        server.call("PATCH", path, &headers, weights).await.status,
        StatusCode::OK
    );
    server.delete("/v1/experiments/x?reason=done").await;
    compare("audit", &server.get("/v1/audit?kind=experiment").await);
}

#[tokio::test]
async fn what_is_refused_or_so_already_leaves_no_record() {
    let server = Server::filled().await;
    let before = server.get("/v1/audit").await.text;
    server.put("/v1/layers/A", &json!({})).await.problem(400);
    server
        .put("/v1/layers/a", &json!({"pepper": 1}))
        .await
        .problem(422);
    server.delete("/v1/layers/models").await.problem(409);
    server.put("/v1/layers/models", &json!({})).await;
    assert_eq!(server.get("/v1/audit").await.text, before);
}

#[tokio::test]
async fn pages_are_walked_by_their_cursor() {
    let server = Server::filled().await;
    let mut path = "/v1/audit?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = server.get(&path).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["key"].clone()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/audit?limit=3&cursor={next}");
    }
    assert_eq!(seen, ["x", "chat", "models", "stable"]);
}

#[tokio::test]
async fn garbage_in_the_query_is_refused() {
    let server = Server::filled().await;
    let long = format!("actor={}", "x".repeat(301));
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=many",
        "since=yesterday",
        "until=2026-13-01T00:00:00Z",
        "who=me",
        "actor=a&actor=b",
        "key=%00",
        &*long,
    ] {
        server.get(&format!("/v1/audit?{query}")).await.problem(400);
    }
    let none = server
        .get("/v1/audit?cursor=garbage'--&since=2030-01-01T00:00:00Z")
        .await;
    assert_eq!(none.json()["items"], json!([]));
}

#[tokio::test]
async fn nothing_but_reading_is_possible() {
    let server = Server::filled().await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        server.call(method, "/v1/audit", &[], "").await.problem(405);
    }
    server.get("/v1/audit/1").await.problem(404);
}

#[tokio::test]
async fn a_force_token_is_written_down_and_not_told() {
    let server = Server::filled().await;
    let settings = json!({
        "force": {"header": "x-force"},
        "signing_keys": [{"id": "k1", "secret": "a-secret-for-golden-files-of-48-characters-in-all"}],
    });
    server.put("/v1/settings", &settings).await;
    let wish = r#"{"variant": "candidate"}"#;
    let path = "/v1/experiments/x/force?reason=demo";
    let token = server.json("POST", path, wish).await.json()["token"].clone();
    let audit = server.get("/v1/audit").await;
    let record = &audit.json()["items"][0];
    assert_eq!(
        (&record["action"], &record["key"]),
        (&json!("force"), &json!("x"))
    );
    assert_eq!(record["detail"]["variant"], "candidate");
    assert_eq!(record["reason"], "demo");
    assert!(!audit.text.contains(token.as_str().unwrap()));
    assert!(!audit.text.contains("a-secret"));
}

#[tokio::test]
async fn a_reason_is_said_once_and_is_a_text() {
    let server = Server::open().await;
    let long = "x".repeat(1_025);
    for (path, reason) in [
        ("/v1/layers/a?reason=a", "b"),
        ("/v1/layers/a", &*long),
        ("/v1/layers/a?reason=%00", ""),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("x-change-reason", reason),
        ];
        server.call("PUT", path, &headers, "{}").await.problem(400);
    }
    assert_eq!(server.control.model().revision, 0);
}
