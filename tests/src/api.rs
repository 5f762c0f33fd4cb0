//! The control plane's REST API as a story uses it. What lives here: calls, and the waits on a status
//! that many stories share. What does not: the documents; see [`crate::documents`].

use std::net::SocketAddr;

use serde_json::Value;

use crate::eventually;
use crate::http::{self, Request, Response};

/// A client of one control plane. Each call is a connection of its own, so that the control plane may
/// be restarted between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    address: SocketAddr,
}

impl Api {
    /// The API that listens on `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request, whatever the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn send(&self, request: &Request) -> std::io::Result<Response> {
        http::send(self.address, request).await
    }

    /// GET; the answer has to be 2xx.
    pub async fn get(&self, path: &str) -> Value {
        self.done(&Request::get(path), path).await
    }

    /// PUT; the answer has to be 2xx.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.done(&Request::new("PUT", path).json(body), path).await
    }

    /// DELETE; the answer has to be 2xx.
    pub async fn delete(&self, path: &str) -> Value {
        self.done(&Request::new("DELETE", path), path).await
    }

    /// POST with a body; the answer has to be 2xx.
    pub async fn post_with(&self, path: &str, body: &Value) -> Value {
        self.done(&Request::new("POST", path).json(body), path)
            .await
    }

    /// POST without a body; the answer has to be 2xx.
    pub async fn post(&self, path: &str) -> Value {
        self.done(
            &Request::new("POST", path).header("content-length", "0"),
            path,
        )
        .await
    }

    /// PATCH; the answer has to be 2xx.
    pub async fn patch(&self, path: &str, body: &Value) -> Value {
        self.done(&Request::new("PATCH", path).json(body), path)
            .await
    }

    async fn done(&self, request: &Request, path: &str) -> Value {
        let response = self
            .send(request)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            (200..300).contains(&response.status),
            "{path}: {} {}",
            response.status,
            response.text()
        );
        response.json()
    }

    /// The part of an experiment's status that is about one fleet.
    pub async fn fleet(&self, experiment: &str, fleet: &str) -> Value {
        let status = self
            .get(&format!("/v1/experiments/{experiment}/status"))
            .await;
        status["fleets"][fleet].clone()
    }

    /// Waits until at least one proxy of the default fleet is connected, and all of them have
    /// acknowledged what is wanted now.
    pub async fn until_in_sync(&self, experiment: &str) -> Value {
        eventually("the fleet is in sync", async || {
            let fleet = self.fleet(experiment, "default").await;
            let connected = fleet["connected"].as_u64().unwrap_or(0);
            let in_sync = connected > 0 && fleet["in_sync"] == true;
            if in_sync {
                Ok(fleet)
            } else {
                Err(format!("{fleet:#}"))
            }
        })
        .await
    }

    /// Waits until a proxy of the default fleet is shown as refusing something, and returns its message.
    pub async fn until_refused(&self, experiment: &str) -> String {
        eventually("a refusal is shown", async || {
            let fleet = self.fleet(experiment, "default").await;
            let refusal = fleet["proxies"][0]["refusal"]["message"]
                .as_str()
                .map(str::to_owned);
            refusal.ok_or_else(|| format!("{fleet:#}"))
        })
        .await
    }

    /// All raw exposures of an experiment, page by page.
    pub async fn exposures(&self, experiment: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let cursor = all.last().map_or(0.into(), |it| it["cursor"].clone());
            let path = format!("/v1/exposures?experiment={experiment}&cursor={cursor}");
            let response = self.send(&Request::get(&path)).await;
            let response = response.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(response.status, 200, "{path}: {}", response.text());
            let before = all.len();
            let lines = response.text();
            let lines = lines
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line is an object"));
            all.extend(lines);
            if all.len() == before {
                return all;
            }
        }
    }

    /// Waits until a metric is over `least`, and returns what it stands at.
    pub async fn until_over(&self, name: &str, least: f64) -> f64 {
        eventually(&format!("{name} is over {least}"), async || {
            let value = self.metric(name).await;
            if value > least { Ok(value) } else { Err(value) }
        })
        .await
    }

    /// Waits for a proxy's first word of its counters: what it counted before then is held against nothing.
    pub async fn until_counts_are_told(&self) {
        self.until_over("watershed_proxy_reports_total", 0.0).await;
    }

    /// The sum of a counter of `/metrics` over all its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let response = self
            .send(&Request::get("/metrics"))
            .await
            .expect("/metrics answers");
        assert_eq!(response.status, 200);
        metric(&response.text(), name)
    }
}

fn metric(text: &str, name: &str) -> f64 {
    let value = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let family = series.split('{').next()?;
        if family == name {
            value.parse::<f64>().ok()
        } else {
            None
        }
    };
    text.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_family() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\na_total 9\nb 7\ngarbage\n";
        assert!((metric(text, "a") - 5.0).abs() < f64::EPSILON);
        assert!(metric(text, "none").abs() < f64::EPSILON);
    }
}
