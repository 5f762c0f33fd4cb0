//! What comes from outside and is wrong: each case a problem that says where, and nothing changed.

use super::*;
use proptest::prelude::*;

const RESOURCES: [&str; 7] = [
    "clusters",
    "segments",
    "services",
    "layers",
    "holdouts",
    "metrics",
    "experiments",
];

#[tokio::test]
async fn bytes_that_are_no_json_are_placed_by_line_and_column() {
    let server = Server::open().await;
    for (body, place) in [
        ("", "line 1, column 0"),
        ("{", "line 1, column 1"),
        ("{\n  \"salt\": }", "line 2, column 11"),
        ("{} {}", "line 1, column 4"),
        ("\u{feff}{}", "line 1, column 1"),
    ] {
        let answer = server.json("PUT", "/v1/layers/a", body).await;
        assert_eq!(answer.problem(400), Vec::<String>::new());
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(place), "{body:?}: {detail}");
    }
    let inside = r#"{"endpoints": [{"address": "a", "port": }]}"#;
    let detail = server.json("PUT", "/v1/clusters/a", inside).await.json()["detail"].take();
    assert!(
        detail.as_str().unwrap().contains("in /endpoints/0/port"),
        "{detail}"
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = Server::open().await;
    for kind in ["application/json", "application/yaml"] {
        let request = Request::put("/v1/layers/a")
            .header("content-type", kind)
            .body(Body::from(b"{\"salt\": \"\xff\xfe\"}".to_vec()))
            .unwrap();
        server.send(request).await.problem(400);
    }
}

