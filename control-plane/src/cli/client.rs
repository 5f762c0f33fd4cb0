//! A small client of the control plane's own REST API. Faults come back as the problem that the API
//! reported, field by field.

use crate::percent::encode;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;
use thiserror::Error;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take where nothing else is said.
const ANSWER: Duration = Duration::from_secs(30);

/// Speaks to one control plane.
#[derive(Clone)]
pub struct ApiClient {
    base: String,
    key: Option<String>,
    timeout: Duration,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why there is no answer, or no good one.
#[derive(Debug, Error)]
pub enum ApiError {
    /// Nobody answers there.
    #[error(
        "cannot reach the control plane at {server}: {reason} (--server or WATERSHED_SERVER says where it is)"
    )]
    Unreachable {
        /// Where it should be.
        server: String,
        /// What the network says.
        reason: String,
    },
    /// The answer takes too long.
    #[error(
        "{what}: no answer within {} s (--timeout says how long to wait)",
        .after.as_secs_f64()
    )]
    Late {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The API says no.
    #[error("{what}: {text}")]
    Refused {
        /// What was asked.
        what: String,
        /// The status.
        status: StatusCode,
        /// The problem, field by field.
        text: String,
    },
    /// What came back is no answer of a control plane, or what was asked is no request.
    #[error("{what}: {fault}")]
    Unreadable {
        /// What was asked.
        what: String,
        /// Why.
        fault: String,
    },
}

impl ApiClient {
    /// A client of the API at `base` (`http://host:port` or `https://host:port`) that signs its requests
    /// with `key`. The certificate's authority has to be one that the system trusts.
    #[must_use]
    pub fn new(base: &str, key: Option<String>) -> Self {
        let roots = match base.starts_with("https:") {
            true => system_roots(),
            false => RootCertStore::empty(),
        };
        Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
            timeout: ANSWER,
            http: http(roots),
        }
    }

    /// The same, trusting these authorities and no other.
    #[must_use]
    pub fn trusting(mut self, roots: RootCertStore) -> Self {
        self.http = http(roots);
        self
    }

    /// The same, waiting for an answer as long as this.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// No connection, or an answer that is not 2xx; the message carries the API's problem.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, path, None).await
    }

    /// Reads `path`, where there is something.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get(path).await {
            Err(ApiError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => Ok(None),
            found => found.map(Some),
        }
    }

    /// Reads all pages of the collection at `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, ApiError> {
        let mut items = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut page = match &next {
                None => self.get(path).await?,
                Some(cursor) => {
                    let mark = if path.contains('?') { '&' } else { '?' };
                    self.get(&format!("{path}{mark}cursor={}", encode(cursor)))
                        .await?
                }
            };
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            let cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            // A cursor that leads to itself would lead there for ever.
            if cursor.is_none() || cursor == next {
                return Ok(items);
            }
            next = cursor;
        }
    }

    /// Writes `body` to `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Changes a part of `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// Takes `path` away.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::DELETE, path, None).await
    }

    /// Acts on `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::POST, path, None).await
    }

    /// Acts on `path` with `body`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post_with(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let what = format!("{method} {}{path}", self.base);
        let late = || ApiError::Late {
            what: what.clone(),
            after: self.timeout,
        };
        let asked = tokio::time::timeout(self.timeout, self.ask(&what, method, path, body));
        let (bytes, _) = asked.await.map_err(|_| late())??;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|fault| ApiError::Unreadable {
            fault: format!("the answer is not JSON: {fault}"),
            what: what.clone(),
        })
    }

    /// Reads the lines at `path`, and the cursor of what comes after them.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn lines(&self, path: &str) -> Result<(String, Option<String>), ApiError> {
        let (bytes, next) = self.page(path).await?;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), next))
    }

    /// Reads what is at `path`, and the cursor of what comes after it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn page(&self, path: &str) -> Result<(Bytes, Option<String>), ApiError> {
        let what = format!("GET {}{path}", self.base);
        let asked = tokio::time::timeout(self.timeout, self.ask(&what, Method::GET, path, None));
        let (bytes, headers) = asked.await.map_err(|_| ApiError::Late {
            what: what.clone(),
            after: self.timeout,
        })??;
        let next = headers.get("x-next-cursor");
        let next = next.and_then(|next| next.to_str().ok()).map(str::to_owned);
        Ok((bytes, next))
    }

    async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Bytes, HeaderMap), ApiError> {
        let unreadable = |fault: String| ApiError::Unreadable {
            what: what.to_owned(),
            fault,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::USER_AGENT, USER_AGENT);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut bytes = Bytes::new();
        if let Some(value) = body {
            request = request.header(header::CONTENT_TYPE, "application/json");
            let json = serde_json::to_vec(value).map_err(|fault| unreadable(fault.to_string()))?;
            bytes = json.into();
        }
        let request = request.body(Full::new(bytes));
        let request = request.map_err(|fault| unreadable(fault.to_string()))?;
        let response = self.http.request(request).await.map_err(|fault| {
            let mut reason = fault.to_string();
            if let Some(source) = fault.source() {
                reason = innermost(source);
            }
            ApiError::Unreachable {
                server: self.base.clone(),
                reason,
            }
        })?;
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = response.into_body().collect().await;
        let bytes =
            bytes.map_err(|fault| unreadable(format!("the answer ended early: {fault}")))?;
        let bytes = bytes.to_bytes();
        if !status.is_success() {
            return Err(ApiError::Refused {
                what: what.to_owned(),
                status,
                text: describe(status, &bytes),
            });
        }
        Ok((bytes, headers))
    }
}

/// The authorities that the system trusts.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // What cannot be read among them cannot vouch for anybody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A client of HTTP/1.1 with TLS that trusts these authorities.
pub(super) fn http<B>(roots: RootCertStore) -> Client<HttpsConnector<HttpConnector>, B>
where
    B: Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT));
    connector.enforce_http(false);
    // Whoever was first has set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// What the audit names the client.
const USER_AGENT: &str = concat!("watershed-cli/", env!("CARGO_PKG_VERSION"));

/// The fault that began it: what is around says no more than that something failed.
fn innermost(fault: &dyn std::error::Error) -> String {
    let mut fault = fault;
    while let Some(source) = fault.source() {
        fault = source;
    }
    fault.to_string()
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

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_what_to_do() {
        // Nobody listens on a port that was only bound.
        let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", bound.local_addr().unwrap());
        drop(bound);
        let fault = ApiClient::new(&url, None)
            .get("/v1/layers")
            .await
            .unwrap_err();
        let text = fault.to_string();
        assert!(matches!(fault, ApiError::Unreachable { .. }), "{text}");
        assert!(
            text.contains(&url) && text.contains("WATERSHED_SERVER"),
            "{text}"
        );
        assert!(text.to_lowercase().contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let client = ApiClient::new(&url, None).within(Duration::from_millis(50));
        let fault = client.get("/v1/layers").await.unwrap_err();
        assert!(matches!(fault, ApiError::Late { .. }), "{fault}");
        assert!(fault.to_string().contains("0.05 s"), "{fault}");
    }
}
