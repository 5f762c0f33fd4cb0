//! Traffic for the demo: asks the gateway as a client would, one unit after the other or in a loop
//! while something changes, and keeps what came back. Judging it is [`super::report`]'s.

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Requests under way at once.
const CONCURRENCY: usize = 16;

/// The gateway as its clients see it.
#[derive(Clone)]
pub struct Gateway {
    url: Arc<str>,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// What one request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The model that answered, by its own word.
    pub model: String,
    /// `X-Experiment-ID` as the model received it.
    pub experiments: String,
    /// `X-Variant` as the model received it.
    pub variants: String,
}

impl Answer {
    /// The variant that the model was told for `experiment`, if it was told one.
    #[must_use]
    pub fn variant(&self, experiment: &str) -> Option<&str> {
        let position = self
            .experiments
            .split(',')
            .position(|name| name.trim() == experiment)?;
        self.variants.split(',').nth(position).map(str::trim)
    }
}

/// One request of a [`Probe`].
#[derive(Debug, Clone)]
pub struct Sample {
    /// Which unit asked.
    pub unit: usize,
    /// When the request left.
    pub sent: Instant,
    /// When its answer was complete.
    pub done: Instant,
    /// What came back; `None` where the request failed.
    pub model: Option<String>,
}

impl Gateway {
    /// The gateway that listens on `address`.
    #[must_use]
    pub fn new(address: std::net::SocketAddr) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            url: format!("http://{address}/v1/chat/completions").into(),
            http,
        }
    }

    /// Asks as conversation `unit`.
    ///
    /// # Errors
    /// No connection, an answer other than 200, or one that is no chat completion.
    pub async fn ask(&self, unit: &str) -> anyhow::Result<Answer> {
        let body = json!({"model": "any", "messages": [{"role": "user", "content": "Hello?"}]});
        let request = Request::post(&*self.url)
            .header("content-type", "application/json")
            .header("x-conversation-id", unit)
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = self.http.request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        answer(&bytes)
    }

    /// Asks once as each of `units`, in order, several at a time; `tick` is called per answer.
    ///
    /// # Errors
    /// The first request that fails.
    pub async fn ask_all(&self, units: &[String], tick: impl Fn()) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(units.len());
        let mut stream =
            futures::stream::iter(units.iter().map(|unit| async move {
                self.ask(unit).await.with_context(|| format!("as {unit}"))
            }))
            .buffered(CONCURRENCY);
        while let Some(answer) = stream.next().await {
            answers.push(answer?);
            tick();
        }
        Ok(answers)
    }
}

fn answer(bytes: &[u8]) -> anyhow::Result<Answer> {
    let value: Value = serde_json::from_slice(bytes).context("answer is not JSON")?;
    let text = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Ok(Answer {
        model: text("/model").context("answer names no model")?,
        experiments: text("/received/x-experiment-id").unwrap_or_default(),
        variants: text("/received/x-variant").unwrap_or_default(),
    })
}

/// Traffic of a fixed set of units that goes round until it is stopped.
pub struct Probe {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    units: usize,
    workers: JoinSet<Vec<Sample>>,
}

impl Probe {
    /// Starts asking as `units`, `workers` requests at a time, each unit in turn.
    #[must_use]
    pub fn start(gateway: &Gateway, units: &[String], workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let shared: Arc<[String]> = units.into();
        let mut set = JoinSet::new();
        for _ in 0..workers.max(1) {
            set.spawn(probe(
                gateway.clone(),
                Arc::clone(&shared),
                Arc::clone(&rounds),
                Arc::clone(&stop),
            ));
        }
        Self {
            stop,
            rounds,
            units: units.len(),
            workers: set,
        }
    }

    /// Waits until every unit has asked `rounds` more times.
    pub async fn rounds(&self, rounds: usize) {
        let target = self
            .rounds
            .load(Ordering::Relaxed)
            .saturating_add(rounds.saturating_mul(self.units));
        while self.rounds.load(Ordering::Relaxed) < target {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops and returns all samples, by the time they were sent.
    pub async fn stop(mut self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples = Vec::new();
        while let Some(worker) = self.workers.join_next().await {
            samples.extend(worker.unwrap_or_default());
        }
        samples.sort_by_key(|s| s.sent);
        samples
    }
}

async fn probe(
    gateway: Gateway,
    units: Arc<[String]>,
    next: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let index = next
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(units.len())
            .unwrap_or(0);
        let Some(name) = units.get(index) else { break };
        let sent = Instant::now();
        let model = gateway.ask(name).await.ok().map(|answer| answer.model);
        if model.is_none() {
            // A gateway that refuses connections must not be asked in a busy loop.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        samples.push(Sample {
            unit: index,
            sent,
            done: Instant::now(),
            model,
        });
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_found_at_its_experiments_position() {
        let answer = Answer {
            model: "a".into(),
            experiments: "x, y".into(),
            variants: "1,2".into(),
        };
        assert_eq!(answer.variant("y"), Some("2"));
        assert_eq!(answer.variant("z"), None);
    }

    #[test]
    fn an_answer_without_a_model_is_refused() {
        assert!(answer(b"{}").is_err());
        assert!(answer(b"no json").is_err());
    }
}
