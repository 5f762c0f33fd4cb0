//! `watershed results`: what an experiment came to, for people, as JSON, as CSV, or as a page that needs
//! nothing else.

use super::output::{self, Table, cell, text};
use super::server::ServerArgs;
use crate::percent::encode;
use anyhow::Context as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use watershed_report::{Page, csv, html};
use watershed_stats::results::{
    CheckName, Comparison, EffectInterval, MetricResult, Results, Status,
};

/// Arguments of `watershed results`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultsArgs {
    /// The experiment.
    experiment: String,
    /// As the API answers.
    #[arg(long, conflicts_with_all = ["csv", "html"])]
    json: bool,
    /// As CSV.
    #[arg(long, conflicts_with = "html")]
    csv: bool,
    /// Writes one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The level over both sides and over all comparisons; 0.05 where not given.
    #[arg(long)]
    alpha: Option<f64>,
    /// `sequential` or `msprt`, which one may look at at any time, or `fixed`.
    #[arg(long, value_parser = ["sequential", "msprt", "fixed"])]
    method: Option<String>,
    /// Units that are planned, over all variants.
    #[arg(long)]
    planned_units: Option<f64>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints the results.
///
/// # Errors
/// The API's problem, or a file that cannot be written.
pub async fn run(args: ResultsArgs) -> anyhow::Result<()> {
    output::print(&shown(&args).await?)
}

pub(super) async fn shown(args: &ResultsArgs) -> anyhow::Result<String> {
    let answer = args.server.client().get(&args.path()).await?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)? + "\n");
    }
    let Some(results) = read(answer.get("results"))? else {
        return Ok("nobody was assigned yet\n".to_owned());
    };
    let served = read(answer.pointer("/served/results"))?;
    if args.csv {
        return Ok(csv(&results, served.as_ref()));
    }
    if let Some(file) = &args.html {
        let page = html(&Page {
            experiment: &args.experiment,
            computed: text(&answer, "at"),
            results: &results,
            served: served.as_ref(),
            distributions: &[],
        });
        std::fs::write(file, page).with_context(|| format!("write {}", file.display()))?;
        return Ok(format!("wrote {}\n", file.display()));
    }
    Ok(told(&answer, &results, served.as_ref()))
}

fn read(results: Option<&Value>) -> anyhow::Result<Option<Results>> {
    let results = results.cloned().unwrap_or_default();
    serde_json::from_value(results).context("the results have another shape")
}

impl ResultsArgs {
    fn path(&self) -> String {
        let given = [
            ("alpha", self.alpha.map(|it| it.to_string())),
            ("method", self.method.clone()),
            ("planned_units", self.planned_units.map(|it| it.to_string())),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(name, said)| Some(format!("{name}={}", encode(&said?))));
        let query: Vec<String> = given.collect();
        let key = encode(&self.experiment);
        format!("/v1/experiments/{key}/results?{}", query.join("&"))
    }
}

/// Trust first, then metric by metric, then the second view.
fn told(answer: &Value, results: &Results, served: Option<&Results>) -> String {
    let mut out = String::new();
    let trusted = if results.trust.valid { "yes" } else { "NO" };
    let _ = writeln!(out, "trusted: {trusted}");
    for check in &results.trust.checks {
        let _ = writeln!(
            out,
            "  {}: {} ({})",
            word(check.name),
            status(check.status),
            check.detail
        );
    }
    if cell(answer, "behind") != "0" {
        let _ = writeln!(
            out,
            "behind: {} entries are not counted yet",
            cell(answer, "behind")
        );
    }
    out.push_str(&table(results));
    reasons(&mut out, results);
    left_out(&mut out, answer.get("left_out"));
    if let Some(served) = served {
        let _ = writeln!(
            out,
            "\nsecond view, per protocol: without the units that another variant answered too. Who they are is not\n\
             left to chance, so this view does not decide."
        );
        out.push_str(&table(served));
        left_out(&mut out, answer.pointer("/served/left_out"));
        out.push('\n');
    }
    let method = &results.method;
    let _ = writeln!(
        out,
        "method: {}, alpha {}, {}",
        method.name, method.alpha, method.adjustment
    );
    out
}

fn table(results: &Results) -> String {
    let mut table = Table::new([
        "METRIC", "FOR", "VARIANT", "N", "VALUE", "EFFECT", "RELATIVE", "P", "VERDICT",
    ]);
    for metric in results.metrics.iter().chain(&results.guardrails) {
        for arm in &metric.arms {
            let of = |it: &&Comparison| it.variant == arm.variant;
            let comparison = metric.comparisons.iter().find(of);
            let numbers = comparison.and_then(|it| it.numbers.as_ref());
            let dash = || "-".to_owned();
            table.row([
                metric.metric.clone(),
                metric.role.name().to_owned(),
                arm.variant.clone(),
                format!("{:.0}", arm.n),
                arm.mean.map_or_else(dash, |it| format!("{it:.6}")),
                numbers.map_or_else(dash, |it| interval(&it.absolute)),
                numbers
                    .and_then(|it| it.relative.as_ref())
                    .map_or_else(dash, interval),
                numbers.map_or_else(dash, |it| format!("{:.3e}", it.p_adjusted)),
                comparison.map_or_else(|| "control".to_owned(), verdict),
            ]);
        }
    }
    table.text()
}

fn reasons(out: &mut String, results: &Results) {
    let metrics: Vec<&MetricResult> = results.metrics.iter().chain(&results.guardrails).collect();
    for metric in metrics {
        if let Some(limits) = &metric.winsorized {
            let _ = writeln!(out, "{}: {limits}", metric.metric);
        }
        for comparison in &metric.comparisons {
            for reason in &comparison.reasons {
                let _ = writeln!(out, "{} {}: {reason}", metric.metric, comparison.variant);
            }
        }
        for flag in &metric.flags {
            let _ = writeln!(
                out,
                "{} {}: {}",
                metric.metric,
                word(flag.name),
                flag.detail
            );
        }
    }
}

fn left_out(out: &mut String, left_out: Option<&Value>) {
    let Some(left_out) = left_out else {
        return;
    };
    let fields = |field: &str| left_out.get(field).and_then(Value::as_object).cloned();
    for (metric, why) in fields("metrics").unwrap_or_default() {
        let _ = writeln!(
            out,
            "{metric}: left out: {}",
            why.as_str().unwrap_or_default()
        );
    }
    for (variant, units) in fields("units").unwrap_or_default() {
        let why = "first exposed on a day on which the split changed";
        let _ = writeln!(out, "{variant}: {units} units left out: {why}");
    }
}

/// `-0.02 [-0.05, 0.01]`
fn interval(it: &EffectInterval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", it.estimate, it.lower, it.upper)
}

fn verdict(comparison: &Comparison) -> String {
    said(&comparison.verdict)
}

fn word(name: CheckName) -> String {
    said(&name)
}

fn status(status: Status) -> String {
    said(&status)
}

/// The word that the API has for it.
fn said(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
