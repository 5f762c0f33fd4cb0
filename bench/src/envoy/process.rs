//! A child process and what the kernel says it used. What lives here: Envoy's start, the processor
//! time of a process and of one of its threads, and its memory. What does not: any load.

use super::admin::Admin;
use anyhow::Context as _;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Under valgrind it takes minutes to compile a filter.
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(20);

/// A child that ends when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it with what it says in a file.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn();
        Ok(Self(
            child.with_context(|| format!("can't start {command:?}"))?,
        ))
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// The processor time that it used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn used(&self) -> anyhow::Result<Duration> {
        used(self.id(), |_| true)
    }

    /// The processor time that its threads of this name used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn used_by(&self, name: &str) -> anyhow::Result<Duration> {
        used(self.id(), |thread| thread == name)
    }

    /// The memory that it has in the machine, in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.context("no VmRSS")?.trim().parse()?;
        Ok(kilobytes * 1_024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sum over threads of what the scheduler accounted to them, in nanoseconds: utime + stime of
/// `/proc/{pid}/stat` is the same in ticks of 10 ms. A thread that ends takes its time with it;
/// Envoy's don't end.
fn used(id: u32, counts: impl Fn(&str) -> bool) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0_u64;
    for thread in fs::read_dir(format!("/proc/{id}/task")).context("the process is gone")? {
        let thread = thread?.path();
        // Any thread may end between the two.
        let name = fs::read_to_string(thread.join("comm")).unwrap_or_default();
        let times = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
        let time = times
            .split(' ')
            .next()
            .and_then(|time| time.parse::<u64>().ok());
        if counts(name.trim()) {
            nanoseconds += time.unwrap_or(0);
        }
    }
    anyhow::ensure!(
        nanoseconds > 0,
        "the kernel gives no times in /proc/{id}/task/*/schedstat"
    );
    Ok(Duration::from_nanos(nanoseconds))
}

/// An Envoy that is up.
#[derive(Debug)]
pub struct Envoy {
    /// The process.
    pub process: Process,
    /// Its admin interface.
    pub admin: Admin,
    /// Where its one listener is.
    pub listener: SocketAddr,
}

impl Envoy {
    /// Starts it with so many workers and waits until it is up. Its files lie in `folder`.
    ///
    /// # Errors
    /// Where it ends, or isn't up within a minute; with the end of its log.
    pub fn start(
        binary: &Path,
        folder: &Path,
        bootstrap: &Value,
        workers: u32,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let (config, admin) = (folder.join("envoy.json"), folder.join("admin"));
        let log = folder.join("envoy.log");
        fs::write(&config, serde_json::to_vec(bootstrap)?)?;
        let mut command = Command::new(binary);
        command.arg("--config-path").arg(&config);
        command.arg("--admin-address-path").arg(&admin);
        command.args([
            "--concurrency",
            &workers.to_string(),
            "--disable-hot-restart",
        ]);
        command.args(["--log-level", "warning"]);
        let mut process = Process::start(&mut command, &log)?;
        let start = Instant::now();
        loop {
            if let Some(up) = up(&admin) {
                let (admin, listener) = up;
                return Ok(Self {
                    process,
                    admin,
                    listener,
                });
            }
            if !process.runs() || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(&log).unwrap_or_default();
                anyhow::bail!("Envoy is not up:\n{log}");
            }
            pause();
        }
    }
}

fn up(admin: &Path) -> Option<(Admin, SocketAddr)> {
    let admin = Admin(fs::read_to_string(admin).ok()?.trim().parse().ok()?);
    let listener = admin.listener().ok()?;
    admin.is_ready().then_some((admin, listener))
}

/// Between two looks at something that takes its time.
pub fn pause() {
    thread::park_timeout(PAUSE);
}
