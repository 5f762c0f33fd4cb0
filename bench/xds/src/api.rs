//! The control plane's API, over one connection that stays.

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client of one control plane.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    /// The API that listens on `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address, client }
    }

    /// GET.
    ///
    /// # Errors
    /// No answer, or another than 2xx.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(
            &self.send(Method::GET, path, None).await?,
        )?)
    }

    /// PUT.
    ///
    /// # Errors
    /// No answer, or another than 2xx.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    /// PATCH.
    ///
    /// # Errors
    /// No answer, or another than 2xx.
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.send(Method::PATCH, path, Some(body)).await.map(drop)
    }

    /// POST without a body.
    ///
    /// # Errors
    /// No answer, or another than 2xx.
    pub async fn post(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::POST, path, None).await.map(drop)
    }

    /// A series of `/metrics`, by its whole name with its labels; 0 where there is none.
    ///
    /// # Errors
    /// No answer, or another than 2xx.
    pub async fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let text = self.send(Method::GET, "/metrics", None).await?;
        let text = String::from_utf8(text.to_vec())?;
        let value = text.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then_some(value)
        });
        Ok(value.map_or(Ok(0.0), str::parse)?)
    }

    /// Waits until so many proxies of the default fleet have acknowledged all that an experiment is.
    ///
    /// # Errors
    /// They have not after a minute.
    pub async fn until_acknowledged(&self, experiment: &str, proxies: usize) -> anyhow::Result<()> {
        let wanted = Value::from(proxies);
        let path = format!("/v1/experiments/{experiment}/status");
        let reached = async {
            loop {
                let status = self.get(&path).await?;
                let fleet = &status["fleets"]["default"];
                if fleet["connected"] == wanted && fleet["acknowledged"] == wanted {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.with_context(|| format!("{proxies} proxies did not acknowledge {experiment}"))?
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Bytes> {
        let named = format!("{method} {path}");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let answer = answer
            .with_context(|| format!("{named}: no answer"))?
            .with_context(|| named.clone())?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{named}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}