#[tokio::test]
async fn a_wrong_shape_is_placed_by_pointer() {
    let server = Server::filled().await;
    for (path, body, fault) in [
        ("/v1/layers/a", "[]", ": invalid type: sequence"),
        ("/v1/layers/a", "null", ": invalid type: null"),
        ("/v1/layers/a", r#"["salt"]"#, ": invalid type: sequence"),
        (
            "/v1/layers/a",
            r#"{"salt": 1}"#,
            "/salt: invalid type: integer `1`",
        ),
        ("/v1/clusters/a", "{}", ": missing field `endpoints`"),
        (
            "/v1/clusters/a",
            r#"{"endpoints": [{"address": "a", "port": -1}]}"#,
            "/endpoints/0/port: invalid value: integer `-1`",
        ),
        (
            "/v1/clusters/a",
            r#"{"endpoints": [{"address": "a", "port": 80, "wait": 1}]}"#,
            "/endpoints/0/wait: unknown field `wait`",
        ),
        (
            "/v1/services/a",
            r#"{"default_cluster": "a", "default_cluster": "b"}"#,
            ": duplicate field `default_cluster`",
        ),
        (
            "/v1/experiments/a",
            r#"{"audience": {"all": [{"not": {"headr": "a"}}]}}"#,
            "/audience/all/0/not/headr: unknown field `headr`",
        ),
    ] {
        let answer = server.json("PUT", path, body).await;
        assert_eq!(answer.problem(422), [fault], "{body}");
    }
    let unknown = server
        .json("PUT", "/v1/clusters/a", r#"{"port": 80}"#)
        .await
        .json();
    let expected = unknown["errors"][0]["expected"].as_str().unwrap();
    assert_eq!(
        expected,
        "one of `endpoints`, `connect_timeout_ms`, `http2`, `discovery`, `tls`, `health_check`, `outlier_detection`, `circuit_breakers`"
    );
}

#[tokio::test]
async fn a_list_of_values_is_no_object_inside_a_document_either() {
    let server = Server::filled().await;
    for (path, body, place) in [
        (
            "/v1/clusters/a",
            r#"{"endpoints": [["a", 80]]}"#,
            "/endpoints/0",
        ),
        ("/v1/segments/a", r#"{"rule": [null]}"#, "/rule"),
        (
            "/v1/services/a",
            r#"{"default_cluster": "stable", "listeners": [["0.0.0.0", 1]]}"#,
            "/listeners/0",
        ),
        (
            "/v1/experiments/a",
            r#"{"layer": "models", "unit": ["user", []], "variants": []}"#,
            "/unit",
        ),
        (
            "/v1/settings",
            r#"{"signing_keys": [["k1", "s"]]}"#,
            "/signing_keys/0",
        ),
        ("/v1/settings", r#"{"force": ["x-force"]}"#, "/force"),
    ] {
        let fault = format!("{place}: invalid type: sequence");
        assert_eq!(
            server.json("PUT", path, body).await.problem(422),
            [fault],
            "{body}"
        );
        let yaml = [("content-type", "application/yaml")];
        let answer = server.call("PUT", path, &yaml, body).await;
        assert_eq!(answer.problem(422).len(), 1, "{body}");
    }
}

#[tokio::test]
async fn wrong_shapes_of_newer_kinds_are_placed_by_pointer() {
    let server = Server::filled().await;
    for (path, body, fault) in [
        ("/v1/segments/a", "{}", ": missing field `rule`"),
        (
            "/v1/segments/a",
            r#"{"rule": {"number": 5}}"#,
            "/rule/number: invalid type: integer `5`",
        ),
        (
            "/v1/segments/a",
            r#"{"rule": {"header": "a", "number": {"less": true}}}"#,
            "/rule/number/less: invalid type: boolean `true`",
        ),
        (
            "/v1/segments/a",
            r#"{"rule": {"header": "a", "number": {"less": 1e300}}}"#,
            "/rule/number/less: the number is too large to be exact",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "mean"}"#,
            ": missing field `direction`",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "sum", "direction": "increase"}"#,
            "/type: unknown variant `sum`",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "mean", "direction": "increase", "cap": -1}"#,
            "/cap: -1 is out of bounds",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "mean", "direction": "increase", "winsorize": {"lower": 0.99, "upper": 0.01}}"#,
            "/winsorize: goes from 0.99 to 0.01",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "mean", "direction": "increase", "winsorize": {"upper": "NaN"}}"#,
            "/winsorize/upper: invalid type: string \"NaN\"",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "mean", "direction": "increase", "winsorize": {"percentile": 99}}"#,
            "/winsorize/percentile: unknown field `percentile`",
        ),
        (
            "/v1/metrics/a",
            r#"{"type": "ratio", "direction": "increase", "numerator": {"outcome": "X"}, "denominator": {"outcome": "x"}}"#,
            "/numerator/outcome: `X` is not a key",
        ),
        (
            "/v1/holdouts/a",
            r#"{"layer": "models"}"#,
            ": missing field `traffic`",
        ),
        (
            "/v1/holdouts/a",
            r#"{"traffic": 0}"#,
            "/traffic: 0 is out of bounds",
        ),
        (
            "/v1/holdouts/a",
            r#"{"traffic": 1, "layer": "gone"}"#,
            "/layer: there is no layer `gone`",
        ),
        (
            "/v1/layers/a",
            r#"{"hash": "md5"}"#,
            "/hash: unknown variant `md5`",
        ),
        (
            "/v1/layers/a",
            r#"{"disabled": "yes"}"#,
            "/disabled: invalid type: string \"yes\"",
        ),
        (
            "/v1/settings",
            r#"{"trust": "everybody"}"#,
            "/trust: unknown variant `everybody`",
        ),
        (
            "/v1/experiments/a",
            r#"{"strategy": "guess"}"#,
            "/strategy: unknown variant `guess`",
        ),
        (
            "/v1/experiments/a",
            r#"{"variants": [{"key": "a", "weight": 1, "baggage": {"a": "x", "a": "y"}}]}"#,
            "/variants/0/baggage: duplicate key `a`",
        ),
    ] {
        assert_eq!(
            server.json("PUT", path, body).await.problem(422),
            [fault],
            "{body}"
        );
    }
}

#[tokio::test]
async fn yaml_is_refused_as_json_is() {
    let server = Server::open().await;
    let yaml = [("content-type", "application/yaml")];
    let put = async |body: &str| server.call("PUT", "/v1/layers/a", &yaml, body).await;
    put("salt: [").await.problem(400);
    put("salt: a\nsalt: b").await.problem(400);
    assert_eq!(
        put("salt: 1").await.problem(422),
        ["/salt: invalid type: integer `1`"]
    );
    assert_eq!(
        put("pepper: a").await.problem(422),
        ["/pepper: unknown field `pepper`"]
    );
    put("salt: a\n---\nsalt: b").await.problem(400);
    // A text that grows when its aliases are followed.
    let bomb: String = (1..30)
        .map(|n| format!("l{n}: &l{n} [*l{m}, *l{m}, *l{m}, *l{m}]\n", m = n - 1))
        .collect();
    put(&format!("l0: &l0 [a, a]\n{bomb}")).await.problem(400);
}

