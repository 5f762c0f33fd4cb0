//! `bench-evidence report --out FILE` measures the evidence; `load` and `ask` are the processes that it
//! starts, so that what they need is not counted as the receiver's.

use anyhow::Context as _;
use clap::Parser;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::process::Command;
use watershed_evidence::store::Scan;
use watershed_evidence::{EvidenceStore, PostgresStore, SqliteStore};
use watershed_evidence_bench::load::{self, Load, Sent};
use watershed_evidence_bench::question::{self, Answered};
use watershed_evidence_bench::receive::{Received, receive};
use watershed_evidence_bench::{usage, wire};
use watershed_harness::{Durability, Postgres};

#[derive(Parser)]
#[command(about = "Measures the evidence")]
enum Arguments {
    /// Measures and writes the figures.
    Report(Report),
    /// Sends a load of access logs to an address.
    #[command(hide = true)]
    Load {
        address: SocketAddr,
        #[command(flatten)]
        load: Load,
    },
    /// Asks a store for an experiment's statistics.
    #[command(hide = true)]
    Ask {
        path: PathBuf,
        #[arg(long)]
        measure: String,
        #[arg(long)]
        times: u32,
    },
}

#[derive(clap::Args)]
struct Report {
    /// Where the figures go.
    #[arg(long)]
    out: PathBuf,
    /// Where the stores are made and removed again; the system's folder for such things else.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How many units the experiment has that is asked for; 0 leaves it out.
    #[arg(long, default_value_t = 10_000_000)]
    asked_units: u64,
    /// Which stores take the load.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    stores: Vec<Kind>,
    #[command(flatten)]
    load: Load,
}

#[derive(Clone, Copy, Eq, PartialEq, clap::ValueEnum)]
enum Kind {
    Sqlite,
    /// A PostgreSQL server that waits for the disk; left out where there is none on this machine.
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Report(report) => measure(report).await,
        Arguments::Load { address, load } => tell(&load::run(load, address).await?),
        Arguments::Ask {
            path,
            measure,
            times,
        } => tell(&question::ask(&path, &measure, times).await?),
    }
}

fn tell(figures: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}

async fn measure(report: Report) -> anyhow::Result<()> {
    let load_before = usage::load();
    let folder = || match &report.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let takes = |kind| report.stores.contains(&kind);
    let sqlite = match takes(Kind::Sqlite) {
        true => Some(sqlite(report.load, folder()?.path()).await?),
        false => None,
    };
    let postgres = match takes(Kind::Postgres) {
        true => postgres(report.load).await?,
        false => None,
    };
    let answered = match report.asked_units {
        0 => None,
        units => Some(asked(folder()?.path(), units).await?),
    };
    let figures = json!({
        "machine": {
            "cores": std::thread::available_parallelism().map_or(1, Into::into),
            "load": load_before,
        },
    "sqlite": sqlite,
        "postgres": postgres,
        "question": answered.map(|it| it.0),
        "winsorised_question": answered.map(|it| it.1),
    });
    let text = serde_json::to_string_pretty(&figures)? + "\n";
    print!("{text}");
    if let Some(folder) = report.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&report.out, text)?;
    println!("written to {}", report.out.display());
    Ok(())
}

/// What was there when a store was opened again.
struct Found {
    rows: u64,
    units: u64,
}

/// The load into a new file, and what it has when it is opened again.
async fn sqlite(load: Load, folder: &Path) -> anyhow::Result<Value> {
    let path = folder.join("evidence.db");
    let store = Arc::new(SqliteStore::open(&path)?);
    let (sent, received) = receive(store, async |address| send(load, address).await).await?;
    let found = found(&SqliteStore::open(&path)?).await?;
    figures(load, &sent, &received, &found)
}

/// The load into a new database of a server of its own, and what it has when it is opened again.
async fn postgres(load: Load) -> anyhow::Result<Option<Value>> {
    let Some(server) = Postgres::start(Durability::Disk) else {
        return Ok(None);
    };
    let url: PgConnectOptions = server.create("evidence").parse()?;
    let store = Arc::new(PostgresStore::open(url.clone()).await?);
    let (sent, received) = receive(store, async |address| send(load, address).await).await?;
    let found = found(&PostgresStore::open(url).await?).await?;
    figures(load, &sent, &received, &found).map(Some)
}

async fn send(load: Load, address: SocketAddr) -> anyhow::Result<Sent> {
    let numbers = [
        ("--streams", load.streams as u64),
        ("--rate", load.rate),
        ("--seconds", load.seconds),
        ("--units", load.units),
    ];
    let numbers = numbers.map(|(name, it)| format!("{name}={it}"));
    child(&["load".to_owned(), address.to_string()], &numbers).await
}

fn figures(load: Load, sent: &Sent, received: &Received, found: &Found) -> anyhow::Result<Value> {
    let per_entry = |cpu_s: f64| cpu_s * 1e6 / sent.entries as f64;
    Ok(json!({
        "streams": load.streams,
        "units": load.units,
        "entry_bytes": wire::entry_bytes()?,
        "sent": sent,
        "entries_per_s": sent.entries as f64 / sent.seconds,
        "received": received,
        "rows_read_back": found.rows,
        "units_read_back": found.units,
        "receiver_cpu_us_per_entry": per_entry(received.usage.cpu_s),
        "sender_cpu_us_per_entry": per_entry(sent.cpu_s),
    }))
}

async fn found(store: &dyn EvidenceStore) -> anyhow::Result<Found> {
    let units = store.summary("chat").await?.units.values().sum();
    let mut scan = Scan {
        limit: 50_000,
        ..Scan::default()
    };
    let mut rows = 0;
    loop {
        let page = store.exposures(&scan).await?;
        rows += page.exposures.len() as u64;
        scan.after = page.next;
        if !page.more {
            return Ok(Found { rows, units });
        }
    }
}

/// The question for sums that are kept, and for those for which units are read.
async fn asked(folder: &Path, units: u64) -> anyhow::Result<(Answered, Answered)> {
    let path = folder.join("evidence.db");
    question::fill(&path, units).await?;
    let ask = async |measure: &str, times: u32| {
        question::chill(folder)?;
        let how = [format!("--measure={measure}"), format!("--times={times}")];
        child(&["ask".to_owned(), path.display().to_string()], &how).await
    };
    let summed = ask(question::SUMMED, 10).await?;
    Ok((summed, ask(question::WINSORISED, 3).await?))
}

/// This program again, as another process; its last words are figures.
async fn child<T: DeserializeOwned>(what: &[String], numbers: &[String]) -> anyhow::Result<T> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(what).args(numbers).stdout(Stdio::piped());
    let output = command
        .kill_on_drop(true)
        .spawn()?
        .wait_with_output()
        .await?;
    anyhow::ensure!(output.status.success(), "{what:?} failed");
    serde_json::from_slice(&output.stdout).context("the figures of another process")
}
