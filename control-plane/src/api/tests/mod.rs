//! Tests of the API as a client sees it: requests in, statuses and bodies out, over a store in a
//! folder of its own.

mod access;
mod audit;
mod backup;
mod evaluate;
mod evidence;
mod fleets;
mod garbage;
mod golden;
mod keys;
mod list;
mod ofrep;
mod open_id;
mod openapi;
mod outcome_stream;
mod repeat;
mod resources;
mod settings;
mod status;

use super::fleets::{FleetState, ProxyStatus};
use super::{AppState, Auth, Gate, router};
use crate::auth::KeyHash;
use crate::control::{Control, Publication, Publisher, Rejected};
use crate::evidence::accounts::Accounts;
use crate::evidence::desk::Desk;
use crate::evidence::fake;
use crate::metrics::Metrics;
use crate::model::{Key, Model};
use crate::resources::{ResourceChanges, Settings, difference};
use crate::store::Store;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tower::ServiceExt;
use watershed_evidence::{Privacy, UnitHasher};

const KEY: &str = "correct-horse-battery-staple";

/// Fleets as a test sets them.
#[derive(Default)]
struct Fleets(Mutex<BTreeMap<Key, FleetState>>);

impl ProxyStatus for Fleets {
    fn fleet(&self, fleet: &Key) -> FleetState {
        let fleets = self.0.lock().unwrap();
        fleets.get(fleet).cloned().unwrap_or_default()
    }

    fn fleets(&self) -> BTreeSet<Key> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

/// Refuses a model with a layer called `unpublishable`.
struct Proxies;

impl Publisher for Proxies {
    fn preview(&self, before: &Model, after: &Model) -> Result<ResourceChanges, Rejected> {
        self.prepare(after).map(drop)?;
        let wasm_path = "/watershed.wasm".to_owned();
        let changes = difference(before, after, &Settings { wasm_path });
        Ok(changes.unwrap())
    }

    fn prepare(&self, model: &Model) -> Result<Publication, Rejected> {
        if model.layers.contains_key("unpublishable") {
            let reason = "fleet default: the filter would refuse it".to_owned();
            return Err(Rejected { reason });
        }
        Ok(Box::new(|| {}))
    }
}

fn clock() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

struct Server {
    router: Router,
    store: Store,
    control: Arc<Control>,
    fleets: Arc<Fleets>,
    kept: Arc<fake::Kept>,
    folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// That this is a problem of this status; gives its faults as `pointer: message`.
    fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(
            body["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:watershed:problem:")
        );
        assert!(!body["title"].as_str().unwrap().is_empty());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let line = |e: &Value| {
            format!(
                "{}: {}",
                e["pointer"].as_str().unwrap(),
                e["message"].as_str().unwrap()
            )
        };
        errors.iter().map(line).collect()
    }
}

impl Server {
    async fn with(auth: Auth) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("w.db")).await.unwrap();
        let metrics = Arc::new(Metrics::new());
        let control = Control::start(store.clone(), Arc::new(Proxies), metrics.clone()).await;
        let control = control.unwrap();
        let fleets = Arc::new(Fleets::default());
        let gate = Gate::open(auth, store.clone(), metrics.clone(), clock);
        let gate = gate.await.unwrap();
        let kept = Arc::new(fake::Kept::default());
        let units = UnitHasher::new(&[7; 32], Privacy::Hashed);
        let evidence = Arc::new(Desk::new(kept.clone(), units, 1));
        let state = AppState {
            control: control.clone(),
            proxies: fleets.clone(),
            metrics,
            accounts: Accounts::of_nobody(),
            gate,
            store: store.clone(),
            evidence: Some(evidence.clone()),
            clock,
        };
        Self {
            router: router(state),
            store,
            control,
            fleets,
            kept,
            folder,
        }
    }

    /// The same with another control over the same store, as after a restart.
    async fn with_control(self, control: Arc<Control>) -> Self {
        let gate = Gate::open(Auth::Open, self.store.clone(), Arc::default(), clock);
        let state = AppState {
            control: control.clone(),
            proxies: self.fleets.clone(),
            metrics: Arc::default(),
            accounts: Accounts::of_nobody(),
            gate: gate.await.unwrap(),
            store: self.store.clone(),
            evidence: None,
            clock,
        };
        let router = router(state);
        Self {
            router,
            control,
            ..self
        }
    }

    /// A server that asks for a key: [`KEY`], or one that it made.
    async fn locked() -> Self {
        let command_line = Some(KeyHash::of(KEY.as_bytes()));
        let rate = None;
        Self::with(Auth::Keys {
            command_line,
            rate,
            open_id: None,
        })
        .await
    }

    async fn open() -> Self {
        Self::with(Auth::Open).await
    }

    /// An open server with a cluster, a layer, a service and the experiment `x`.
    async fn filled() -> Self {
        let server = Self::open().await;
        for (path, body) in [
            (
                "/v1/clusters/stable",
                json!({"endpoints": [{"address": "10.0.0.1", "port": 80}]}),
            ),
            ("/v1/layers/models", json!({})),
            ("/v1/services/chat", json!({"default_cluster": "stable"})),
            ("/v1/experiments/x", experiment()),
        ] {
            assert_eq!(server.put(path, &body).await.status, StatusCode::CREATED);
        }
        server
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            // Of a file that is no text, what of it is.
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_owned().into()).unwrap())
            .await
    }

    /// A call with a key.
    async fn with_key(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        let key = format!("Bearer {key}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*key),
            ("user-agent", "tests/1"),
        ];
        self.call(method, path, &headers, body).await
    }

    /// A key that the admin made.
    async fn made(&self, name: &str, role: &str) -> String {
        let wish = json!({"name": name, "role": role}).to_string();
        let answer = self.with_key(KEY, "POST", "/v1/keys", &wish).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    async fn post(&self, path: &str) -> Answer {
        self.call("POST", path, &[], "").await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], "").await
    }

    async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call(method, path, &[("content-type", "application/json")], body)
            .await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, &body.to_string()).await
    }

    async fn weights(&self, body: &Value) -> Answer {
        self.json("PATCH", "/v1/experiments/x/weights", &body.to_string())
            .await
    }
}

fn experiment() -> Value {
    json!({
        "owner": "somebody",
        "decision_date": "2026-03-31",
        "layer": "models",
        "services": ["chat"],
        "unit": {"type": "user", "sources": [{"header": "x-user"}]},
        "traffic": 6000,
        "variants": [{"key": "control", "weight": 7000}, {"key": "candidate", "weight": 3000}],
    })
}
