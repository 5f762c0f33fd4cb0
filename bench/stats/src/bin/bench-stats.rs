//! Measures the statistics, has the peers measured on the same inputs in the same run, and writes both with
//! their ratios: `bench-stats --peers PYTHON --out FILE`.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use watershed_stats_bench::speed::{self, Figure, Inputs};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut python, mut out) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peers" => python = arguments.next(),
            "--out" => out = arguments.next(),
            other => {
                anyhow::bail!("what is {other:?}? usage: bench-stats [--peers PYTHON] --out FILE")
            }
        }
    }
    let out = PathBuf::from(out.context("--out FILE says where the figures go")?);
    let inputs = Inputs::seeded();
    let figures = speed::all(&inputs);
    let peers = match python {
        Some(python) if Path::new(&python).exists() => measure_peers(&python, &inputs, &out)?,
        _ => {
            eprintln!("skipped: peers: there is no Python with them");
            Vec::new()
        }
    };
    let report = report(&figures, &peers);
    print(&report);
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&out, serde_json::to_string_pretty(&report)? + "\n")?;
    println!("written to {}", out.display());
    Ok(())
}

fn measure_peers(python: &str, inputs: &Inputs, out: &Path) -> anyhow::Result<Vec<Value>> {
    let folder = out.with_extension("inputs");
    std::fs::create_dir_all(&folder)?;
    inputs.write(&folder)?;
    let script = folder.join("peers.py");
    std::fs::write(&script, include_str!("../peers.py"))?;
    let mut command = Command::new(python);
    // One core for all.
    for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, "1");
    }
    let answer = command
        .args(["-W", "ignore"])
        .arg(&script)
        .arg(&folder)
        .output()?;
    std::fs::remove_dir_all(&folder)?;
    anyhow::ensure!(
        answer.status.success(),
        "the peers failed: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
    serde_json::from_slice(&answer.stdout).context("the peers' answer")
}

fn report(figures: &[Figure], peers: &[Value]) -> Value {
    let works: Vec<Value> = figures
        .iter()
        .map(|figure| {
            let of_peers: Vec<Value> = peers
                .iter()
                .filter(|peer| peer["work"] == figure.work.as_str())
                .map(|peer| {
                    let ns = peer["ns"].as_f64().unwrap_or(f64::NAN);
                    json!({"by": peer["by"], "ns": ns, "value": peer["value"], "ratio": ns / figure.ns})
                })
                .collect();
            json!({
                "work": figure.work,
                "ns": figure.ns,
                "fastest_ns": figure.fastest_ns,
                "runs": figure.runs,
                "value": figure.value,
                "target_ns": figure.target_ns,
                "met": figure.target_ns.map(|target| figure.ns <= target),
                "peers": of_peers,
            })
        })
        .collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    json!({
        "machine": {
            "processor": processor.trim_start_matches(['\t', ' ', ':']),
            "cores": std::thread::available_parallelism().map_or(1, Into::into),
            "load": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
        },
        "works": works,
    })
}

fn print(report: &Value) {
    println!("machine: {}", report["machine"]);
    for work in report["works"].as_array().into_iter().flatten() {
        let number = |name: &str| work[name].as_f64();
        let target = match (number("target_ns"), work["met"].as_bool()) {
            (Some(target), Some(met)) => format!(
                "  target {target:.0}: {}",
                if met { "met" } else { "NOT MET" }
            ),
            _ => String::new(),
        };
        println!(
            "{:<22} {:>14.0} ns (fastest {:.0}, {} runs){target}",
            work["work"].as_str().unwrap_or_default(),
            number("ns").unwrap_or(f64::NAN),
            number("fastest_ns").unwrap_or(f64::NAN),
            work["runs"],
        );
        for peer in work["peers"].as_array().into_iter().flatten() {
            println!(
                "    {:<38} {:>14.0} ns, {:.1} times as long (answers {} and {})",
                peer["by"].as_str().unwrap_or_default(),
                peer["ns"].as_f64().unwrap_or(f64::NAN),
                peer["ratio"].as_f64().unwrap_or(f64::NAN),
                work["value"],
                peer["value"],
            );
        }
    }
}
