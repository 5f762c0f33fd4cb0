//! Measures real Envoys and puts their figures together. What does not live here: how.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::Value;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use watershed_bench::envoy::bootstrap::{self, Surroundings, Trimmed};
use watershed_bench::envoy::process::{Envoy, Process, pause};
use watershed_bench::envoy::report::{self, Report};
use watershed_bench::envoy::rounds::{self, Plan, Running};
use watershed_bench::envoy::updates::{self, Memory};
use watershed_bench::envoy::upstream::Upstream;
use watershed_bench::envoy::{Setup, authz, load, plot};
use watershed_bench::envoy::{exports, instructions};
use watershed_bench::{machine, work};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve ext_authz until killed; the address is printed.
    ExtAuthz,
    /// Measure, write `envoy.json` and `envoy.svg` into a folder, and print them.
    Report(Options),
    /// Count the instructions that a request takes of Envoy without a filter and with each of these
    /// filters: some minutes each, whatever else the machine does. Needs valgrind.
    Count(Builds),
    /// Measure builds of Watershed's filter beside each other and print what each needs a request:
    /// the way to see what a change of the filter does.
    Compare(Builds),
}

#[derive(clap::Args)]
struct Builds {
    /// The Envoy to measure.
    #[arg(long, env = "ENVOY_BIN")]
    envoy: PathBuf,
    /// Experiments, in up to ten layers.
    #[arg(long, default_value_t = 100)]
    experiments: u32,
    /// Rounds.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Requests of one build in one round.
    #[arg(long, default_value_t = 4_000)]
    requests: usize,
    /// The builds; ratios are to the first one.
    filters: Vec<PathBuf>,
}

#[derive(clap::Args)]
struct Options {
    /// The Envoy to measure.
    #[arg(long, env = "ENVOY_BIN")]
    envoy: PathBuf,
    /// Watershed's filter.
    #[arg(long)]
    filter: PathBuf,
    /// The filter that does nothing.
    #[arg(long)]
    empty: PathBuf,
    /// The filter that makes host calls.
    #[arg(long)]
    probe: PathBuf,
    /// Where the figures go.
    #[arg(long)]
    out: PathBuf,
    /// Rounds.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Requests of one set-up in one round.
    #[arg(long, default_value_t = 4_000)]
    requests: usize,
    /// Requests of one set-up before the first round.
    #[arg(long, default_value_t = 12_000)]
    warm_up: usize,
    /// Updates of each size.
    #[arg(long, default_value_t = 15)]
    updates: usize,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::ExtAuthz => authz::serve(),
        Command::Report(options) => measure(&options),
        Command::Compare(builds) => compare(&builds),
        Command::Count(builds) => count(&builds),
    }
}

fn compare(builds: &Builds) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start()?;
    let (service, authz) = start_service(folder.path())?;
    let mut running = Vec::new();
    for (place, filter) in builds.filters.iter().enumerate() {
        let filter = filter.canonicalize()?;
        let around = Surroundings::of_filter(&filter, upstream.address, authz);
        let bootstrap = bootstrap::with_filter(&filter, builds.experiments, &around)?;
        let folder = folder.path().join(place.to_string());
        let envoy = Envoy::start(&builds.envoy, &folder, &bootstrap, 1)?;
        let setup = Setup::Watershed(builds.experiments);
        running.push(Running { setup, envoy });
    }
    let plan = Plan {
        rounds: builds.rounds,
        requests: builds.requests,
        warm_up: builds.requests * 3,
        checks: false,
    };
    let requests = load::wire(&work::requests());
    let samples = rounds::run(&running, &service, &upstream, &requests, plan, |_| {})?;
    let first = samples.first().map(|first| first.envoy.clone());
    for (filter, samples) in builds.filters.iter().zip(&samples) {
        let cpu = rounds::spread(&samples.envoy);
        let ratio = rounds::ratio(&samples.envoy, first.as_deref().unwrap_or_default());
        println!(
            "{:>7.1} us ({:.1}–{:.1})  {:.3}  {}",
            cpu.median,
            cpu.min,
            cpu.max,
            ratio.median,
            filter.display()
        );
    }
    Ok(())
}

