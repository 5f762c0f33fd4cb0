//! The processes of the demo: the control plane (this very binary) and Envoy, each with its log in
//! the demo's folder, each ended with the demo.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a process may take to come up.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The bootstrap that users load, with placeholders for the control plane's address.
const BOOTSTRAP: &str = include_str!("../../../envoy/bootstrap.yaml");

/// Where the control plane listens, as it says itself in its ready file.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Ready {
    /// The REST API.
    pub api: SocketAddr,
    /// xDS and access logs.
    pub xds: SocketAddr,
}

/// The control plane as a process of its own, so that it can be killed.
pub struct ControlPlane {
    folder: PathBuf,
    wasm: PathBuf,
    child: Child,
    /// Where it listens.
    pub ready: Ready,
}

impl ControlPlane {
    /// Starts one on free ports with its database in `folder`.
    ///
    /// # Errors
    /// It does not come up; the error ends with its log.
    pub async fn start(folder: &Path, wasm: &Path) -> anyhow::Result<Self> {
        let free: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let (child, ready) = spawn_control_plane(
            folder,
            wasm,
            Ready {
                api: free,
                xds: free,
            },
        )
        .await?;
        Ok(Self {
            folder: folder.to_owned(),
            wasm: wasm.to_owned(),
            child,
            ready,
        })
    }

    /// Ends it without warning, as a crash would.
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill -9 the control plane")
    }

    /// Starts it again on the same ports and the same database.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        (self.child, self.ready) =
            spawn_control_plane(&self.folder, &self.wasm, self.ready).await?;
        Ok(())
    }
}

async fn spawn_control_plane(
    folder: &Path,
    wasm: &Path,
    on: Ready,
) -> anyhow::Result<(Child, Ready)> {
    let ready_file = folder.join("ready.json");
    let _ = std::fs::remove_file(&ready_file);
    let log = folder.join("control-plane.log");
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args([
            "--api-address",
            &on.api.to_string(),
            "--xds-address",
            &on.xds.to_string(),
        ])
        .env_remove("DATABASE_URL")
        .arg("--database")
        .arg(folder.join("watershed.db"))
        .arg("--wasm-path")
        .arg(wasm)
        .arg("--ready-file")
        .arg(&ready_file)
        .args(["--insecure-open-api", "--xds-plaintext"])
        .stdin(Stdio::null())
        .stdout(append(&log)?)
        .stderr(append(&log)?)
        .kill_on_drop(true)
        .spawn()
        .context("start the control plane")?;
    let ready = until_up(&mut child, "the control plane", &log, || {
        serde_json::from_slice(&std::fs::read(&ready_file).ok()?).ok()
    })
    .await?;
    Ok((child, ready))
}

/// Envoy, as a user's front proxy.
pub struct Envoy {
    _child: Child,
    /// Its admin interface.
    pub admin: SocketAddr,
}

impl Envoy {
    /// Starts `binary` with the project's bootstrap, knowing only the control plane's xDS address.
    ///
    /// # Errors
    /// It does not come up; the error ends with its log.
    pub async fn start(binary: &Path, folder: &Path, xds: SocketAddr) -> anyhow::Result<Self> {
        let bootstrap = folder.join("envoy.yaml");
        std::fs::write(&bootstrap, rendered_bootstrap(xds))?;
        let log = folder.join("envoy.log");
        let admin_file = folder.join("admin-address.txt");
        let _ = std::fs::remove_file(&admin_file);
        let mut child = Command::new(binary)
            .arg("--config-path")
            .arg(&bootstrap)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .args([
                "--use-dynamic-base-id",
                "--concurrency",
                "2",
                "--log-level",
                "warning",
            ])
            .stdin(Stdio::null())
            .stdout(append(&log)?)
            .stderr(append(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let admin = until_up(&mut child, "Envoy", &log, || {
            std::fs::read_to_string(&admin_file)
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .await?;
        Ok(Self {
            _child: child,
            admin,
        })
    }
}

fn rendered_bootstrap(xds: SocketAddr) -> String {
    BOOTSTRAP
        .replace("WATERSHED_HOST", &xds.ip().to_string())
        .replace("WATERSHED_PORT", &xds.port().to_string())
        .replace("port_value: 9901", "port_value: 0")
}

/// Waits until `up` gives something, the process ends, or its time is up.
async fn until_up<T>(
    child: &mut Child,
    what: &str,
    log: &Path,
    up: impl Fn() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + START;
    loop {
        if let Some(found) = up() {
            return Ok(found);
        }
        if let Some(status) = child.try_wait()? {
            bail!("{what} ended with {status}\n{}", tail(log));
        }
        if Instant::now() > deadline {
            bail!(
                "{what} did not come up in {} s\n{}",
                START.as_secs(),
                tail(log)
            );
        }
        sleep(POLL).await;
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(20);
    format!(
        "--- the end of {}\n{}",
        log.display(),
        lines.get(from..).unwrap_or_default().join("\n")
    )
}

fn append(path: &Path) -> anyhow::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// `wanted` if nothing listens there, else a free port of this host.
///
/// # Errors
/// The host has no free port.
pub fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_has_no_placeholder_left() {
        let text = rendered_bootstrap((Ipv4Addr::LOCALHOST, 4_711).into());
        let config: Vec<&str> = text
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'))
            .collect();
        assert!(!config.join("\n").contains("WATERSHED_"), "{text}");
        assert!(
            text.contains("address: 127.0.0.1, port_value: 4711"),
            "{text}"
        );
    }

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }
}
