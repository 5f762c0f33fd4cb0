//! `/openapi.json`, and `/docs`: the same document as a page that needs nothing else, no script and no
//! other host.

use super::endpoint::{Endpoint, Verb};
use super::openapi;
use super::router;
use crate::auth::Role;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::sync::LazyLock;
use watershed_report::escape;

/// The document. It is the same as long as the process runs.
pub(super) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| openapi::document(&router::endpoints()));
static PAGE: LazyLock<String> = LazyLock::new(|| page(&DOCUMENT));

/// Nothing is loaded, framed or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("docs.css");

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/openapi.json", Role::Viewer, document)
            .open()
            .says("about", "get_openapi", "This document")
            .answers::<Map<String, Value>>(200, "The OpenAPI document."),
        Endpoint::new(Verb::Get, "/docs", Role::Viewer, docs)
            .open()
            .says("about", "get_docs", "This document as a page")
            .answers_text("text/html", "The page."),
    ]
}

/// `GET /openapi.json`
async fn document() -> Response {
    axum::Json(&*DOCUMENT).into_response()
}

/// `GET /docs`
async fn docs() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE.as_str()).into_response()
}

fn page(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Watershed API</title>\
         <style>{STYLE}</style></head><body>\n<h1>Watershed API</h1>\n<p>{}</p>\n\
         <p>For programs: <a href=\"openapi.json\">openapi.json</a></p>\n",
        escape(text(document, "/info/description"))
    );
    let mut tag = "";
    for (path, method, operation) in operations(document) {
        let group = text(operation, "/tags/0");
        if group != tag {
            let _ = writeln!(page, "<h2>{}</h2>", escape(group));
            tag = group;
        }
        write_operation(&mut page, path, method, operation);
    }
    page.push_str("<h2>schemas</h2>\n");
    let schemas = document
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    for (name, schema) in schemas.into_iter().flatten() {
        let name = escape(name);
        let _ = writeln!(
            page,
            "<details id=\"{name}\"><summary><b>{name}</b> {}</summary>{}</details>",
            escape(text(schema, "/description")),
            shown(schema)
        );
    }
    page.push_str("</body></html>\n");
    page
}

/// Each operation with its path and method, in groups.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let mut found: Vec<_> = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect();
    found.sort_by_key(|(path, _, operation)| (text(operation, "/tags/0"), *path));
    found
}

fn write_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let role = match text(operation, "/x-role") {
        "" => String::new(),
        role => format!("<span class=\"role\">{role}</span>"),
    };
    let _ = write!(
        page,
        "<details><summary><code class=\"{method}\">{}</code> <code>{}</code> {} {role}</summary>",
        method.to_uppercase(),
        escape(path),
        escape(text(operation, "/summary")),
    );
    for (title, part) in [
        ("Parameters", "/parameters"),
        ("Body", "/requestBody/content/application~1json/schema"),
        ("Answers", "/responses"),
    ] {
        let part = operation.pointer(part);
        let part = part.filter(|part| !part.as_array().is_some_and(Vec::is_empty));
        if let Some(part) = part {
            let _ = write!(page, "<h3>{title}</h3>{}", shown(part));
        }
    }
    page.push_str("</details>\n");
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// JSON as it is, with a link at each reference to a schema.
fn shown(value: &Value) -> String {
    let json = escape(&format!("{value:#}"));
    let mut linked = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once(REFERENCE) {
        let (name, behind) = after.split_once("&quot;").unwrap_or((after, ""));
        let _ = write!(linked, "{before}<a href=\"#{name}\">{name}</a>&quot;");
        rest = behind;
    }
    format!("<pre>{linked}{rest}</pre>")
}

/// Where a reference begins, without the name.
const REFERENCE: &str = "#/components/schemas/";