fn count(builds: &Builds) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start()?;
    let (_service, authz) = start_service(folder.path())?;
    let requests = load::wire(&work::requests());
    let mut none = None;
    for place in 0..=builds.filters.len() {
        let filter = place.checked_sub(1).and_then(|it| builds.filters.get(it));
        let file = filter.map_or_else(|| Ok("".into()), |filter| filter.canonicalize())?;
        let around = Surroundings::of_filter(&file, upstream.address, authz);
        let bootstrap = match filter {
            Some(_) => bootstrap::with_filter(&file, builds.experiments, &around)?,
            None => bootstrap::of(Setup::NoFilter, &around)?,
        };
        let folder = folder.path().join(place.to_string());
        let (envoy, count) = (&builds.envoy, builds.requests);
        let each = instructions::a_request(envoy, &folder, &bootstrap, &requests, count)?;
        let ratio = each as f64 / *none.get_or_insert(each) as f64;
        let name = filter.map_or("no filter".into(), |filter| filter.display().to_string());
        println!("{each:>9} instructions  {ratio:.3}  {name}");
    }
    Ok(())
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start()?;
    let (service, authz) = start_service(folder.path())?;
    let around = Surroundings {
        upstream: upstream.address,
        authz,
        filter: options.filter.canonicalize().context("no filter")?,
        empty: options.empty.canonicalize().context("no empty filter")?,
        trimmed: Trimmed {
            filter: trimmed(&options.filter, &folder.path().join("trimmed.wasm"))?,
            empty: trimmed(&options.empty, &folder.path().join("empty-trimmed.wasm"))?,
        },
        probe: options.probe.canonicalize().context("no probe filter")?,
    };
    let drive = |setups: &[Setup], plan: Plan| {
        let running = start_envoys(setups, options, &around, folder.path())?;
        let requests = load::wire(&work::requests());
        if setups.contains(&Setup::ExtAuthz) {
            agree(&running, &requests)?;
        }
        rounds::run(&running, &service, &upstream, &requests, plan, |round| {
            eprintln!("round {round} of {}", plan.rounds);
        })
    };
    let plan = Plan {
        rounds: options.rounds,
        requests: options.requests,
        warm_up: options.warm_up,
        checks: true,
    };
    let fewer = Plan {
        rounds: options.rounds.div_ceil(2),
        ..plan
    };
    let mut report = Report {
        machine: machine::machine(),
        envoy: version(&options.envoy)?,
        filter_bytes: fs::metadata(&around.filter)?.len(),
        rounds: options.rounds,
        requests: options.requests,
        figures: report::figures(&drive(&Setup::ALL, plan)?),
        ..Report::default()
    };
    // After each part, so that one that fails takes nothing else with it.
    write(&mut report, &options.out)?;
    report.calls = report::calls(&drive(&Setup::PROBES, fewer)?);
    write(&mut report, &options.out)?;
    for (count, encoding) in [(1_000, "protobuf"), (1_000, "JSON"), (10_000, "protobuf")] {
        eprintln!("updates of {count} experiments as {encoding}");
        let folder = folder.path().join(format!("updates {count} {encoding}"));
        let envoy = &options.envoy;
        let update = updates::measure(envoy, &folder, &around, count, encoding, options.updates)?;
        report.updates.push(update);
        write(&mut report, &options.out)?;
    }
    report.memory = measure_memory(options, &around, folder.path())?;
    write(&mut report, &options.out)?;
    print!("{}", report::tables(&report));
    Ok(())
}

/// Writes what is measured so far.
fn write(report: &mut Report, out: &Path) -> anyhow::Result<()> {
    report.targets = report::targets(&report.figures, &report.updates);
    fs::create_dir_all(out)?;
    fs::write(out.join("envoy.json"), serde_json::to_vec_pretty(report)?)?;
    fs::write(out.join("envoy.svg"), plot::svg(&report.figures))?;
    Ok(())
}

/// The filter at `file` without what it has no use for, at `to`.
fn trimmed(file: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let module = fs::read(file).with_context(|| file.display().to_string())?;
    fs::write(to, exports::trim(&module, exports::is_needed)?)?;
    Ok(to.to_owned())
}

fn start_service(folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let log = folder.join("authz.log");
    let mut command = Program::new(env::current_exe()?);
    let mut service = Process::start(command.arg("ext-authz"), &log)?;
    loop {
        let said = fs::read_to_string(&log)?;
        if let Some(address) = said.lines().next().and_then(|line| line.parse().ok()) {
            return Ok((service, address));
        }
        anyhow::ensure!(service.runs(), "the ext_authz service ended: {said}");
        pause();
    }
}

fn start_envoys(
    setups: &[Setup],
    options: &Options,
    around: &Surroundings,
    folder: &Path,
) -> anyhow::Result<Vec<Running>> {
    let start = |&setup: &Setup| {
        let folder = folder.join(setup.name());
        let bootstrap = bootstrap::of(setup, around)?;
        let envoy =
            Envoy::start(&options.envoy, &folder, &bootstrap, 1).with_context(|| setup.name())?;
        Ok(Running { setup, envoy })
    };
    setups.iter().map(start).collect()
}

/// Lua and ext_authz must give the units what Watershed gives them, or they do other work.
fn agree(running: &[Running], requests: &[Vec<u8>]) -> anyhow::Result<()> {
    let variants = |setup| {
        let one = running.iter().find(|one| one.setup == setup);
        let one = one.context("a set-up is missing")?;
        load::variants(one.envoy.listener, requests, 256)
    };
    let lua = variants(Setup::Lua)?;
    let authz = variants(Setup::ExtAuthz)?;
    anyhow::ensure!(
        lua == variants(Setup::Watershed(1))?,
        "Lua gives other variants"
    );
    anyhow::ensure!(
        authz == variants(Setup::Watershed(100))?,
        "ext_authz gives other variants"
    );
    Ok(())
}

fn measure_memory(
    options: &Options,
    around: &Surroundings,
    folder: &Path,
) -> anyhow::Result<Vec<Memory>> {
    let setups = [
        Setup::NoFilter,
        Setup::EmptyWasm,
        Setup::Watershed(1),
        Setup::Watershed(1_000),
        Setup::Watershed(10_000),
    ];
    setups
        .into_iter()
        .map(|setup| {
            eprintln!("memory of {}", setup.name());
            let folder = folder.join(format!("memory {}", setup.name()));
            let bootstrap: Value = bootstrap::of(setup, around)?;
            updates::memory(&options.envoy, &folder, setup.name(), &bootstrap)
        })
        .collect()
}

fn version(envoy: &Path) -> anyhow::Result<String> {
    let output = Program::new(envoy).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said.rsplit("version: ").next().unwrap_or_default();
    let number = version.split('/').nth(1).unwrap_or(version);
    Ok(format!("Envoy {}", number.trim()))
}
