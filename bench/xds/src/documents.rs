//! What is applied: a small model for many proxies, and one of many services and experiments.

use crate::api::Api;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The experiment of [`small`].
pub const EXPERIMENT: &str = "chat-model";

/// Weights that take turns, so that each change is one.
#[must_use]
pub fn weights(turn: usize) -> Value {
    let candidate = 1_000 + turn % 2 * 1_000;
    json!({ "stable": 10_000 - candidate, "candidate": candidate })
}

/// A service on `listener` with one running experiment between two clusters.
///
/// # Errors
/// The API refuses something.
pub async fn small(
    api: &Api,
    listener: SocketAddr,
    [stable, candidate]: [SocketAddr; 2],
) -> anyhow::Result<()> {
    cluster(api, "stable", stable).await?;
    cluster(api, "candidate", candidate).await?;
    let service =
        json!({ "listeners": [socket(listener)], "hosts": ["*"], "default_cluster": "stable" });
    api.put("/v1/services/chat", &service).await?;
    api.put("/v1/layers/models", &json!({})).await?;
    experiment(api, EXPERIMENT, "chat", "models", 10_000).await
}

/// How a model of many services and experiments is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Services, each with a host and a layer of its own.
    pub services: usize,
    /// Experiments of each service.
    pub each: usize,
    /// Whether each service has a listener of its own; all share one else.
    pub own_listeners: bool,
}

impl Layout {
    /// Applies it.
    ///
    /// # Errors
    /// The API refuses something.
    pub async fn apply(self, api: &Api) -> anyhow::Result<()> {
        cluster(api, "stable", ([127, 0, 0, 1], 1).into()).await?;
        cluster(api, "candidate", ([127, 0, 0, 1], 2).into()).await?;
        for service in 0..self.services {
            let port = if self.own_listeners { service } else { 0 };
            let listener = SocketAddr::from(([127, 0, 0, 1], 20_000 + port as u16));
            let key = format!("service-{service}");
            let body = json!({
                "listeners": [socket(listener)],
                "hosts": [format!("{key}.example.org")],
                "default_cluster": "stable",
            });
            api.put(&format!("/v1/services/{key}"), &body).await?;
            api.put(&format!("/v1/layers/{key}"), &json!({})).await?;
            for number in 0..self.each {
                let traffic = 10_000 / self.each;
                experiment(api, &Self::experiment(service, number), &key, &key, traffic).await?;
            }
        }
        Ok(())
    }

    /// The name of a service's experiment.
    #[must_use]
    pub fn experiment(service: usize, number: usize) -> String {
        format!("experiment-{service}-{number}")
    }
}

async fn experiment(
    api: &Api,
    key: &str,
    service: &str,
    layer: &str,
    traffic: usize,
) -> anyhow::Result<()> {
    let body = json!({
        "layer": layer,
        "traffic": traffic,
        "services": [service],
        "unit": { "type": "user", "sources": [{ "header": "x-user" }] },
        "variants": [
            { "key": "stable", "weight": 9_000, "cluster": "stable" },
            { "key": "candidate", "weight": 1_000, "cluster": "candidate" },
        ],
        "fallback": "stable",
        "owner": "bench",
        "decision_date": "2099-12-31",
    });
    api.put(&format!("/v1/experiments/{key}"), &body).await?;
    api.post(&format!("/v1/experiments/{key}/start")).await
}

async fn cluster(api: &Api, name: &str, endpoint: SocketAddr) -> anyhow::Result<()> {
    let body = json!({ "endpoints": [socket(endpoint)] });
    api.put(&format!("/v1/clusters/{name}"), &body).await
}

fn socket(address: SocketAddr) -> Value {
    json!({ "address": address.ip().to_string(), "port": address.port() })
}
