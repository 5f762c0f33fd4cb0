//! Keys: made, shown once, listed and revoked; and what is wrong with a wish for one.

use super::*;
use crate::api::bootstrap;

async fn layers(server: &Server, key: &str) -> StatusCode {
    server.with_key(key, "GET", "/v1/layers", "").await.status
}

#[tokio::test]
async fn a_key_is_shown_when_it_is_made_and_never_again() {
    let server = Server::locked().await;
    let wish = r#"{"name": "ci", "role": "editor", "expires": "90d"}"#;
    let made = server.with_key(KEY, "POST", "/v1/keys", wish).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with(&format!("wsk_{}_", made["id"].as_str().unwrap())));
    assert_eq!(made["expires_at"], "2026-05-01T09:00:00Z");
    assert_eq!(made["created_by"], "api-key");
    assert_eq!(layers(&server, text).await, StatusCode::OK);
    for path in ["/v1/keys", "/v1/audit"] {
        let shown = server.with_key(KEY, "GET", path, "").await;
        assert_eq!(shown.json()["items"].as_array().unwrap().len(), 1);
        assert!(!shown.text.contains(&text[21..]), "{}", shown.text);
    }
    let file = std::fs::read(server.folder.path().join("w.db")).unwrap();
    let wal = std::fs::read(server.folder.path().join("w.db-wal")).unwrap_or_default();
    let kept = [file, wal].concat();
    assert!(!kept.windows(64).any(|part| part == &text.as_bytes()[21..]));
}

#[tokio::test]
async fn a_revoked_key_counts_no_more_and_its_name_is_not_given_again() {
    let server = Server::locked().await;
    let key = server.made("ci", "viewer").await;
    assert_eq!(layers(&server, &key).await, StatusCode::OK);
    for _ in 0..2 {
        let gone = server
            .with_key(KEY, "DELETE", "/v1/keys/ci?reason=leaked", "")
            .await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    let refused = server.with_key(&key, "GET", "/v1/layers", "").await;
    refused.problem(401);
    assert_eq!(refused.json()["detail"], "the key was revoked");
    let again = r#"{"name": "ci", "role": "viewer"}"#;
    server
        .with_key(KEY, "POST", "/v1/keys", again)
        .await
        .problem(409);
    server
        .with_key(KEY, "DELETE", "/v1/keys/nobody", "")
        .await
        .problem(404);
    let audit = server
        .with_key(KEY, "GET", "/v1/audit?kind=api_key", "")
        .await
        .json();
    let lines: Vec<_> = audit["items"].as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["action"], &lines[0]["reason"]),
        (&json!("revoke"), &json!("leaked"))
    );
}

#[tokio::test]
async fn only_an_admin_makes_keys() {
    let server = Server::locked().await;
    let operator = server.made("ops", "operator").await;
    let wish = r#"{"name": "mine", "role": "admin"}"#;
    server
        .with_key(&operator, "POST", "/v1/keys", wish)
        .await
        .problem(403);
    server
        .with_key(&operator, "GET", "/v1/keys", "")
        .await
        .problem(403);
    server
        .with_key(&operator, "DELETE", "/v1/keys/ops", "")
        .await
        .problem(403);
    let admin = server.made("second", "admin").await;
    let made = server.with_key(&admin, "POST", "/v1/keys", wish).await;
    assert_eq!(made.json()["created_by"], "key:second");
}

#[tokio::test]
async fn a_wish_that_is_wrong_is_refused_field_by_field() {
    let server = Server::locked().await;
    for (wish, status, pointer) in [
        (json!({"name": "A B", "role": "editor"}), 422, "/name"),
        (json!({"name": "", "role": "editor"}), 422, "/name"),
        (json!({"name": "a", "role": "root"}), 422, "/role"),
        (json!({"name": "a"}), 422, ""),
        (
            json!({"name": "a", "role": "editor", "expires": "soon"}),
            422,
            "/expires",
        ),
        (
            json!({"name": "a", "role": "editor", "expires": "0s"}),
            422,
            "/expires",
        ),
        (
            json!({"name": "a", "role": "editor", "key": "mine"}),
            422,
            "/key",
        ),
        (json!(["a", "editor"]), 422, ""),
    ] {
        let answer = server
            .with_key(KEY, "POST", "/v1/keys", &wish.to_string())
            .await;
        let faults = answer.problem(status);
        assert!(
            faults[0].starts_with(&format!("{pointer}: ")),
            "{wish}: {faults:?}"
        );
    }
    let none = server.with_key(KEY, "GET", "/v1/keys", "").await;
    assert_eq!(none.json(), json!({"items": []}));
}

#[tokio::test]
async fn the_first_key_is_made_once_and_opens_everything() {
    let server = Server::with(Auth::Keys {
        command_line: None,
        rate: None,
        open_id: None,
    })
    .await;
    let (one, two) = tokio::join!(
        bootstrap(&server.store, clock()),
        bootstrap(&server.store, clock())
    );
    let made: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    let [key] = &made[..] else {
        panic!("{} keys", made.len())
    };
    assert!(bootstrap(&server.store, clock()).await.unwrap().is_none());
    let gate = Gate::open(
        Auth::Keys {
            command_line: None,
            rate: None,
            open_id: None,
        },
        server.store.clone(),
        Arc::default(),
        clock,
    );
    let state = AppState {
        gate: gate.await.unwrap(),
        control: server.control.clone(),
        proxies: server.fleets.clone(),
        metrics: Arc::default(),
        accounts: Accounts::of_nobody(),
        store: server.store.clone(),
        evidence: None,
        clock,
    };
    let server = Server {
        router: router(state),
        ..server
    };
    let settings = server
        .with_key(key.reveal(), "PUT", "/v1/settings", "{}")
        .await;
    assert!(settings.status.is_success(), "{}", settings.text);
    let audit = server
        .with_key(key.reveal(), "GET", "/v1/audit", "")
        .await
        .json();
    assert_eq!(audit["items"][1]["actor"], "bootstrap");
    assert_eq!(audit["items"][0]["actor"], "key:bootstrap");
}