#[tokio::test]
async fn a_body_that_nests_without_end_is_refused() {
    let server = Server::open().await;
    let depth = 100_000;
    let body = r#"{"not":"#.repeat(depth) + "{}" + &"}".repeat(depth);
    let spec = format!(r#"{{"audience": {body}}}"#);
    let answer = server.json("PUT", "/v1/experiments/a", &spec).await;
    assert!(answer.problem(422)[0].ends_with("/not: nests too deep"));
    let yaml = "[".repeat(depth);
    let headers = [("content-type", "application/yaml")];
    server
        .call("PUT", "/v1/experiments/a", &headers, &yaml)
        .await
        .problem(400);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Server::open().await;
    let fitting = format!("{}{{}}", " ".repeat(8 * 1024 * 1024 - 2));
    assert_eq!(
        server.json("PUT", "/v1/layers/a", &fitting).await.status,
        StatusCode::CREATED
    );
    let large = format!("{fitting} ");
    server
        .json("PUT", "/v1/layers/a", &large)
        .await
        .problem(413);
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let server = Server::open().await;
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "é",
    ] {
        let answer = server
            .call("PUT", "/v1/layers/a", &[("content-type", kind)], "{}")
            .await;
        answer.problem(415);
    }
    server
        .call("PUT", "/v1/layers/a", &[], "{}")
        .await
        .problem(415);
    let fine = [("content-type", "Application/JSON; charset=utf-8")];
    let answer = server.call("PUT", "/v1/layers/a", &fine, "{}").await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn names_that_are_no_keys_are_refused_everywhere() {
    let server = Server::open().await;
    let long = "a".repeat(65);
    for name in [
        "..%2f",
        "%2e%2e%2fetc",
        "A",
        "a%20b",
        "%00",
        "%c3%a9",
        "-a",
        "a,b",
        &long,
    ] {
        for resource in RESOURCES {
            let path = format!("/v1/{resource}/{name}");
            server.put(&path, &json!({})).await.problem(400);
            server.get(&path).await.problem(400);
            server.delete(&path).await.problem(400);
        }
        server
            .post(&format!("/v1/experiments/{name}/start"))
            .await
            .problem(400);
        server
            .get(&format!("/v1/experiments/{name}/status"))
            .await
            .problem(400);
    }
    server.get("/v1/layers/%ff").await.problem(400);
    assert_eq!(server.control.model().revision, 0);
}

#[tokio::test]
async fn a_path_or_method_that_is_not_there_is_a_problem_too() {
    let server = Server::filled().await;
    for path in [
        "/",
        "/v1",
        "/v1/widgets",
        "/v1/layers/",
        "/v1/layers/a/b",
        "/v2/layers",
    ] {
        server.get(path).await.problem(404);
    }
    for (method, path, allow) in [
        ("POST", "/v1/layers/models", "GET,HEAD,PUT,DELETE"),
        ("DELETE", "/v1/layers", "GET,HEAD"),
        ("GET", "/v1/experiments/x/start", "POST"),
        ("POST", "/v1/experiments/x/status", "GET,HEAD"),
        ("PUT", "/v1/experiments/x/weights", "PATCH"),
        ("POST", "/healthz", "GET,HEAD"),
        ("BREW", "/v1/layers", "GET,HEAD"),
    ] {
        let answer = server.call(method, path, &[], "").await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives is answered, never with a fault of ours, and is not taken.
    #[test]
    fn any_body_is_answered(
        body in prop::collection::vec(any::<u8>(), 0..200),
        resource in prop::sample::select(RESOURCES.to_vec()),
        yaml in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::open().await;
            let kind = if yaml { "application/yaml" } else { "application/json" };
            let request = Request::put(format!("/v1/{resource}/a"))
                .header("content-type", kind)
                .body(Body::from(body))
                .unwrap();
            let answer = server.send(request).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{}", answer.text);
            answer.problem(answer.status.as_u16());
        });
    }
}
