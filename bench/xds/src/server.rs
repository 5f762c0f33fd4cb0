//! The control plane as a process: started as anybody starts it, on free ports, and watched from outside.

use crate::api::Api;
use anyhow::Context as _;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use watershed_harness::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The control plane.
    pub watershed: PathBuf,
    /// Envoy.
    pub envoy: PathBuf,
    /// The filter.
    pub filter: PathBuf,
}

/// A running control plane; gone when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its API.
    pub api: Api,
    /// Where proxies find it.
    pub xds: SocketAddr,
    process: Process,
}

#[derive(Deserialize)]
struct Ready {
    api: SocketAddr,
    xds: SocketAddr,
}

impl Server {
    /// Starts one with its files in `folder`; on PostgreSQL, where its URL is given.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start(
        programs: &Programs,
        folder: &Path,
        database_url: Option<&str>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let ready = folder.join("ready.json");
        let any = "127.0.0.1:0";
        let mut command = Command::new(&programs.watershed);
        command
            .args(["serve", "--insecure-open-api", "--xds-plaintext"])
            .args(["--api-address", any, "--xds-address", any])
            .arg("--wasm-path")
            .arg(&programs.filter)
            .arg("--database")
            .arg(folder.join("watershed.db"))
            .arg("--ready-file")
            .arg(&ready)
            .env_remove("DATABASE_URL");
        if let Some(url) = database_url {
            command.args(["--database-url", url]);
        }
        let mut process = Process::start(command, &folder.join("control-plane.log"));
        let listening = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&ready) {
                    return Ok(serde_json::from_str::<Ready>(&text)?);
                }
                if let Some(status) = process.ended() {
                    anyhow::bail!(
                        "the control plane ended with {status}\n{}",
                        process.log_end()
                    );
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Ready { api, xds } = tokio::time::timeout(PATIENCE, listening)
            .await
            .context("the control plane does not come up")??;
        Ok(Self {
            api: Api::new(api),
            xds,
            process,
        })
    }

    /// The memory that it has in the machine, in KB (1,024 bytes).
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_kb(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(value.context("no VmRSS")?.parse()?)
    }

    /// The processor time that it used so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // After the name in parentheses: utime and stime are fields 14 and 15, in hundredths of a second.
        let after = stat.rsplit_once(") ").context("no stat")?.1;
        let ticks: u64 = after
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.process.log_end()
    }
}
