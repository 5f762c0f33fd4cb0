//! The whole of Watershed for one story. What lives here: the usual stack (upstreams, control plane,
//! Envoy as a front proxy), the documents that most stories apply to it, and what is printed when a
//! story fails. What does not: stories.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::api::Api;
use crate::control_plane::ControlPlane;
use crate::envoy::{Bootstrap, Envoy, Transport};
use crate::traffic::ask;
use crate::{Port, Upstream, binaries, eventually};

/// Upstreams, a control plane and an Envoy in a folder of their own; gone when dropped. Where a story
/// fails, the ends of the logs are printed and the folder stays.
#[derive(Debug)]
pub struct Stack {
    /// Envoy.
    pub envoy: Envoy,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// `stable-a`, `candidate-b` and `candidate-c`.
    pub upstreams: [Upstream; 3],
    listener: Port,
    folder: TempDir,
}

impl Stack {
    /// Starts everything; nothing is applied yet, so that Envoy has no listener.
    pub async fn start(transport: Transport) -> Self {
        Self::start_on(transport, None).await
    }

    /// [`Stack::start`] with the model in a PostgreSQL database, where its URL is given.
    pub async fn start_on(transport: Transport, database_url: Option<&str>) -> Self {
        let folder = folder();
        let mut control_plane = ControlPlane::stopped(folder.path());
        if let Some(url) = database_url {
            control_plane = control_plane.on(url);
        }
        control_plane.start().await;
        let bootstrap = front_proxy(control_plane.xds()).transport(transport);
        Self::around(control_plane, &bootstrap, folder).await
    }

    /// Starts the rest around a control plane that runs, and whose database is in `folder`.
    pub async fn around(
        control_plane: ControlPlane,
        bootstrap: &Bootstrap,
        folder: TempDir,
    ) -> Self {
        Self {
            envoy: Envoy::start(folder.path(), bootstrap).await,
            control_plane,
            upstreams: upstreams().await,
            listener: Port::reserve(),
            folder,
        }
    }

    /// [`Stack::start`] with the clusters, the service `chat` and the layer `models`, but no experiment.
    pub async fn with_service(transport: Transport) -> Self {
        let stack = Self::start(transport).await;
        stack.apply_service().await;
        stack
    }

    async fn apply_service(&self) {
        let api = self.api();
        for upstream in &self.upstreams {
            let path = format!("/v1/clusters/{}", upstream.name);
            api.put(&path, &documents::cluster(upstream.address)).await;
        }
        api.put("/v1/services/chat", &documents::service(self.gateway()))
            .await;
        api.put("/v1/layers/models", &documents::layer()).await;
    }

    /// [`Stack::with_service`] with the experiment `chat-model` running 70/20/10 and known to Envoy.
    pub async fn with_chat(transport: Transport) -> Self {
        Self::with_chat_on(transport, None).await
    }

    /// [`Stack::with_chat`] with the model in a PostgreSQL database, where its URL is given.
    pub async fn with_chat_on(transport: Transport, database_url: Option<&str>) -> Self {
        let stack = Self::start_on(transport, database_url).await;
        stack.start_chat().await;
        stack
    }

    /// Applies all that `chat-model` needs, starts it, and waits until it is known to Envoy.
    pub async fn start_chat(&self) {
        self.apply_service().await;
        let api = self.api();
        api.put("/v1/experiments/chat-model", &documents::chat_model())
            .await;
        api.post("/v1/experiments/chat-model/start").await;
        self.until_split().await;
    }

    /// Waits until Envoy has acknowledged `chat-model` and a request is stamped with it. Both, because
    /// a listener may answer before the filter's first configuration.
    pub async fn until_split(&self) {
        self.api().until_in_sync("chat-model").await;
        let gateway = self.gateway();
        eventually("the proxy listens", async || {
            tokio::net::TcpStream::connect(gateway).await.map(drop)
        })
        .await;
        eventually("requests are stamped", async || {
            let answer = ask(gateway, "first").await;
            if answer.experiment == "chat-model" {
                Ok(())
            } else {
                Err(format!("{answer:?}"))
            }
        })
        .await;
    }

    /// The control plane's API.
    pub fn api(&self) -> Api {
        self.control_plane.api()
    }

    /// Where clients send their requests.
    pub fn gateway(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The story's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}{}", self.control_plane.log_end(), self.envoy.log_end());
            self.folder.disable_cleanup(true);
        }
    }
}

/// A folder of a story's own.
pub fn folder() -> TempDir {
    let mut folder = tempfile::Builder::new();
    folder.prefix("watershed-").tempdir().expect("a folder")
}

/// The bootstrap of a front proxy that knows only the control plane.
pub fn front_proxy(xds: SocketAddr) -> Bootstrap {
    Bootstrap::read("bootstrap.yaml", xds, &binaries::wasm())
}

/// The three models of the usual stack; `stable-a` is the stable one.
pub async fn upstreams() -> [Upstream; 3] {
    [
        Upstream::start("stable-a").await,
        Upstream::start("candidate-b").await,
        Upstream::start("candidate-c").await,
    ]
}

/// What most stories apply.
pub mod documents {
    use std::net::SocketAddr;

    use serde_json::{Value, json};

    /// The weights that `chat-model` starts with.
    pub const WEIGHTS: [(&str, u32); 3] = [
        ("stable", 7_000),
        ("candidate-b", 2_000),
        ("candidate-c", 1_000),
    ];

    /// A cluster of one endpoint.
    pub fn cluster(endpoint: SocketAddr) -> Value {
        json!({ "endpoints": [socket(endpoint)] })
    }

    /// A service for every host and path.
    pub fn service(listener: SocketAddr) -> Value {
        json!({ "listeners": [socket(listener)], "hosts": ["*"], "default_cluster": "stable-a" })
    }

    /// A layer with its own name as salt.
    pub fn layer() -> Value {
        json!({})
    }

    /// Three models, by conversation.
    pub fn chat_model() -> Value {
        let cluster = |variant: &str| {
            if variant == "stable" {
                "stable-a"
            } else {
                variant
            }
            .to_owned()
        };
        let variants: Vec<Value> = WEIGHTS
            .iter()
            .map(|(key, weight)| json!({ "key": key, "weight": weight, "cluster": cluster(key) }))
            .collect();
        json!({
            "layer": "models",
            "services": ["chat"],
            "unit": { "type": "conversation", "sources": [{ "header": "x-conversation-id" }, { "cookie": "cid" }] },
            "variants": variants,
            "fallback": "stable",
            "owner": "ml-platform",
            "decision_date": "2026-12-31",
        })
    }

    /// The body of a change of weights.
    pub fn weights(weights: &[(&str, u32)]) -> Value {
        weights
            .iter()
            .map(|(variant, weight)| ((*variant).to_owned(), json!(weight)))
            .collect()
    }

    fn socket(address: SocketAddr) -> Value {
        json!({ "address": address.ip().to_string(), "port": address.port() })
    }
}
