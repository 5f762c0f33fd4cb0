//! `watershed outcomes`: reports outcomes from a file, for what is computed by night and for a first try.

use super::client::ApiClient;
use super::output::{self, cell, entries, text};
use super::server::ServerArgs;
use anyhow::Context as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The most outcomes of one report.
const MOST: usize = 10_000;

/// Arguments of `watershed outcomes`.
#[derive(Debug, Clone, clap::Args)]
pub struct OutcomesArgs {
    /// A file with one outcome a line (NDJSON) or a JSON list of them; `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// What became of all reports.
#[derive(Debug, Default)]
struct Sum {
    accepted: u64,
    duplicate: u64,
    refused: u64,
    faults: String,
}

/// Reports what the file has, and prints what became of it.
///
/// # Errors
/// The file is none, the API's problem, or outcomes that were refused.
pub async fn run(args: OutcomesArgs) -> anyhow::Result<()> {
    output::print(&reported(&args).await?)
}

pub(super) async fn reported(args: &OutcomesArgs) -> anyhow::Result<String> {
    let name = args.file.display().to_string();
    let text = match name.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(&args.file),
    };
    let outcomes = outcomes(&text.with_context(|| format!("read {name}"))?);
    let outcomes = outcomes.with_context(|| name.clone())?;
    let client = args.server.client();
    let mut sum = Sum::default();
    for (index, report) in outcomes.chunks(MOST).enumerate() {
        sum.add(index * MOST, &send(&client, report).await?);
    }
    let Sum {
        accepted,
        duplicate,
        refused,
        faults,
    } = sum;
    let shown = format!("{accepted} accepted, {duplicate} duplicate, {refused} refused\n");
    anyhow::ensure!(refused == 0, "{shown}{faults}");
    Ok(shown)
}

async fn send(client: &ApiClient, report: &[Value]) -> anyhow::Result<Value> {
    let body = Value::Array(report.to_vec());
    Ok(client.post_with("/v1/outcomes", &body).await?)
}

fn outcomes(text: &str) -> anyhow::Result<Vec<Value>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).context("is not a JSON list");
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} is not JSON", index + 1))
        })
        .collect()
}

impl Sum {
    fn add(&mut self, before: usize, receipt: &Value) {
        let count = |field: &str| receipt.get(field).and_then(Value::as_u64).unwrap_or(0);
        self.accepted += count("accepted");
        self.duplicate += count("duplicate");
        self.refused += count("refused");
        for fault in entries(receipt, "errors") {
            let (place, message) = (cell(fault, "pointer"), text(fault, "message"));
            let _ = writeln!(self.faults, "  {place} (after {before}): {message}");
        }
    }
}
