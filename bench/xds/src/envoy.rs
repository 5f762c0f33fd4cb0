//! A real Envoy with the bootstrap that users load, and steady traffic through it.

use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use watershed_harness::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);
/// Connections of the traffic.
const CONNECTIONS: u32 = 10;
/// Units that take turns on each.
const UNITS: u32 = 100;

/// Starts Envoy on the control plane at `xds`; it ends when what is returned is dropped.
///
/// # Errors
/// The bootstrap cannot be read or written.
pub fn start(envoy: &Path, folder: &Path, xds: SocketAddr) -> anyhow::Result<Process> {
    let bootstrap = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../envoy/bootstrap.yaml");
    let text = std::fs::read_to_string(&bootstrap)
        .with_context(|| bootstrap.display().to_string())?
        .replace("WATERSHED_HOST", &xds.ip().to_string())
        .replace("WATERSHED_PORT", &xds.port().to_string())
        .replace("port_value: 9901", "port_value: 0");
    let config = folder.join("envoy.yaml");
    std::fs::write(&config, text)?;
    let mut command = Command::new(envoy);
    command
        .arg("--config-path")
        .arg(&config)
        .args(["--concurrency", "2", "--disable-hot-restart"])
        .args(["--log-level", "warning"]);
    Ok(Process::start(command, &folder.join("envoy.log")))
}

/// Requests of many units, at a steady rate, until dropped.
#[derive(Debug)]
pub struct Traffic {
    /// What sends them.
    _connections: JoinSet<anyhow::Result<()>>,
}

impl Traffic {
    /// So many requests a second to `gateway`, once it listens.
    ///
    /// # Errors
    /// It does not after a minute.
    pub async fn start(gateway: SocketAddr, per_second: u32) -> anyhow::Result<Self> {
        let mut connections = JoinSet::new();
        for number in 0..CONNECTIONS {
            let stream = tokio::time::timeout(PATIENCE, connect(gateway)).await;
            let stream = stream.context("the proxy does not listen")??;
            connections.spawn(send(
                stream,
                number,
                Duration::from_secs(1) * CONNECTIONS / per_second,
            ));
        }
        Ok(Self {
            _connections: connections,
        })
    }
}

async fn connect(gateway: SocketAddr) -> anyhow::Result<TcpStream> {
    loop {
        if let Ok(stream) = TcpStream::connect(gateway).await {
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a request whenever one is due; one that is late is sent as soon as the one before is answered.
async fn send(mut stream: TcpStream, number: u32, between: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut answer = Vec::with_capacity(4_096);
    for turn in 0.. {
        let due = between * number / CONNECTIONS + between * turn;
        tokio::time::sleep_until((began + due).into()).await;
        let unit = format!("unit-{number}-{}", turn % UNITS);
        let request = format!("GET / HTTP/1.1\r\nhost: bench\r\nx-user: {unit}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        while !answer.ends_with(b"\r\n\r\nok\n") {
            anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "the proxy hung up");
        }
    }
    Ok(())
}
