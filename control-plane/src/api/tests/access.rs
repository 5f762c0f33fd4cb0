//! Who is let in: nobody without a key, each key where its role may, and nothing of a key is told.

use super::*;

use crate::api::router::endpoints;
use crate::auth::limit::Rate;
use crate::auth::{Access, Role};
use crate::model::role;
use crate::tls::RemoteAddress;
use axum::extract::ConnectInfo;
use std::net::SocketAddr;

async fn locked() -> Server {
    Server::locked().await
}

/// Every endpoint that is not open: method, path and role.
fn locked_endpoints() -> Vec<(String, String, Role)> {
    let locked = endpoints().into_iter().filter_map(|endpoint| {
        let Access::Role(role) = endpoint.access else {
            return None;
        };
        let path = endpoint.path.replace("{key}", "a");
        Some((endpoint.verb.as_str().to_uppercase(), path, role))
    });
    locked.collect()
}

#[tokio::test]
async fn without_a_key_nothing_is_let_through_that_is_not_open() {
    let server = locked().await;
    let locked = locked_endpoints();
    assert!(locked.len() > 40);
    for (place, (method, path, _)) in (1_u8..).zip(locked) {
        let request = Request::builder().method(&*method).uri(&path);
        // Each from an address of its own, because too many failures of one are not answered.
        let peer = SocketAddr::from(([10, 0, 0, place], 1));
        let request = request
            .extension(ConnectInfo(RemoteAddress(peer)))
            .body(Body::from("{}"));
        let answer = server.send(request.unwrap()).await;
        assert_eq!(answer.problem(401), Vec::<String>::new(), "{method} {path}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"watershed\"");
    }
    assert_eq!(server.control.model().revision, 0);
}

#[tokio::test]
async fn each_role_is_let_through_where_the_table_says_and_nowhere_else() {
    let server = locked().await;
    for role in Role::ALL {
        let key = server.made(&format!("a-{role}"), role.as_str()).await;
        for (method, path, needed) in locked_endpoints() {
            if path.starts_with("/v1/keys") {
                continue; // they would take away what this test stands on
            }
            let answer = server.with_key(&key, &method, &path, "{}").await;
            if !role.may(needed) {
                answer.problem(403);
            } else if answer.status == StatusCode::FORBIDDEN {
                // The model may want more than the endpoint, and says so.
                assert!(
                    answer.text.contains("this needs the role operator"),
                    "{}",
                    answer.text
                );
            }
        }
    }
}

#[tokio::test]
async fn what_a_change_needs_depends_on_what_it_changes() {
    let server = locked().await;
    let editor = server.made("editor", "editor").await;
    let operator = server.made("operator", "operator").await;
    let put = async |key: &str, body: &Value| {
        let path = "/v1/clusters/stable";
        server.with_key(key, "PUT", path, &body.to_string()).await
    };
    let cluster = |port| json!({"endpoints": [{"address": "10.0.0.1", "port": port}]});
    assert_eq!(put(&editor, &cluster(80)).await.status, StatusCode::CREATED);
    let refused = put(&editor, &cluster(81)).await;
    refused.problem(403);
    let detail = "this needs the role operator; the key has the role editor";
    assert_eq!(refused.json()["detail"], detail);
    assert_eq!(put(&operator, &cluster(81)).await.status, StatusCode::OK);
}

/// No endpoint asks for more than what the model asks for, or the model's table would not be the truth.
#[test]
fn the_model_asks_for_at_least_what_the_endpoint_asks_for() {
    use crate::model::change::Change;
    use crate::model::{Key, Kind};
    let model = Model::default();
    let key = || Key::try_new("a").unwrap();
    let role = |method: &str, path: &str| {
        let locked = locked_endpoints();
        let found = locked
            .iter()
            .find(|(m, p, _)| (&**m, &**p) == (method, path));
        found.unwrap_or_else(|| panic!("{method} {path}")).2
    };
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Settings) {
        let needed = role::needed(&model, &Change::Delete(kind, key()));
        assert!(
            role("DELETE", &format!("/v1/{kind}s/a")) <= needed,
            "{kind}"
        );
    }
    let needed = role::needed(&model, &Change::Reshuffle(key()));
    assert!(role("POST", "/v1/experiments/a/reshuffle") <= needed);
}

