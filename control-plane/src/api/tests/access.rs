//! Who may write: with a key nobody without it, on any path, and nothing of the key is told.

use super::*;

const WRITES: [(&str, &str); 26] = [
    ("PUT", "/v1/clusters/a"),
    ("PUT", "/v1/services/a"),
    ("PUT", "/v1/layers/a"),
    ("PUT", "/v1/experiments/a"),
    ("DELETE", "/v1/clusters/a"),
    ("DELETE", "/v1/services/a"),
    ("DELETE", "/v1/layers/a"),
    ("DELETE", "/v1/experiments/a"),
    ("PATCH", "/v1/experiments/a/weights"),
    ("POST", "/v1/experiments/a/start"),
    ("POST", "/v1/experiments/a/pause"),
    ("POST", "/v1/experiments/a/resume"),
    ("POST", "/v1/experiments/a/rollback"),
    ("POST", "/v1/experiments/a/reshuffle"),
    ("POST", "/v1/experiments/a/force"),
    ("POST", "/v1/experiments/a/disable"),
    ("POST", "/v1/experiments/a/enable"),
    ("POST", "/v1/layers/a/disable"),
    ("POST", "/v1/layers/a/enable"),
    ("PUT", "/v1/settings"),
    ("POST", "/v1/settings/disable"),
    ("POST", "/v1/settings/enable"),
    ("PUT", "/v1/segments/a"),
    ("DELETE", "/v1/segments/a"),
    ("PUT", "/v1/holdouts/a"),
    ("DELETE", "/v1/holdouts/a"),
];

async fn locked() -> Server {
    Server::with(Auth::key(KEY)).await
}

#[tokio::test]
async fn without_the_key_no_write_is_let_through() {
    let server = locked().await;
    for (method, path) in WRITES {
        let answer = server.json(method, path, "{}").await;
        assert_eq!(answer.problem(401), Vec::<String>::new(), "{method} {path}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"watershed\""
        );
    }
    assert_eq!(server.control.model().revision, 0);
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
async fn reading_needs_no_key() {
    let server = locked().await;
    for path in [
        "/v1/layers",
        "/v1/experiments",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
        let head = server.call("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    }
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
    assert_eq!(format!("{:?}", Auth::key(KEY)), "Key([hidden])");
}
