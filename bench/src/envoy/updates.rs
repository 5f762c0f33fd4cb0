//! What a new configuration costs inside Envoy: the worker's time to take it, which is time in
//! which it answers nobody, and the memory of a worker. What does not live here: requests.

use super::bootstrap::{self, Surroundings};
use super::process::{Envoy, Process, pause};
use super::rounds::{Spread, spread};
use crate::work;
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const WORKER: &str = "wrk:worker_0";
const PATIENCE: Duration = Duration::from_secs(60);
/// A worker that is idle for so many looks has nothing left to do.
const STILL: usize = 10;
/// What an idle worker may use between two looks: its timers wake it now and then.
const IDLE: Duration = Duration::from_micros(400);

/// What updates of one size cost.
#[derive(Clone, Debug, Serialize)]
pub struct Update {
    /// How many experiments.
    pub experiments: u32,
    /// `protobuf` or `JSON`.
    pub encoding: &'static str,
    /// How long the configuration is.
    pub bytes: usize,
    /// The worker's first one, in milliseconds: V8 has not optimised anything yet.
    pub first_ms: f64,
    /// The worker's later ones, in milliseconds.
    pub worker_ms: Spread,
    /// The main thread's, in milliseconds: it reads the configuration and tries it first.
    pub main_ms: Spread,
}

/// What a worker holds.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Of what.
    pub setup: String,
    /// Envoy with one worker, in megabytes.
    pub one_worker_mb: f64,
    /// Each further worker, in megabytes.
    pub each_further_mb: f64,
}

/// Updates of `count` experiments, `times` of them after the first.
///
/// # Errors
/// Where Envoy doesn't start, refuses one, or doesn't take it within a minute.
pub fn measure(
    binary: &Path,
    folder: &Path,
    around: &Surroundings,
    count: u32,
    encoding: &'static str,
    times: usize,
) -> anyhow::Result<Update> {
    fs::create_dir_all(folder)?;
    let experiments = work::spread(count, 10);
    let configuration = |version: usize| {
        let version = format!("bench-{version}");
        match encoding {
            "JSON" => bootstrap::text(&experiments, &version),
            _ => bootstrap::protobuf(&experiments, &version),
        }
    };
    let small = bootstrap::protobuf(&work::spread(1, 1), "start")?;
    let file = folder.join("discovery.json");
    put(&file, &bootstrap::discovery("start", &around.filter, small))?;
    let bootstrap = bootstrap::from_file(&file, around);
    let envoy = Envoy::start(binary, folder, &bootstrap, 1)?;
    settle(&envoy.process)?;

    let mut worker = Vec::new();
    let mut main = Vec::new();
    for number in 0..=times {
        let content = configuration(number)?;
        let content = bootstrap::discovery(&number.to_string(), &around.filter, content);
        let before = (
            envoy.process.used_by(WORKER)?,
            envoy.process.used_by("envoy")?,
        );
        put(&file, &content)?;
        taken(&envoy, number as u64 + 2)?;
        settle(&envoy.process)?;
        let milliseconds = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e3;
        worker.push(milliseconds(before.0, envoy.process.used_by(WORKER)?));
        main.push(milliseconds(before.1, envoy.process.used_by("envoy")?));
    }
    let length = configuration(0)?
        .get("value")
        .and_then(Value::as_str)
        .map_or(0, str::len);
    Ok(Update {
        experiments: count,
        encoding,
        bytes: if encoding == "JSON" {
            length
        } else {
            length / 4 * 3
        },
        first_ms: worker.first().copied().unwrap_or(0.0),
        worker_ms: spread(worker.get(1..).unwrap_or_default()),
        main_ms: spread(main.get(1..).unwrap_or_default()),
    })
}

/// Replaces a file at once, as Envoy wants it to notice.
fn put(file: &Path, content: &Value) -> anyhow::Result<()> {
    let next = file.with_extension("next");
    fs::write(&next, serde_json::to_vec(content)?)?;
    Ok(fs::rename(next, file)?)
}

fn taken(envoy: &Envoy, reloads: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let refused = envoy.admin.counter("http_filter.watershed.config_fail")?
            + envoy
                .admin
                .counter("http_filter.watershed.update_rejected")?;
        anyhow::ensure!(refused == 0, "Envoy refused a configuration");
        let taken = envoy.admin.counter("http_filter.watershed.config_reload")?;
        if taken >= reloads {
            return Ok(());
        }
        anyhow::ensure!(
            start.elapsed() < PATIENCE,
            "Envoy takes no configuration: {taken}"
        );
        pause();
    }
}

/// Waits until neither the worker nor the main thread does anything more.
fn settle(process: &Process) -> anyhow::Result<()> {
    let mut still = 0;
    let mut last = process.used_by(WORKER)?;
    let start = Instant::now();
    while still < STILL {
        pause();
        let now = process.used_by(WORKER)?;
        let used = now.saturating_sub(last);
        still = if used < IDLE { still + 1 } else { 0 };
        last = now;
        anyhow::ensure!(
            start.elapsed() < PATIENCE,
            "the worker doesn't come to rest: it used {used:?} since the last look"
        );
    }
    Ok(())
}

/// The memory of Envoys with one and with three workers.
///
/// # Errors
/// Where one doesn't start.
pub fn memory(
    binary: &Path,
    folder: &Path,
    setup: String,
    bootstrap: &Value,
) -> anyhow::Result<Memory> {
    let mut megabytes = [0.0; 2];
    for (workers, megabytes) in [1, 3].into_iter().zip(&mut megabytes) {
        let envoy = Envoy::start(binary, folder, bootstrap, workers)?;
        settle(&envoy.process)?;
        *megabytes = envoy.process.memory()? as f64 / 1e6;
    }
    let [one, three] = megabytes;
    Ok(Memory {
        setup,
        one_worker_mb: one,
        each_further_mb: (three - one) / 2.0,
    })
}
