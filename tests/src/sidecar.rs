//! An Envoy of a user's own for one story: it has its listener, routes and clusters, and asks the control
//! plane only for the filter's configuration. What lives here: that stack and what is applied to it.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::envoy::{Bootstrap, Envoy};
use crate::http::send;
use crate::traffic::request;
use crate::{Port, Upstream, binaries, documents, eventually};

/// Two upstreams, an Envoy with `envoy/sidecar/ecds.yaml`, and a control plane that is not started.
#[derive(Debug)]
pub struct Sidecar {
    /// Envoy.
    pub envoy: Envoy,
    /// The control plane; Envoy knows its address.
    pub control_plane: ControlPlane,
    upstreams: [Upstream; 2],
    listener: Port,
    folder: TempDir,
}

impl Sidecar {
    /// The weights of the experiment that [`Sidecar::apply_experiment`] applies.
    pub const WEIGHTS: [(&str, u32); 2] = [("stable", 5_000), ("candidate-b", 5_000)];

    /// Starts Envoy and waits until it answers, which it does without a control plane.
    pub async fn start(edit: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("watershed-")
            .tempdir()
            .expect("a folder");
        let control_plane = ControlPlane::stopped(folder.path());
        let upstreams = [
            Upstream::start("stable-a").await,
            Upstream::start("candidate-b").await,
        ];
        let xds = control_plane.xds();
        let (envoy, listener) = proxy(folder.path(), xds, &upstreams, edit).await;
        Self {
            envoy,
            control_plane,
            upstreams,
            listener,
            folder,
        }
    }

    /// Another Envoy on the same control plane and upstreams, and where clients send their requests.
    pub async fn another(
        &self,
        name: &str,
        edit: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> (Envoy, Port) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        proxy(&folder, self.control_plane.xds(), &self.upstreams, edit).await
    }

    /// Where clients send their requests.
    pub fn gateway(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Applies and starts `chat-model` with two variants, and waits until Envoy has acknowledged it.
    pub async fn apply_experiment(&self) {
        let api = self.control_plane.api();
        for upstream in &self.upstreams {
            let path = format!("/v1/clusters/{}", upstream.name);
            api.put(&path, &documents::cluster(upstream.address)).await;
        }
        api.put(
            "/v1/services/chat",
            &json!({ "default_cluster": "stable-a" }),
        )
        .await;
        api.put("/v1/layers/models", &documents::layer()).await;
        api.put("/v1/experiments/chat-model", &Self::experiment())
            .await;
        api.post("/v1/experiments/chat-model/start").await;
        api.until_in_sync("chat-model").await;
    }

    /// `chat-model` with two variants.
    pub fn experiment() -> Value {
        let mut experiment = documents::chat_model();
        experiment["variants"] = json!([
            { "key": "stable", "weight": 5_000, "cluster": "stable-a" },
            { "key": "candidate-b", "weight": 5_000, "cluster": "candidate-b" },
        ]);
        experiment
    }
}

/// Starts Envoy and waits until it answers.
async fn proxy(
    folder: &Path,
    xds: SocketAddr,
    upstreams: &[Upstream],
    edit: impl FnOnce(Bootstrap) -> Bootstrap,
) -> (Envoy, Port) {
    let listener = Port::reserve();
    let mut bootstrap =
        Bootstrap::read("sidecar/ecds.yaml", xds, &binaries::wasm()).listen(listener.address());
    for upstream in upstreams {
        bootstrap = bootstrap.cluster(&upstream.name, upstream.address);
    }
    let envoy = Envoy::start(folder, &edit(bootstrap)).await;
    eventually("the proxy answers", async || {
        let response = send(listener.address(), &request("first")).await;
        let response = response.map_err(|error| error.to_string())?;
        if response.status == 200 {
            Ok(())
        } else {
            Err(response.status.to_string())
        }
    })
    .await;
    (envoy, listener)
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}{}", self.control_plane.log_end(), self.envoy.log_end());
            self.folder.disable_cleanup(true);
        }
    }
}
