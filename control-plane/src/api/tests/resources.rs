//! Every endpoint where all goes well, and the refusals that depend on what is there.

use super::*;

#[tokio::test]
async fn a_document_is_made_read_changed_and_deleted() {
    for (path, first, second) in [
        (
            "/v1/clusters/a",
            json!({"endpoints": [{"address": "10.0.0.1", "port": 80}]}),
            json!({"endpoints": [{"address": "models.internal", "port": 81}], "http2": true}),
        ),
        ("/v1/layers/a", json!({}), json!({"salt": "x"})),
        (
            "/v1/segments/a",
            json!({"rule": {"header": "a", "present": true}}),
            json!({"rule": {"not": {"header": "a", "one_of": ["x"]}}, "description": "d"}),
        ),
        (
            "/v1/holdouts/a",
            json!({"traffic": 1}),
            json!({"traffic": 2, "layer": "models"}),
        ),
        (
            "/v1/metrics/a",
            json!({"type": "mean", "direction": "decrease", "unit": "USD", "cap": 10}),
            json!({"type": "quantile", "quantile": 0.9, "direction": "decrease", "value": {"exposure": "ttfb_ms"}}),
        ),
        (
            "/v1/services/a",
            json!({"default_cluster": "stable", "hosts": ["a"]}),
            json!({"default_cluster": "stable", "hosts": ["b"], "timeout_ms": 100}),
        ),
        ("/v1/experiments/a", stamping(1_000), stamping(2_000)),
    ] {
        let server = Server::filled().await;
        let made = server.put(path, &first).await;
        assert_eq!(
            (made.status, made.header("etag")),
            (StatusCode::CREATED, "\"5\""),
            "{path}"
        );
        let shown = server.get(path).await;
        assert_eq!((shown.status, shown.json()), (StatusCode::OK, made.json()));
        assert_eq!(shown.header("etag"), "\"5\"");
        let same = server.put(path, &first).await;
        assert_eq!((same.status, same.json()), (StatusCode::OK, made.json()));
        let changed = server.put(path, &second).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        assert_eq!(changed.json()["revision"], 6);
        let (list, key) = path.rsplit_once('/').unwrap();
        let listed = server.get(list).await.json();
        let listed = listed["items"].as_array().unwrap();
        assert!(listed.contains(&changed.json()));
        assert!(listed[0]["key"].as_str().unwrap() <= key);
        let deleted = server.delete(path).await;
        assert_eq!(
            (deleted.status, deleted.text.as_str()),
            (StatusCode::NO_CONTENT, "")
        );
        assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND);
        server.delete(path).await.problem(404);
        assert_eq!(server.store.load().await.unwrap(), *server.control.model());
    }
}

pub(super) fn stamping(traffic: u32) -> Value {
    let mut spec = experiment();
    spec["traffic"] = traffic.into();
    spec
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let server = Server::open().await;
    for path in [
        "/v1/clusters",
        "/v1/services",
        "/v1/layers",
        "/v1/experiments",
    ] {
        assert_eq!(server.get(path).await.json(), json!({"items": []}));
    }
}

