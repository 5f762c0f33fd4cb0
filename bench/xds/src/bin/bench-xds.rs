//! `bench-xds report --out FILE` measures the control plane's way to its proxies.

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use watershed_xds_bench::documents::Layout;
use watershed_xds_bench::server::Programs;
use watershed_xds_bench::{many_experiments, many_proxies, replicas, rollback};

#[derive(Parser)]
#[command(about = "Measures the control plane's way to its proxies")]
struct Arguments {
    /// Where the figures go.
    #[arg(long)]
    out: PathBuf,
    /// The control plane.
    #[arg(long)]
    watershed: PathBuf,
    /// Envoy.
    #[arg(long)]
    envoy: PathBuf,
    /// The filter.
    #[arg(long)]
    filter: PathBuf,
    /// Only these: `proxies`, `experiments`, `replicas`, `rollback`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many proxies, each number a run of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    proxies: Vec<usize>,
    /// Changes of each run.
    #[arg(long, default_value_t = 100)]
    changes: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Map::new();
    figures.insert("machine".to_owned(), machine());
    let measured = measure(&arguments, &mut figures).await;
    figures.insert("load_after".to_owned(), json!(load()));
    let text = serde_json::to_string_pretty(&figures)? + "\n";
    print!("{text}");
    // What was measured before something failed is kept.
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.out, text)?;
    println!("written to {}", arguments.out.display());
    measured
}

async fn measure(arguments: &Arguments, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let programs = Programs {
        watershed: arguments.watershed.clone(),
        envoy: arguments.envoy.clone(),
        filter: arguments.filter.clone(),
    };
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|it| it == name);
    let folder = tempfile::tempdir()?;
    let part = |name: &str| folder.path().join(name);
    let changes = arguments.changes;
    if wanted("proxies") {
        let mut all = Vec::new();
        for count in &arguments.proxies {
            // More of them take longer, and differ less.
            let changes = if *count > 5_000 {
                changes.div_ceil(5)
            } else {
                changes
            };
            let folder = part(&format!("proxies-{count}"));
            let run = many_proxies::measure(&programs, &folder, *count, changes).await;
            all.push(run.with_context(|| format!("{count} proxies"))?);
            say("proxies", all.last())?;
        }
        figures.insert("proxies".to_owned(), json!(all));
    }
    if wanted("experiments") {
        let mut all = Vec::new();
        for own_listeners in [false, true] {
            let layout = Layout {
                services: 100,
                each: 10,
                own_listeners,
            };
            let folder = part(&format!("experiments-{own_listeners}"));
            let run = many_experiments::measure(&programs, &folder, layout, changes).await;
            all.push(run.context("many experiments")?);
            say("experiments", all.last())?;
        }
        figures.insert("experiments".to_owned(), json!(all));
    }
    if wanted("replicas") {
        let run = replicas::measure(&programs, &part("replicas"), changes).await;
        let run = run.context("replicas")?;
        say("replicas", Some(&run))?;
        figures.insert("replicas".to_owned(), json!(run));
    }
    if wanted("rollback") {
        let run = rollback::measure(&programs, &part("rollback"), changes).await;
        let run = run.context("rollback")?;
        say("rollback", Some(&run))?;
        figures.insert("rollback".to_owned(), json!(run));
    }
    Ok(())
}

/// Tells of a run as soon as it is there: all of them take minutes.
fn say(name: &str, run: Option<&impl serde::Serialize>) -> anyhow::Result<()> {
    eprintln!("{name}: {}", serde_json::to_string(&run)?);
    Ok(())
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    json!({
        "cores": std::thread::available_parallelism().map_or(1, Into::into),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": load(),
    })
}

/// The load of the last minute.
fn load() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next();
    first.and_then(|it| it.parse().ok()).unwrap_or(0.0)
}
