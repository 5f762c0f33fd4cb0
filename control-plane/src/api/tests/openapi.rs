//! The document tells the truth: it has every route of the router and no other, names what exists, and
//! is pinned by a golden file, because clients are generated from it.

use super::golden::compare;
use super::*;
use crate::api::pages::DOCUMENT;
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

/// Each path of the document with its methods.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let methods = |it: &Value| {
        it.as_object()
            .unwrap()
            .keys()
            .map(|m| m.to_uppercase())
            .collect()
    };
    paths
        .iter()
        .map(|(path, it)| (path.clone(), methods(it)))
        .collect()
}

fn operations() -> Vec<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap().values();
    paths
        .flat_map(|methods| methods.as_object().unwrap().values())
        .collect()
}

#[tokio::test]
async fn golden_openapi() {
    let server = Server::open().await;
    compare("openapi", &server.get("/openapi.json").await);
}

#[tokio::test]
async fn every_path_of_the_router_is_in_the_document_and_no_other() {
    let server = Server::open().await;
    // axum tells its paths in no other way.
    let shown = format!("{:?}", server.router);
    // What speaks gRPC is described by its own file.
    let is_rest = |part: &str| !part.contains("__private") && !part.starts_with("/watershed.");
    let is_path = |part: &&str| part.len() > 1 && part.starts_with('/') && is_rest(part);
    let strings = shown.split('"').filter(is_path);
    let routed: BTreeSet<String> = strings.map(str::to_owned).collect();
    assert_eq!(routed, documented().into_keys().collect());
}

#[tokio::test]
async fn each_path_answers_to_the_methods_of_the_document_and_to_no_other() {
    let server = Server::open().await;
    for (path, methods) in documented() {
        for method in METHODS {
            let status = server
                .call(method, &path.replace("{key}", "x"), &[], "")
                .await
                .status;
            let is_there = status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(
                is_there,
                methods.contains(method),
                "{method} {path}: {status}"
            );
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(!id.is_empty() && ids.insert(id), "{id}");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
        assert!(!operation["tags"][0].as_str().unwrap().is_empty(), "{id}");
        assert!(
            operation["responses"].as_object().unwrap().len() > 1,
            "{id}"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn a_document_has_the_fields_that_its_schema_has() {
    let server = Server::filled().await;
    for (path, schema) in [
        ("/v1/clusters/stable", "ClusterSpecDocument"),
        ("/v1/experiments/x", "ExperimentDocument"),
        ("/v1/experiments/x/status", "Status"),
        ("/v1/experiments/y", "Problem"),
    ] {
        let schema = &DOCUMENT["components"]["schemas"][schema];
        let known = schema["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{path}"));
        let shown = server.get(path).await.json();
        let shown = shown.as_object().unwrap();
        let unknown: Vec<_> = shown
            .keys()
            .filter(|name| !known.contains_key(*name))
            .collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                shown.contains_key(required.as_str().unwrap()),
                "{path}: {required}"
            );
        }
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_and_needs_nothing_else() {
    let server = Server::open().await;
    let page = server.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    for path in documented().keys() {
        assert!(
            page.text.contains(&format!("<code>{path}</code>")),
            "{path}"
        );
    }
    for other in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.text.contains(other), "{other}");
    }
}
