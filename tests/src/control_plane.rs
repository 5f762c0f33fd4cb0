//! The control plane as a process. What lives here: starting it on fixed addresses, so that it can be
//! killed and started again, and waiting until it serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::api::Api;
use crate::http::Request;
use crate::process::Process;
use crate::{Port, binaries, eventually};

/// Starts a control plane by a command of somebody else's, which has `ready` as its `--ready-file`, and waits
/// until it listens.
pub async fn start_by(command: Command, ready: &Path) -> Process {
    let mut process = Process::start(command, &ready.with_extension("log"));
    eventually("the control plane listens", async || {
        assert!(process.ended().is_none(), "{}", process.log_end());
        fs::metadata(ready)
    })
    .await;
    process
}

/// A control plane that runs, or did and may run again.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    api: Port,
    xds: Port,
    arguments: Vec<String>,
    xds_security: Vec<String>,
    process: Option<Process>,
}

impl ControlPlane {
    /// One that does not run yet, but whose addresses are known; its database is in `folder`.
    pub fn stopped(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            api: Port::reserve(),
            xds: Port::reserve(),
            arguments: Vec::new(),
            xds_security: vec!["--xds-plaintext".to_owned()],
            process: None,
        }
    }

    /// The same as a replica on a PostgreSQL database. It never polls, so that what reaches it from
    /// others does because the database told it.
    #[must_use]
    pub fn on(mut self, database_url: &str) -> Self {
        self.move_to(database_url);
        self
    }

    /// The same, asking of proxies what these arguments say.
    #[must_use]
    pub fn secured(mut self, arguments: Vec<String>) -> Self {
        self.xds_security = arguments;
        self
    }

    /// [`ControlPlane::on`], from its next start.
    pub fn move_to(&mut self, database_url: &str) {
        let never = "3600000";
        let arguments = ["--database-url", database_url, "--poll-interval", never];
        self.arguments = arguments.map(str::to_owned).to_vec();
    }

    /// Where its API is.
    pub fn api(&self) -> Api {
        Api::new(self.api.address())
    }

    /// Where proxies find it.
    pub fn xds(&self) -> std::net::SocketAddr {
        self.xds.address()
    }

    /// Starts it with the filter that was built, and waits until it is ready.
    pub async fn start(&mut self) {
        self.start_with_wasm(&binaries::wasm()).await;
    }

    /// Starts it so that it tells proxies to load the filter from `wasm`.
    pub async fn start_with_wasm(&mut self, wasm: &Path) {
        let wasm = wasm.to_str().expect("a path of UTF-8");
        self.start_with(&["--wasm-path", wasm, "--insecure-open-api"])
            .await;
    }

    /// Starts it with these arguments beside its addresses and its database.
    pub async fn start_with(&mut self, arguments: &[&str]) {
        self.start_by(Command::new(binaries::watershed()), arguments)
            .await;
    }

    /// Starts it by a command that runs `watershed` with the arguments that it is given.
    pub async fn start_by(&mut self, mut command: Command, arguments: &[&str]) {
        command
            .arg("serve")
            .args(["--api-address", &self.api.address().to_string()])
            .args(["--xds-address", &self.xds.address().to_string()])
            .env_remove("DATABASE_URL")
            .env_remove("WATERSHED_EVIDENCE_URL")
            .arg("--database")
            .arg(self.folder.join("watershed.db"))
            .args(&self.arguments)
            .args(&self.xds_security)
            .args(arguments)
            .current_dir(&self.folder);
        let log = self.folder.join("control-plane.log");
        let process = self.process.insert(Process::start(command, &log));
        let api = Api::new(self.api.address());
        eventually("the control plane is ready", async || {
            if let Some(status) = process.ended() {
                panic!(
                    "the control plane ended with {status}\n{}",
                    process.log_end()
                );
            }
            match api.send(&Request::get("/readyz")).await {
                Ok(response) if response.status == 200 => Ok(()),
                Ok(response) => Err(format!("/readyz: {} {}", response.status, response.text())),
                Err(error) => Err(format!("/readyz: {error}")),
            }
        })
        .await;
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it to end, as an orchestrator does, and waits until it has.
    pub async fn end(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.signal(libc::SIGTERM);
        eventually("the control plane ends", async || {
            process.ended().map(|_| ()).ok_or("it runs")
        })
        .await;
    }

    /// All that it wrote, where it runs.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// The end of its log, where it runs.
    pub fn log_end(&self) -> String {
        self.process
            .as_ref()
            .map(Process::log_end)
            .unwrap_or_default()
    }
}
