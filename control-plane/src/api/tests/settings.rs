//! Settings, kill switches and the reshuffle: what each answers, and that a secret is told nowhere.

use super::*;
use sqlx::Row;

const SECRET: &str = "a-secret-that-must-not-be-told-to-anybody";

fn keys() -> Value {
    json!({"signing_keys": [{"id": "k1", "secret": SECRET}], "force": {"header": "X-Force"}})
}

#[tokio::test]
async fn settings_are_there_before_anybody_says_any() {
    let server = Server::open().await;
    let shown = server.get("/v1/settings").await;
    assert_eq!(
        (shown.status, shown.header("etag")),
        (StatusCode::OK, "\"0\"")
    );
    assert_eq!(shown.json()["spec"], json!({"trust": "edge"}));
    let put = server
        .put(
            "/v1/settings",
            &json!({"trust": "mesh", "body_limit_bytes": 1000}),
        )
        .await;
    assert_eq!(
        (put.status, put.header("etag")),
        (StatusCode::CREATED, "\"1\"")
    );
    assert_eq!(server.get("/v1/settings").await.json(), put.json());
    assert_eq!(put.json()["kind"], "settings");
    let stale = [("content-type", "application/json"), ("if-match", "\"7\"")];
    server
        .call("PUT", "/v1/settings", &stale, "{}")
        .await
        .problem(412);
    server.delete("/v1/settings").await.problem(405);
    assert_eq!(server.store.load().await.unwrap(), *server.control.model());
}

#[tokio::test]
async fn a_secret_is_in_no_answer_and_in_no_record() {
    let server = Server::open().await;
    let put = server.put("/v1/settings", &keys()).await;
    assert_eq!(put.status, StatusCode::CREATED, "{}", put.text);
    assert_eq!(put.json()["spec"]["signing_keys"], json!([{"id": "k1"}]));
    // What is shown can be put again, and the secret stays.
    let spec = put.json()["spec"].take();
    assert_eq!(
        server.put("/v1/settings", &spec).await.header("etag"),
        "\"1\""
    );
    let kept = server.store.load().await.unwrap();
    assert_eq!(kept.settings().signing_keys[0].secret.reveal(), SECRET);
    server.post("/v1/settings/disable").await;
    let mut told = vec![put.text, server.get("/v1/settings").await.text];
    let path = server.folder.path().join("w.db");
    let url = format!("sqlite://{}", path.display());
    let mut raw = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    let rows = sqlx::query("SELECT body_before, body_after FROM changes").fetch_all(&mut raw);
    for row in rows.await.unwrap() {
        let bodies = [0, 1].map(|column| row.try_get::<Option<String>, _>(column).unwrap());
        told.extend(bodies.into_iter().flatten());
    }
    assert!(
        told.len() > 4 && told.iter().all(|text| !text.contains(SECRET)),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_refusal_does_not_tell_the_secret_either() {
    let server = Server::open().await;
    server.put("/v1/settings", &keys()).await;
    let secret = "0123456789";
    for body in [
        format!(r#"{{"signing_keys": [{{"id": "k2", "secret": "{secret}"}}]}}"#),
        format!(r#"{{"signing_keys": [{{"id": "k2", "secret": {secret}}}]}}"#),
        format!(r#"{{"signing_keys": [{{"id": "k2", "secret": ["{secret}"]}}]}}"#),
        format!(
            r#"{{"signing_keys": [{{"id": "k2", "secret": "{secret}", "secret": "{secret}"}}]}}"#
        ),
        format!(
            r#"{{"signing_keys": [{{"id": "k1", "secret": "{}"}}]}}"#,
            secret.repeat(4)
        ),
        format!(r#"{{"signing_keys": [{{"id": "k2", "secret": "{secret}}}"#),
        format!("signing_keys: [{{id: k2, secret: {secret}"),
        format!("signing_keys:\n  - id: k2\n    secret: {secret}\n  bad: ["),
    ] {
        for kind in ["application/json", "application/yaml"] {
            let headers = [("content-type", kind)];
            let answer = server.call("PUT", "/v1/settings", &headers, &body).await;
            assert!(answer.status.is_client_error(), "{body}");
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn kill_switches_are_thrown_and_thrown_back() {
    let server = Server::filled().await;
    for path in ["/v1/experiments/x", "/v1/layers/models", "/v1/settings"] {
        for (word, disabled) in [("disable", json!(true)), ("enable", Value::Null)] {
            let answer = server.post(&format!("{path}/{word}")).await;
            assert!(answer.status.is_success(), "{}", answer.text);
            assert_eq!(server.get(path).await.json()["spec"]["disabled"], disabled);
            let again = server.post(&format!("{path}/{word}")).await;
            assert_eq!(again.json(), answer.json(), "repeated, it changes nothing");
        }
    }
    server.post("/v1/experiments/y/disable").await.problem(404);
    server.post("/v1/layers/y/enable").await.problem(404);
    server
        .post("/v1/clusters/stable/disable")
        .await
        .problem(404);
    server
        .post("/v1/settings/disable?really=yes")
        .await
        .problem(400);
    assert_eq!(server.store.load().await.unwrap(), *server.control.model());
}

#[tokio::test]
async fn a_reshuffle_is_explicit_and_recorded() {
    let server = Server::filled().await;
    server.post("/v1/experiments/x/start").await;
    let answer = server
        .post("/v1/experiments/x/reshuffle?reason=carry-over")
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["spec"]["salt"], "r6");
    assert_eq!(answer.json()["state"], "running");
    assert_eq!(server.store.load().await.unwrap(), *server.control.model());
    server
        .post("/v1/experiments/y/reshuffle")
        .await
        .problem(404);
}
