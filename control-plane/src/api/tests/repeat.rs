//! Writes that are sent again, and writes that are only tried.

use super::golden::compare;
use super::*;

/// A write under an idempotency key.
async fn under(server: &Server, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    server.call(method, path, &headers, body).await
}

async fn reshuffle(server: &Server, key: &str) -> Answer {
    under(server, key, "POST", "/v1/experiments/x/reshuffle", "").await
}

#[tokio::test]
async fn a_write_that_is_sent_again_is_answered_again_and_made_once() {
    let server = Server::filled().await;
    let first = reshuffle(&server, "k1").await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(first.header("idempotent-replayed"), "");
    // Somebody else goes on meanwhile.
    server
        .weights(&json!({"control": 5000, "candidate": 5000}))
        .await;
    let revision = server.control.model().revision;
    let again = reshuffle(&server, "k1").await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(server.control.model().revision, revision);
    let other = reshuffle(&server, "k2").await;
    assert_ne!(other.json()["spec"]["salt"], first.json()["spec"]["salt"]);
}

#[tokio::test]
async fn each_kind_of_answer_is_given_again() {
    let server = Server::open().await;
    let steps = [
        ("a", "PUT", "{}", 201),
        ("b", "PUT", "{}", 200),
        ("c", "PUT", r#"{"salt": "other"}"#, 200),
        ("d", "DELETE", "", 204),
    ];
    let mut answers = Vec::new();
    for (key, method, body, status) in steps {
        let answer = under(&server, key, method, "/v1/layers/l", body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        answers.push(answer);
    }
    for ((key, method, body, status), first) in steps.into_iter().zip(answers) {
        let again = under(&server, key, method, "/v1/layers/l", body).await;
        assert_eq!(
            (again.status.as_u16(), again.header("etag")),
            (status, first.header("etag"))
        );
        assert_eq!(again.text.is_empty(), first.text.is_empty());
        if !first.text.is_empty() {
            assert_eq!(again.json(), first.json());
        }
    }
    assert_eq!(server.control.model().revision, 3);
}

#[tokio::test]
async fn an_answer_survives_a_restart() {
    let server = Server::filled().await;
    let first = reshuffle(&server, "k1").await;
    let control = Control::start(server.store.clone(), Arc::new(Proxies), Arc::default()).await;
    let server = server.with_control(control.unwrap()).await;
    let again = reshuffle(&server, "k1").await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json(), first.json());
}

#[tokio::test]
async fn many_that_send_the_same_at_once_get_the_same() {
    let server = Server::filled().await;
    let before = server.control.model().revision;
    let all = futures::future::join_all((0..10).map(|_| reshuffle(&server, "k1"))).await;
    for answer in &all {
        assert_eq!(answer.json(), all[0].json());
    }
    assert_eq!(server.control.model().revision, before + 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let server = Server::filled().await;
    let put = async |path: &str, body: &str| under(&server, "k1", "PUT", path, body).await;
    put("/v1/layers/a", "{}").await;
    for (path, body) in [
        ("/v1/layers/b", "{}"),
        ("/v1/layers/a", "{ }"),
        ("/v1/layers/a?reason=b", "{}"),
        (
            "/v1/clusters/a",
            "{\"endpoints\": [{\"address\": \"10.0.0.1\", \"port\": 1}]}",
        ),
    ] {
        let answer = put(path, body).await;
        answer.problem(422);
        assert_eq!(
            answer.json()["type"],
            "urn:watershed:problem:idempotency-key-reused"
        );
    }
    assert!(!server.control.model().layers.contains_key("b"));
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_under_its_key() {
    let server = Server::filled().await;
    let start = "/v1/experiments/y/start";
    under(&server, "k1", "POST", start, "").await.problem(404);
    let mut small = experiment();
    small["traffic"] = 100.into();
    server.put("/v1/experiments/y", &small).await;
    let started = under(&server, "k1", "POST", start, "").await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.text);
}

#[tokio::test]
async fn keys_of_one_do_not_stand_for_anything_of_another() {
    let server = Server::locked().await;
    let (one, two) = (
        server.made("one", "editor").await,
        server.made("two", "editor").await,
    );
    for (key, layer) in [(one, "a"), (two, "b")] {
        let key = format!("Bearer {key}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*key),
            ("idempotency-key", "same"),
        ];
        let path = format!("/v1/layers/{layer}");
        let made = server.call("PUT", &path, &headers, "{}").await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
}

#[tokio::test]
async fn a_key_that_is_garbage_or_could_not_be_kept_to_is_refused() {
    let server = Server::filled().await;
    let long = "k".repeat(129);
    for key in ["", "a b", &*long] {
        reshuffle(&server, key).await.problem(400);
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    server
        .call("DELETE", "/v1/layers/models", &twice, "")
        .await
        .problem(400);
    let wish = r#"{"name": "ci", "role": "viewer"}"#;
    under(&server, "k1", "POST", "/v1/keys", wish)
        .await
        .problem(400);
    assert_eq!(
        under(&server, "k1", "GET", "/v1/layers", "").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn golden_dry_run() {
    let server = Server::filled().await;
    server.post("/v1/experiments/x/start").await;
    let weights = r#"{"control": 6000, "candidate": 4000}"#;
    let path = "/v1/experiments/x/weights?dry_run=true";
    compare("dry-run", &server.json("PATCH", path, weights).await);
}

#[tokio::test]
async fn what_is_only_tried_is_checked_and_changes_nothing() {
    let server = Server::filled().await;
    let before = server.control.model();
    for (method, path, body, action) in [
        ("PUT", "/v1/layers/new", "{}", Some("create")),
        ("PUT", "/v1/layers/models", "{}", None),
        ("DELETE", "/v1/experiments/x", "", Some("delete")),
        ("POST", "/v1/experiments/x/start", "", Some("start")),
        ("POST", "/v1/experiments/x/disable", "", Some("disable")),
        (
            "PUT",
            "/v1/settings",
            r#"{"trust": "mesh"}"#,
            Some("create"),
        ),
        (
            "POST",
            "/v1/keys",
            r#"{"name": "ci", "role": "viewer"}"#,
            None,
        ),
    ] {
        let path = format!("{path}?dry_run=true");
        let answer = server.json(method, &path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let told = answer.json();
        assert_eq!(told["dry_run"], true);
        assert_eq!(told["documents"][0]["action"].as_str(), action, "{path}");
    }
    for (method, path, body, status) in [
        ("PUT", "/v1/layers/new", "{\"pepper\": 1}", 422),
        ("PUT", "/v1/layers/unpublishable", "{}", 422),
        ("DELETE", "/v1/layers/models", "", 409),
        ("POST", "/v1/experiments/x/resume", "", 409),
        ("DELETE", "/v1/experiments/nothing", "", 404),
        (
            "POST",
            "/v1/keys",
            r#"{"name": "A B", "role": "viewer"}"#,
            422,
        ),
    ] {
        let path = format!("{path}?dry_run=true");
        server.json(method, &path, body).await.problem(status);
    }
    server
        .json("PUT", "/v1/layers/a?dry_run=maybe", "{}")
        .await
        .problem(400);
    let stale = [("if-match", "\"99\"")];
    let stale = server
        .call("DELETE", "/v1/experiments/x?dry_run=true", &stale, "")
        .await;
    stale.problem(412);
    assert_eq!(server.control.model(), before);
    assert_eq!(server.store.load().await.unwrap(), *before);
    assert_eq!(server.get("/v1/keys").await.json()["items"], json!([]));
}

#[tokio::test]
async fn trying_needs_the_role_that_doing_needs() {
    let server = Server::locked().await;
    let viewer = server.made("viewer", "viewer").await;
    let editor = server.made("editor", "editor").await;
    let path = "/v1/layers/a?dry_run=true";
    server
        .with_key(&viewer, "PUT", path, "{}")
        .await
        .problem(403);
    assert_eq!(
        server.with_key(&editor, "PUT", path, "{}").await.status,
        StatusCode::OK
    );
}
