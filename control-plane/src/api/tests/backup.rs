//! Tests of export and import over HTTP.

use super::*;

/// A server with secrets and a running experiment.
async fn kept() -> Server {
    let server = Server::filled().await;
    let secret = "0123456789abcdef0123456789abcdef";
    let settings = json!({"signing_keys": [{"id": "one", "secret": secret}]});
    let put = server.put("/v1/settings", &settings).await;
    assert!(put.status.is_success(), "{}", put.text);
    server
}

#[tokio::test]
async fn what_is_exported_is_imported_and_is_the_same_again() {
    let lost = kept().await;
    let export = lost.get("/v1/export").await;
    assert_eq!(export.status, StatusCode::OK, "{}", export.text);
    assert_eq!(export.header("cache-control"), "no-store");
    let exported = export.json();
    assert_eq!(exported["format"], "watershed/v1");
    let kinds: Vec<&str> = exported["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|document| document["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["settings", "cluster", "service", "layer", "experiment"]
    );

    let fresh = Server::open().await;
    let restored = fresh.json("POST", "/v1/import", &export.text).await;
    assert_eq!(restored.status, StatusCode::CREATED, "{}", restored.text);
    assert_eq!(restored.json()["documents"], 5);
    let again = fresh.get("/v1/export").await.json();
    assert_eq!(again["documents"], exported["documents"]);
    assert_eq!(*fresh.control.model(), fresh.store.load().await.unwrap());

    let twice = fresh.json("POST", "/v1/import", &export.text).await;
    twice.problem(409);
    assert_eq!(twice.json()["type"], "urn:watershed:problem:not-empty");
}

#[tokio::test]
async fn an_import_with_a_fault_keeps_nothing_and_names_every_fault() {
    let export = kept().await.get("/v1/export").await.json();
    let broken = |pointer: &str, value: Value| {
        let mut broken = export.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        broken
    };
    let cases = [
        (broken("/format", json!("flags/v9")), "/format"),
        (broken("/documents/1/key", json!("A B")), "/documents/1"),
        (
            broken("/documents/1/revision", json!(0)),
            "/documents/1/revision",
        ),
        (
            broken("/documents/1/revision", json!(99)),
            "/documents/1/revision",
        ),
        (
            broken(
                "/documents/1/revision",
                export["documents"][2]["revision"].clone(),
            ),
            "/documents/2/revision",
        ),
        (broken("/documents/1/spec", json!({})), "/documents/1"),
        (
            broken("/documents/4/allocation", json!([[9, 1]])),
            "/documents/4",
        ),
        (
            broken("/documents/4/state", json!("asleep")),
            "/documents/4",
        ),
        (broken("/documents/3/key", json!("other")), "/documents"),
        (
            broken("/documents/2", export["documents"][1].clone()),
            "/documents/2/key",
        ),
        (broken("/documents/0/secrets", json!({})), "/documents/0"),
        (
            broken("/documents/1/kind", json!("widget")),
            "/documents/1/kind",
        ),
        (broken("/revision", json!(-1)), "/revision"),
    ];
    let server = Server::open().await;
    for (body, place) in cases {
        let answer = server.json("POST", "/v1/import", &body.to_string()).await;
        let faults = answer.problem(422);
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with(&format!("{place}: "))),
            "{place}: {faults:?}"
        );
        assert!(!answer.text.contains("0123456789abcdef"), "{}", answer.text);
        assert_eq!(server.control.model().revision, 0);
    }
    assert_eq!(server.store.load().await.unwrap(), Model::default());
}

#[tokio::test]
async fn what_proxies_could_not_take_is_not_imported() {
    let mut export = kept().await.get("/v1/export").await.json();
    let mut layer = export["documents"][3].clone();
    layer["key"] = json!("unpublishable");
    layer["revision"] = json!(1_000);
    export["documents"].as_array_mut().unwrap().push(layer);
    export["revision"] = json!(1_000);
    let server = Server::open().await;
    let answer = server.json("POST", "/v1/import", &export.to_string()).await;
    answer.problem(422);
    assert_eq!(server.store.load().await.unwrap(), Model::default());
}
