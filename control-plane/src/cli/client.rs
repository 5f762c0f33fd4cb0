//! A small client of the control plane's own REST API. Faults come back as the problem that the API
//! reported, field by field.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::fmt::Write as _;

/// Speaks to one control plane.
#[derive(Clone)]
pub struct ApiClient {
    base: String,
    key: Option<String>,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl ApiClient {
    /// A client of the API at `base` (`http://host:port`) that signs its writes with `key`.
    #[must_use]
    pub fn new(base: &str, key: Option<String>) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
            http,
        }
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// No connection, or an answer that is not 2xx; the message carries the API's problem.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// Writes `body` to `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Changes a part of `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// Acts on `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::POST, path, None).await
    }

    /// Acts on `path` with `body`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post_with(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let what = format!("{method} {}{path}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(serde_json::to_vec(value)?)
            }
            None => Bytes::new(),
        };
        let request = request
            .body(Full::new(body))
            .with_context(|| what.clone())?;
        let response = self
            .http
            .request(request)
            .await
            .with_context(|| what.clone())?;
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .with_context(|| what.clone())?
            .to_bytes();
        if !status.is_success() {
            bail!("{what}: {}", describe(status, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{what}: answer is not JSON"))
    }
}

/// One problem+json answer as text for a person: the detail, then one line a fault.
fn describe(status: StatusCode, body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return format!("{status}: {}", String::from_utf8_lossy(body));
    };
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let title = text(&problem, "detail")
        .or_else(|| text(&problem, "title"))
        .unwrap_or_default();
    let mut out = format!("{}: {title}", status.as_u16());
    for fault in problem
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let pointer = text(fault, "pointer").unwrap_or_default();
        let message = text(fault, "message").unwrap_or_default();
        let _ = write!(out, "\n  {pointer}: {message}");
        if let Some(expected) = text(fault, "expected") {
            let _ = write!(out, " (expected {expected})");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_field_by_field() {
        let body = br#"{"title":"Unprocessable","status":422,"detail":"experiment chat-model is not valid",
            "errors":[{"pointer":"/variants/0/weight","message":"is -1","expected":"0 to 10000"}]}"#;
        assert_eq!(
            describe(StatusCode::UNPROCESSABLE_ENTITY, body),
            "422: experiment chat-model is not valid\n  /variants/0/weight: is -1 (expected 0 to 10000)"
        );
    }

    #[test]
    fn an_answer_that_is_no_problem_is_shown_as_it_is() {
        assert_eq!(
            describe(StatusCode::BAD_GATEWAY, b"no healthy upstream"),
            "502 Bad Gateway: no healthy upstream"
        );
    }
}
