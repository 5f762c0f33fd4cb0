//! Upstream models inside the test's own process. What lives here: starting and stopping them; how they
//! answer is the product's own [`watershed::demo::model`].

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use watershed::demo::model::{self, Settings};

/// A running model; gone when dropped.
#[derive(Debug)]
pub struct Upstream {
    /// What it calls itself; stories name its cluster so, too.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
}

impl Upstream {
    /// A model on a free port that answers at once.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the bound address");
        let server = model::serve(Settings::named(name), listener, std::future::pending());
        Self {
            name: name.to_owned(),
            address,
            server: tokio::spawn(server),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}
