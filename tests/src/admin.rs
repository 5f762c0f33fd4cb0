//! Envoy's admin interface. What lives here: reading statistics and listeners from it, and what
//! they say about the filter's VM.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::eventually;
use crate::http::{self, Request, Response};

/// The admin interface of one Envoy.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    /// The interface that listens on `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// GET; the answer has to be 200.
    pub async fn get(&self, path: &str) -> Response {
        let response = http::send(self.address, &Request::get(path)).await;
        let response = response.unwrap_or_else(|error| panic!("Envoy's admin, {path}: {error}"));
        assert_eq!(
            response.status,
            200,
            "Envoy's admin, {path}: {}",
            response.text()
        );
        response
    }

    /// Every counter and gauge, also those that are 0.
    pub async fn stats(&self) -> BTreeMap<String, u64> {
        numbers(&self.get("/stats?format=json").await.json())
    }

    /// One counter or gauge; 0 where Envoy does not have it.
    pub async fn stat(&self, name: &str) -> u64 {
        self.stats().await.get(name).copied().unwrap_or(0)
    }

    /// Waits until a counter or gauge is `expected`: the filter tells its counts every tick.
    pub async fn until_stat(&self, name: &str, expected: u64) {
        eventually(&format!("{name} is {expected}"), async || {
            match self.stat(name).await {
                value if value == expected => Ok(()),
                value => Err(value),
            }
        })
        .await;
    }

    /// The addresses that Envoy listens on, by listener name.
    pub async fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        listeners(&self.get("/listeners?format=json").await.json())
    }

    /// What Envoy runs on now, by section.
    pub async fn config_dump(&self) -> Value {
        self.get("/config_dump?include_eds").await.json()
    }
}

fn numbers(stats: &Value) -> BTreeMap<String, u64> {
    let stats = stats["stats"].as_array().into_iter().flatten();
    stats
        .filter_map(|stat| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?)))
        .collect()
}

fn listeners(answer: &Value) -> BTreeMap<String, SocketAddr> {
    let address = |listener: &Value| {
        let socket = &listener["local_address"]["socket_address"];
        let text = format!("{}:{}", socket["address"].as_str()?, socket["port_value"]);
        Some((listener["name"].as_str()?.to_owned(), text.parse().ok()?))
    };
    answer["listener_statuses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(address)
        .collect()
}

/// The statistics that say that a Wasm VM failed and was or is to be loaded again, where they are not 0.
pub fn vm_reloads(stats: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let reload = |name: &str| name.starts_with("wasm.") && name.contains("vm_reload");
    let seen = stats
        .iter()
        .filter(|(name, value)| reload(name) && **value > 0);
    seen.map(|(name, value)| (name.as_str(), *value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_and_histograms_are_left_out() {
        let stats = json!({"stats": [{"name": "a", "value": 3}, {"histograms": {}}, 7]});
        assert_eq!(numbers(&stats), BTreeMap::from([("a".to_owned(), 3)]));
        assert!(numbers(&Value::Null).is_empty());
    }

    #[test]
    fn listeners_are_read_with_the_ports_they_were_given() {
        let socket = json!({"socket_address": {"address": "127.0.0.1", "port_value": 81}});
        let answer = json!({"listener_statuses": [{"name": "http", "local_address": socket}]});
        assert_eq!(listeners(&answer)["http"], ([127, 0, 0, 1], 81).into());
    }

    #[test]
    fn a_reloaded_vm_is_a_failure_and_a_created_one_is_not() {
        let stats = [
            ("wasm.envoy.wasm.runtime.v8.created", 3),
            ("wasm.x.vm_reload_success", 1),
            ("wasm.x.vm_reload_backoff", 0),
        ];
        let stats = stats.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(vm_reloads(&stats), [("wasm.x.vm_reload_success", 1)]);
    }
}
