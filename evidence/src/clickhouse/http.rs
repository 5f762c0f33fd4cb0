//! ClickHouse's HTTP interface: a statement goes out, an answer or an error comes back.

use super::error;
use super::options::ClickHouseOptions;
use crate::store::StoreError;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// How long a statement may take. Only a server that hangs needs as long; what was sent to it is sent again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one may take that walks all there is: a removal.
const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// The server gives up a little before we do, so that what we send again does not meet itself.
const SERVER_GIVES_UP: Duration = Duration::from_secs(15);
/// The most that is read of an answer: a page of raw exposures is the largest.
const MAX_ANSWER: usize = 1 << 30;

/// One statement.
#[derive(Debug)]
pub(super) struct Statement {
    sql: String,
    /// `{NAME:TYPE}` in it.
    parameters: Vec<(String, String)>,
    settings: Vec<(&'static str, String)>,
    patience: Duration,
}

impl Statement {
    pub fn new(sql: impl Into<String>) -> Self {
        let seconds = |it: Duration| it.as_secs().to_string();
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
            settings: vec![("max_execution_time", seconds(SERVER_GIVES_UP))],
            patience: PATIENCE,
        }
    }

    /// A text in place of `{NAME:String}`, or a number in place of one.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let value = escaped(&value.to_string());
        self.parameters.push((format!("param_{name}"), value));
        self
    }

    /// A setting.
    pub fn set(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// May take long.
    pub fn long(mut self) -> Self {
        self.patience = LONG_PATIENCE;
        self.settings
            .retain(|(name, _)| *name != "max_execution_time");
        self
    }
}

/// A value of a parameter is read as a field of tab-separated values.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for it in value.chars() {
        match it {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\0' => escaped.push_str("\\0"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A text as SQL has it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", escaped(text).replace('\'', "\\'"))
}

/// A server.
pub(super) struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    options: ClickHouseOptions,
}

impl Client {
    pub fn new(options: ClickHouseOptions) -> Result<Self, StoreError> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match options.secure {
            true => builder.with_native_roots().map_err(|fault| {
                StoreError::Database(format!("no trusted certificates: {fault}"))
            })?,
            // Nobody is trusted, as nobody is asked by TLS.
            false => builder.with_tls_config(no_tls()?),
        };
        let connector = builder.https_or_http().enable_http1().build();
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the server's `keep_alive_timeout`, so that it is not the one to hang up.
            .pool_idle_timeout(Duration::from_secs(2))
            .build(connector);
        Ok(Self { http, options })
    }

    pub fn options(&self) -> &ClickHouseOptions {
        &self.options
    }

    /// The answer to a question, in `RowBinary`.
    pub async fn ask(&self, question: Statement) -> Result<Bytes, StoreError> {
        let query = self.query(&question, None);
        self.send(query, question.sql.into_bytes(), question.patience)
            .await
    }

    /// Does as a statement says.
    pub async fn run(&self, statement: Statement) -> Result<(), StoreError> {
        self.ask(statement).await.map(drop)
    }

    /// Sends rows, in the format that the statement names.
    pub async fn insert(&self, statement: Statement, rows: Vec<u8>) -> Result<(), StoreError> {
        let query = self.query(&statement, Some(&statement.sql));
        self.send(query, rows, statement.patience).await.map(drop)
    }

    fn query(&self, statement: &Statement, sql: Option<&str>) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("database", &self.options.database)
            .append_pair("default_format", "RowBinary")
            // An error that comes late is told by the status, too.
            .append_pair("wait_end_of_query", "1")
            .extend_pairs(&statement.settings)
            .extend_pairs(&statement.parameters)
            .extend_pairs(sql.map(|sql| ("query", sql)));
        query.finish()
    }

    async fn send(
        &self,
        query: String,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Bytes, StoreError> {
        let request = http::Request::post(format!("{}?{query}", self.options.address()))
            .header("x-clickhouse-user", header(&self.options.user)?)
            .header("x-clickhouse-key", header(&self.options.password)?)
            .body(Full::new(Bytes::from(body)))
            .map_err(|fault| StoreError::Database(format!("no request: {fault}")))?;
        let unavailable = |fault: &dyn std::error::Error| StoreError::Unavailable(chain(fault));
        let exchange = async {
            let answer = self.http.request(request).await;
            let answer = answer.map_err(|fault| unavailable(&fault))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body
                .map_err(|fault| unavailable(fault.as_ref()))?
                .to_bytes();
            let code = head.headers.get("x-clickhouse-exception-code");
            let code = code.and_then(|it| it.to_str().ok()?.parse().ok());
            match head.status.is_success() && code.is_none() {
                true => Ok(body),
                false => Err(error::of_answer(head.status.as_u16(), code, &body)),
            }
        };
        let hangs = || StoreError::Unavailable(format!("no answer in {} s", patience.as_secs()));
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or_else(|_| Err(hangs()))
    }
}

fn no_tls() -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| StoreError::Database(format!("no TLS: {fault}")))?;
    let trusted = RootCertStore::empty();
    Ok(builder
        .with_root_certificates(trusted)
        .with_no_client_auth())
}

fn header(text: &str) -> Result<http::HeaderValue, StoreError> {
    let value = http::HeaderValue::from_bytes(text.as_bytes());
    let mut value = value.map_err(|_| {
        StoreError::Database("the user or the password has a control character".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error with its causes: hyper's own say little.
fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |it| it.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.options).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_end_where_they_stand() {
        assert_eq!(literal(r"it's a \ here"), r"'it\'s a \\ here'");
        assert_eq!(escaped("a\tb\nc\\"), r"a\tb\nc\\");
    }
}