#[tokio::test]
async fn yaml_is_read_where_it_is_said() {
    let server = Server::filled().await;
    let yaml = "# who answers\nendpoints:\n  - { address: 10.0.0.1, port: 80 }\n";
    for kind in [
        "application/yaml",
        "application/x-yaml; charset=utf-8",
        "text/yaml",
    ] {
        let headers = [("content-type", kind)];
        let answer = server
            .call("PUT", "/v1/clusters/stable", &headers, yaml)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
}

#[tokio::test]
async fn weights_are_changed_in_one_call() {
    let server = Server::filled().await;
    let answer = server
        .weights(&json!({"control": 9000, "candidate": 1000}))
        .await;
    assert_eq!(
        (answer.status, answer.header("etag")),
        (StatusCode::OK, "\"5\"")
    );
    assert_eq!(answer.json()["spec"]["variants"][1]["weight"], 1000);
    let status = server.get("/v1/experiments/x/status").await.json();
    assert_eq!(
        status["weights"],
        json!({"control": 9000, "candidate": 1000})
    );
}

#[tokio::test]
async fn weights_that_do_not_add_up_name_each_fault() {
    let server = Server::filled().await;
    for (body, faults) in [
        (
            json!({"control": 9000, "candidate": 999}),
            vec![": weights add up to 9999"],
        ),
        (
            json!({"control": 10000, "new": 0}),
            vec!["/new: is not a variant", "/candidate: is missing"],
        ),
        (
            json!({}),
            vec![
                "/control: is missing",
                "/candidate: is missing",
                ": weights add up to 0",
            ],
        ),
    ] {
        assert_eq!(server.weights(&body).await.problem(422), faults, "{body}");
    }
    let twice = r#"{"control": 1, "control": 9999}"#;
    let twice = server
        .json("PATCH", "/v1/experiments/x/weights", twice)
        .await;
    assert_eq!(twice.problem(422), [": duplicate key `control`"]);
    for wrong in [
        r#"{"control": -1}"#,
        r#"{"control": 0.5}"#,
        r#"{"control": "1"}"#,
    ] {
        let answer = server
            .json("PATCH", "/v1/experiments/x/weights", wrong)
            .await;
        assert!(
            answer.problem(422)[0].starts_with("/control: invalid"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_layer_shows_who_holds_its_buckets() {
    let server = Server::filled().await;
    let shown = server.get("/v1/layers/models/buckets").await.json();
    assert_eq!(
        shown["free"],
        json!({"size": 4000, "ranges": [[6000, 9999]]})
    );
    assert_eq!(shown["holders"][0]["experiment"], "x");
    server.get("/v1/layers/nowhere/buckets").await.problem(404);
}

#[tokio::test]
async fn an_experiment_is_taken_through_its_life() {
    let server = Server::filled().await;
    let mut canary = experiment();
    canary["canary_traffic"] = 100.into();
    server.put("/v1/experiments/x", &canary).await;
    for (action, state) in [
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("rollback", "rolled_back"),
        ("rollback", "rolled_back"),
        ("resume", "running"),
        ("canary", "canary"),
        ("internal", "internal"),
        ("pause", "paused"),
        ("resume", "internal"),
        ("start", "running"),
        ("pause", "paused"),
        ("archive", "archived"),
    ] {
        let answer = server.post(&format!("/v1/experiments/x/{action}")).await;
        assert_eq!(
            (answer.status, &answer.json()["state"]),
            (StatusCode::OK, &json!(state))
        );
    }
}

#[tokio::test]
async fn a_wrong_step_names_the_state_and_what_is_allowed() {
    let server = Server::filled().await;
    for (actions, wrong, fault) in [
        (&[][..], "pause", ": the experiment is draft"),
        (&["start"], "resume", ": the experiment is running"),
        (&["pause"], "start", ": the experiment is paused"),
        (&["rollback"], "pause", ": the experiment is rolled_back"),
    ] {
        for action in actions {
            let answer = server.post(&format!("/v1/experiments/x/{action}")).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
        let answer = server.post(&format!("/v1/experiments/x/{wrong}")).await;
        assert_eq!(answer.problem(409), [fault]);
    }
    for path in ["start", "pause", "resume", "rollback"] {
        server
            .post(&format!("/v1/experiments/y/{path}"))
            .await
            .problem(404);
    }
    let weights = json!({"a": 10000}).to_string();
    server
        .json("PATCH", "/v1/experiments/y/weights", &weights)
        .await
        .problem(404);
    server.get("/v1/experiments/y/status").await.problem(404);
}

#[tokio::test]
async fn frozen_fields_are_named_once_it_runs() {
    let server = Server::filled().await;
    server.post("/v1/experiments/x/start").await;
    let mut other = experiment();
    other["salt"] = "2".into();
    other["unit"]["type"] = "account".into();
    assert_eq!(
        server.put("/v1/experiments/x", &other).await.problem(409),
        [
            "/unit: cannot change while the experiment is running",
            "/salt: cannot change while the experiment is running",
        ]
    );
}

#[tokio::test]
async fn what_proxies_could_not_take_is_refused() {
    let server = Server::open().await;
    let answer = server.put("/v1/layers/unpublishable", &json!({})).await;
    answer.problem(422);
    assert_eq!(answer.json()["type"], "urn:watershed:problem:rejected");
    server.get("/v1/layers/unpublishable").await.problem(404);
}

#[tokio::test]
async fn a_condition_guards_against_a_lost_update() {
    let server = Server::filled().await;
    let change = json!({"salt": "x"}).to_string();
    let put = async |condition: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("if-match", condition),
        ];
        server
            .call("PUT", "/v1/layers/other", &headers, &change)
            .await
    };
    let absent = put("*").await;
    absent.problem(412);
    assert_eq!(absent.json().get("revision"), None);
    assert_eq!(
        server
            .put("/v1/layers/other", &json!({}))
            .await
            .header("etag"),
        "\"5\""
    );
    let stale = put("\"4\"").await;
    stale.problem(412);
    assert_eq!(stale.json()["revision"], 5);
    assert_eq!(put("\"5\"").await.status, StatusCode::OK);
    put("\"5\"").await.problem(412);
    let stale = [("if-match", "\"1\"")];
    server
        .call("DELETE", "/v1/layers/other", &stale, "")
        .await
        .problem(412);
    server
        .call("POST", "/v1/experiments/x/start", &stale, "")
        .await
        .problem(412);
    for garbage in ["5", "\"five\"", "\"5\", \"6\"", "W/\"5\"", "\"", ""] {
        put(garbage).await.problem(400);
    }
}

#[tokio::test]
async fn a_reason_is_kept_and_unknown_parameters_are_refused() {
    let server = Server::filled().await;
    let path = "/v1/experiments/x/start?reason=ticket%2017";
    assert_eq!(server.post(path).await.status, StatusCode::OK);
    for bad in ["really=no", "reason=a&reason=b"] {
        server
            .post(&format!("/v1/experiments/x/pause?{bad}"))
            .await
            .problem(400);
    }
    let long = "a".repeat(1_025);
    server
        .post(&format!("/v1/experiments/x/pause?reason={long}"))
        .await
        .problem(400);
}

#[tokio::test]
async fn the_server_says_how_it_is() {
    let server = Server::filled().await;
    assert_eq!(server.get("/healthz").await.text, "ok\n");
    assert_eq!(server.get("/readyz").await.text, "ready\n");
    let metrics = server.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let line = r#"watershed_api_requests_total{route="/v1/experiments/{key}",method="PUT",code_class="2xx"} 1"#;
    assert!(metrics.text.lines().any(|l| l == line), "{}", metrics.text);
    server.get("/made/up/by/a/caller").await;
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains(r#"route="unmatched",method="GET",code_class="4xx"} 1"#));
    assert!(!metrics.contains("made"));
}

#[tokio::test]
async fn without_its_database_the_server_lives_but_takes_no_changes() {
    let server = Server::filled().await;
    server.store.close().await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    server.get("/readyz").await.problem(503);
    server.post("/v1/experiments/x/start").await.problem(503);
    let shown = server.get("/v1/experiments/x").await;
    assert_eq!(shown.json()["state"], "draft");
}
