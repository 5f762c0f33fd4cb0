//! An Envoy that depends on nothing but its own file. What lives here: `envoy/sidecar/static.yaml` with
//! a configuration of the story's own, in front of two echoes.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::echo::Echo;
use crate::envoy::{Bootstrap, Envoy};
use crate::http::{Request, Response, send};
use crate::{Port, binaries, eventually};

/// The HTTP filters of the bootstrap, in order.
pub const HTTP_FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";

/// Where the filter's configuration stands.
const CONFIGURATION: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
    /http_filters/0/typed_config/config/configuration/value";

/// An Envoy, and the echoes `stable-a` and `candidate-b` behind it.
#[derive(Debug)]
pub struct Standalone {
    /// Envoy.
    pub envoy: Envoy,
    listener: Port,
    _echoes: [Echo; 2],
    folder: TempDir,
}

impl Standalone {
    /// Starts everything and waits until it answers. `edit` may change the bootstrap further.
    pub async fn start(configuration: &Value, edit: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("watershed-")
            .tempdir()
            .expect("a folder");
        let listener = Port::reserve();
        let echoes = [
            Echo::start("stable-a").await,
            Echo::start("candidate-b").await,
        ];
        let nobody = ([127, 0, 0, 1], 1).into();
        let mut bootstrap = Bootstrap::read("sidecar/static.yaml", nobody, &binaries::wasm())
            .listen(listener.address())
            .cluster("stable-a", echoes[0].address)
            .cluster("candidate-b", echoes[1].address);
        *bootstrap.at(CONFIGURATION) = json!(configuration.to_string());
        let standalone = Self {
            envoy: Envoy::start(folder.path(), &edit(bootstrap)).await,
            listener,
            _echoes: echoes,
            folder,
        };
        eventually("the proxy listens", async || {
            send(standalone.gateway(), &Request::get("/")).await
        })
        .await;
        standalone
    }

    /// Where clients send their requests.
    pub fn gateway(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The response to a request; none fails the story.
    pub async fn send(&self, request: &Request) -> Response {
        let response = send(self.gateway(), request).await;
        response.unwrap_or_else(|error| panic!("{error}: {request:?}"))
    }

    /// What reached the upstream of a request, as [`Echo`] tells it.
    pub async fn echo(&self, request: &Request) -> Value {
        let response = self.send(request).await;
        assert_eq!(response.status, 200, "{request:?}: {}", response.text());
        response.json()
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.envoy.log_end());
            self.folder.disable_cleanup(true);
        }
    }
}
