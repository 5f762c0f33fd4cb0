//! `watershed simulate`: made-up units through the plan that proxies would have, and their split.

use super::explain::RequestArgs;
use super::output::{self, Output, Table, cell, entries, text};
use super::server::ServerArgs;
use serde_json::Value;
use std::fmt::Write as _;

/// Arguments of `watershed simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// The experiment.
    experiment: String,
    /// How many units to make up.
    #[arg(short = 'n', long, default_value = "100000")]
    units: u64,
    /// What the units' names begin with: another text is another crowd.
    #[arg(long, default_value = "unit-")]
    prefix: String,
    #[command(flatten)]
    request: RequestArgs,
    /// How to show it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints the split.
///
/// # Errors
/// The API's problem.
pub async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    output::print(&shown(&args).await?)
}

pub(super) async fn shown(args: &SimulateArgs) -> anyhow::Result<String> {
    let mut request = args.request.described()?;
    request.insert("experiment".to_owned(), args.experiment.clone().into());
    let body = serde_json::json!({
        "units": args.units,
        "prefix": args.prefix,
        "request": request,
    });
    let answer = args
        .server
        .client()
        .post_with("/v1/simulate", &body)
        .await?;
    args.output.show(&answer, || table(&answer))
}

fn number(value: &Value, field: &str) -> f64 {
    value.get(field).and_then(Value::as_f64).unwrap_or_default()
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

fn table(answer: &Value) -> String {
    let mut table = Table::new(["VARIANT", "EXPECTED", "OBSERVED", "UNITS"]);
    for it in entries(answer, "variants") {
        let observed = percent(number(it, "observed"));
        let expected = percent(number(it, "expected"));
        table.row([cell(it, "key"), expected, observed, cell(it, "units")]);
    }
    let mut shown = table.text();
    let (units, inside) = (cell(answer, "units"), cell(answer, "assigned"));
    let _ = writeln!(
        shown,
        "\n{inside} of {units} units are in {}",
        text(answer, "experiment")
    );
    for it in entries(answer, "outside") {
        let why = text(it, "verdict").replace('_', " ");
        let _ = writeln!(shown, "  {} {why}", cell(it, "units"));
    }
    if let Some(p) = answer.get("p_value").and_then(Value::as_f64) {
        let chi = number(answer, "chi_squared");
        let _ = writeln!(shown, "chi-squared {chi:.2}, p = {p:.3}");
    }
    for note in entries(answer, "notes").filter_map(Value::as_str) {
        let _ = writeln!(shown, "! {note}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_split_is_shown_beside_what_was_expected() {
        let answer = json!({
            "experiment": "chat-model", "units": 1000, "assigned": 800,
            "variants": [
                {"key": "stable", "expected": 0.7, "observed": 0.695, "units": 556},
                {"key": "candidate-b", "expected": 0.3, "observed": 0.305, "units": 244},
            ],
            "outside": [{"verdict": "not_allocated", "units": 200}],
            "chi_squared": 0.0952, "p_value": 0.7576, "notes": ["as if it were running: it is draft"],
        });
        assert_eq!(
            table(&answer),
            "VARIANT      EXPECTED  OBSERVED  UNITS\n\
             stable       70.00%    69.50%    556\n\
             candidate-b  30.00%    30.50%    244\n\
             \n\
             800 of 1000 units are in chat-model\n  200 not allocated\n\
             chi-squared 0.10, p = 0.758\n\
             ! as if it were running: it is draft\n"
        );
    }
}
