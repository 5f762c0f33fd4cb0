//! The OpenID provider's keys: read from a file or over HTTP, and again when they may have changed. What
//! they are for is [`crate::auth::oidc`]'s.

use crate::auth::oidc::KeySet;
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long keys count as the provider's keys.
const FRESH: Duration = Duration::from_secs(300);
/// How long a key that is not known is not asked for again: whoever sends garbage must not make us ask.
const PAUSE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1024 * 1024;

/// Where the keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In a file that somebody else keeps true.
    File(PathBuf),
    /// At the provider's `jwks_uri`.
    Url(Uri),
}

/// The keys as they were read last.
pub(super) struct KeyCache {
    source: KeySource,
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    read: RwLock<Read>,
    reading: tokio::sync::Mutex<()>,
}

struct Read {
    keys: Arc<KeySet>,
    at: Option<Instant>,
}

impl KeyCache {
    pub(super) fn new(source: KeySource) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .context("read the system's certificates")?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            source,
            http: Client::builder(TokioExecutor::new()).build(connector),
            read: RwLock::new(Read {
                keys: Arc::default(),
                at: None,
            }),
            reading: tokio::sync::Mutex::new(()),
        })
    }

    /// The keys to verify `token` with. They are read again where they are old or do not know its key;
    /// where that fails, the old ones go on counting.
    pub(super) async fn keys_for(&self, token: &[u8]) -> Arc<KeySet> {
        let keys = self.current();
        if !self.is_due(&keys.0, keys.1, token) {
            return keys.0;
        }
        let _reading = self.reading.lock().await;
        let keys = self.current();
        if !self.is_due(&keys.0, keys.1, token) {
            return keys.0; // somebody else was first
        }
        let read = tokio::time::timeout(PATIENCE, self.fetch()).await;
        let read = read.unwrap_or_else(|_| bail_late());
        let mut kept = self.read.write().unwrap_or_else(PoisonError::into_inner);
        kept.at = Some(Instant::now());
        match read {
            Ok(keys) => kept.keys = Arc::new(keys),
            Err(fault) => {
                let fault = format!("{fault:#}");
                tracing::warn!(fault, "the OpenID provider's keys could not be read");
            }
        }
        Arc::clone(&kept.keys)
    }

    fn current(&self) -> (Arc<KeySet>, Option<Instant>) {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&read.keys), read.at)
    }

    fn is_due(&self, keys: &KeySet, at: Option<Instant>, token: &[u8]) -> bool {
        let Some(age) = at.map(|at| at.elapsed()) else {
            return true;
        };
        age >= FRESH || (age >= PAUSE && !keys.knows(token))
    }

    async fn fetch(&self) -> anyhow::Result<KeySet> {
        let bytes = match &self.source {
            KeySource::File(path) => {
                let read = tokio::fs::read(path).await;
                read.with_context(|| format!("read {}", path.display()))?
                    .into()
            }
            KeySource::Url(url) => self.get(url).await.with_context(|| format!("GET {url}"))?,
        };
        ensure!(
            bytes.len() <= MAX_BYTES,
            "it has more than {MAX_BYTES} bytes"
        );
        Ok(KeySet::read(&bytes)?)
    }

    async fn get(&self, url: &Uri) -> anyhow::Result<Bytes> {
        let answer = self.http.get(url.clone()).await?;
        if !answer.status().is_success() {
            bail!("the answer is {}", answer.status());
        }
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|fault| anyhow::anyhow!("the body: {fault}"))?;
        Ok(body.to_bytes())
    }
}

fn bail_late() -> anyhow::Result<KeySet> {
    bail!("there was no answer within {PATIENCE:?}")
}

impl KeySource {
    /// Reads the provider's `jwks_uri`: HTTPS, or, on this machine, HTTP.
    ///
    /// # Errors
    /// It is neither.
    pub fn url(text: &str) -> anyhow::Result<Self> {
        let url: Uri = text.parse().context("it is no URL")?;
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        match url.scheme_str() {
            Some("https") => Ok(Self::Url(url)),
            Some("http") if here => Ok(Self::Url(url)),
            _ => bail!("expected https://HOST/PATH; http:// is for this machine only"),
        }
    }
}