#[tokio::test]
async fn a_method_that_no_path_has_does_nothing_with_or_without_the_key() {
    let server = locked().await;
    for (method, path) in [
        ("POST", "/v1/layers"),
        ("PATCH", "/v1/layers/a"),
        ("BREW", "/v1/layers/a"),
        ("put", "/v1/layers/a"),
    ] {
        server.json(method, path, "{}").await.problem(405);
    }
    assert_eq!(server.control.model().revision, 0);
}

#[tokio::test]
async fn a_wrong_key_is_no_key() {
    let server = locked().await;
    let prefix = &KEY[..KEY.len() - 1];
    for wrong in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        KEY.to_owned(),
        format!("Basic {KEY}"),
        format!("Bearer {prefix}"),
        format!("Bearer {KEY}x"),
        format!("Bearer {}", KEY.to_uppercase()),
        format!("Bearer{KEY}"),
        "Bearer é".to_owned(),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*wrong),
        ];
        let answer = server.call("PUT", "/v1/layers/a", &headers, "{}").await;
        answer.problem(401);
        assert!(!answer.text.contains(KEY));
    }
    let request = Request::put("/v1/layers/a")
        .header(
            "authorization",
            http::HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap(),
        )
        .body(Body::from("{}"))
        .unwrap();
    server.send(request).await.problem(401);
}

#[tokio::test]
async fn with_the_key_a_write_is_made_in_its_name() {
    let server = locked().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let key = format!("{scheme} {KEY}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*key),
        ];
        let path = format!("/v1/layers/{}", scheme.to_lowercase());
        let answer = server.call("PUT", &path, &headers, "{}").await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
    assert_eq!(server.control.model().revision, 1);
}

#[tokio::test]
async fn what_has_no_key_may_still_ask_how_it_goes_and_how_to_ask() {
    let server = locked().await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
        let head = server.call("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    }
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let rate = Rate {
        per_second: 0.001,
        burst: 3.0,
    };
    let command_line = Some(KeyHash::of(KEY.as_bytes()));
    let rate = Some(rate);
    let server = Server::with(Auth::Keys {
        command_line,
        rate,
        open_id: None,
    })
    .await;
    for _ in 0..3 {
        assert_eq!(
            server.with_key(KEY, "GET", "/v1/layers", "").await.status,
            StatusCode::OK
        );
    }
    let refused = server.with_key(KEY, "GET", "/v1/layers", "").await;
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((900..=1_001).contains(&wait), "{wait}");
    assert!(
        server
            .get("/metrics")
            .await
            .text
            .contains(r#"api_refused_total{reason="rate"} 1"#)
    );
}

#[tokio::test]
async fn who_fails_too_often_is_not_listened_to_and_keeps_nobody_out() {
    let server = locked().await;
    let mut statuses = Vec::new();
    for _ in 0..80 {
        let answer = server.with_key("wrong", "GET", "/v1/layers", "").await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses.first(), Some(&401));
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(
        server.with_key(KEY, "GET", "/v1/layers", "").await.status,
        StatusCode::OK
    );
    let metrics = server.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"api_refused_total{reason="malformed"} 6"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"api_refused_total{reason="failures"}"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_key_is_asked_for_before_the_body_is_read() {
    let server = locked().await;
    let large = " ".repeat(2 * 1024 * 1024);
    server
        .json("PUT", "/v1/layers/a", &large)
        .await
        .problem(401);
}

#[test]
fn a_key_is_not_shown_in_logs() {
    let auth = Auth::Keys {
        command_line: Some(KeyHash::of(KEY.as_bytes())),
        rate: None,
        open_id: None,
    };
    assert!(format!("{auth:?}").contains("KeyHash([hidden])"));
}
