//! Puts the engine's figures together: the times that criterion left, instructions by callgrind,
//! allocations by its own allocator. What does not live here: any case.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use watershed_bench::callgrind;
use watershed_bench::case::{self, Case};
use watershed_bench::counting::{self, Counting};
use watershed_bench::estimates::{self, Time};
use watershed_bench::figures::{self, Figure, Report};
use watershed_bench::{machine, targets};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name every case.
    List,
    /// Run one case so many times and do nothing else: for callgrind and perf.
    Count { case: String, times: u64 },
    /// Put the figures together, write them as JSON and print them.
    Report {
        /// Where criterion left its times.
        #[arg(long)]
        times: PathBuf,
        /// The JSON file to write.
        #[arg(long)]
        out: PathBuf,
        /// Cases whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::List => {
            for case in case::all() {
                println!("{}", case.name());
            }
            Ok(())
        }
        Command::Count { case, times } => count(&case, times),
        Command::Report { times, out, only } => report(&times, &out, &only),
    }
}

fn count(name: &str, times: u64) -> anyhow::Result<()> {
    let cases = case::all();
    let case = cases.iter().find(|case| case.name() == name);
    let case = case.with_context(|| format!("there is no case {name:?}"))?;
    let mut run = (case.build)()?;
    let answers = black_box(run(times));
    anyhow::ensure!(
        case.is_done(answers, times),
        "{name}: {answers} answers of {times} times"
    );
    Ok(())
}

fn report(times: &std::path::Path, out: &std::path::Path, only: &str) -> anyhow::Result<()> {
    let times = estimates::read(times)?;
    let mut skipped = Vec::new();
    let counts_instructions = callgrind::is_there();
    if !counts_instructions {
        skipped.push("instructions: no valgrind".to_owned());
    }
    let mut cases = case::all();
    cases.retain(|case| case.name().contains(only));
    // Works in the order in which they first come, and all of one work together.
    let mut order: Vec<&str> = Vec::new();
    for case in &cases {
        if !order.contains(&case.work) {
            order.push(case.work);
        }
    }
    cases.sort_by_key(|case| order.iter().position(|work| *work == case.work));
    let figures = cases
        .iter()
        .map(|case| figure(case, &times, counts_instructions))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let report = Report {
        machine: machine::machine(),
        targets: targets::compare(&figures),
        figures,
        skipped,
    };
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(out, serde_json::to_vec_pretty(&report)?)?;
    print!("{}", figures::tables(&report));
    Ok(())
}

fn figure(
    case: &Case,
    times: &BTreeMap<String, Time>,
    counts_instructions: bool,
) -> anyhow::Result<Figure> {
    let time = times.get(&case.name());
    let instructions = counts_instructions
        .then(|| callgrind::instructions(case))
        .transpose()?;
    let mut run = (case.build)()?;
    let (first, _) = counting::count(|| run(1));
    let rounds = case.rounds();
    let (count, _) = counting::count(|| run(rounds));
    let each = |total: u64| total as f64 / rounds as f64;
    Ok(Figure {
        work: case.work,
        by: case.by,
        ns: time.map(|time| time.median),
        ns_interval: time.map(|time| [time.low, time.high]),
        instructions,
        allocations: Some(each(count.allocations)),
        bytes: Some(each(count.bytes)),
        live_bytes: (case.work == "compile").then_some(first.live),
    })
}
