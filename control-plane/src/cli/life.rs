//! The steps of an experiment's life as commands, its kill switch, and its weights. Which step can be
//! taken from where is the API's to say.

use super::audit::difference;
use super::output::{self, Output, Table, cell, entries, text};
use super::server::ServerArgs;
use crate::percent::encode;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::str::FromStr;

/// Commands that change one experiment.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Life {
    /// Have a draft started at its `start`.
    Schedule(StepArgs),
    /// Make a scheduled experiment a draft again.
    Unschedule(StepArgs),
    /// Assign units of the `internal` rule only.
    Internal(StepArgs),
    /// Assign units of `canary_traffic` only.
    Canary(StepArgs),
    /// Assign units from now on.
    Start(StepArgs),
    /// Assign nobody until it is resumed.
    Pause(StepArgs),
    /// Go on where it was stopped.
    Resume(StepArgs),
    /// Give everybody the fallback variant.
    Rollback(StepArgs),
    /// Give everybody one variant, and keep that this was decided.
    Decide(DecideArgs),
    /// Put an experiment away for good and free its buckets.
    Archive(StepArgs),
    /// Throw the kill switch: nobody is assigned, whatever the state.
    Disable(StepArgs),
    /// Take the kill switch back.
    Enable(StepArgs),
    /// Give every unit its variant anew.
    Reshuffle(StepArgs),
    /// Change the weights of the variants.
    Weights(WeightsArgs),
}

/// Arguments that every change of an experiment takes.
#[derive(Debug, Clone, clap::Args)]
pub struct StepArgs {
    /// The experiment.
    experiment: String,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Shows what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to show it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Arguments of `watershed decide`.
#[derive(Debug, Clone, clap::Args)]
pub struct DecideArgs {
    /// The variant that everybody shall get.
    #[arg(short, long, value_name = "KEY")]
    variant: String,
    #[command(flatten)]
    step: StepArgs,
}

/// Arguments of `watershed weights`.
#[derive(Debug, Clone, clap::Args)]
pub struct WeightsArgs {
    #[command(flatten)]
    step: StepArgs,
    /// The new weights, as `stable=7000 candidate=3000`, or as `stable=70% candidate=30%`.
    #[arg(required = true, value_name = "VARIANT=WEIGHT")]
    weights: Vec<Weight>,
}

/// `candidate=3000` or `candidate=30%`
#[derive(Debug, Clone, Eq, PartialEq)]
struct Weight {
    variant: String,
    weight: Amount,
}

#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Amount {
    Buckets(u64),
    /// Hundredths of a percent.
    BasisPoints(u64),
}

impl FromStr for Weight {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let expected = "expected VARIANT=WEIGHT, as candidate=3000 or candidate=30%";
        let (variant, weight) = given.split_once('=').ok_or(expected)?;
        let weight = match weight.strip_suffix('%') {
            None => Amount::Buckets(weight.parse().map_err(|_| expected)?),
            Some(percent) => Amount::BasisPoints(basis_points(percent).ok_or(expected)?),
        };
        if variant.is_empty() {
            return Err(expected);
        }
        let variant = variant.to_owned();
        Ok(Self { variant, weight })
    }
}

/// `12.5` as 1250: digits with at most two behind the point, up to 100.
fn basis_points(percent: &str) -> Option<u64> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    if whole.is_empty()
        || part.len() > 2
        || !(whole.bytes().chain(part.bytes())).all(|it| it.is_ascii_digit())
    {
        return None;
    }
    let points: u64 = format!("{whole}{part:0<2}").parse().ok()?;
    (points <= 10_000).then_some(points)
}

/// Makes the change and prints the experiment as it is then.
///
/// # Errors
/// The API's problem.
pub async fn run(life: Life) -> anyhow::Result<()> {
    output::print(&changed(life).await?)
}

pub(super) async fn changed(life: Life) -> anyhow::Result<String> {
    let (word, args, body) = match life {
        Life::Weights(args) => return weigh(args).await,
        Life::Decide(args) => ("decide", args.step, Some(json!({"variant": args.variant}))),
        Life::Schedule(args) => ("schedule", args, None),
        Life::Unschedule(args) => ("unschedule", args, None),
        Life::Internal(args) => ("internal", args, None),
        Life::Canary(args) => ("canary", args, None),
        Life::Start(args) => ("start", args, None),
        Life::Pause(args) => ("pause", args, None),
        Life::Resume(args) => ("resume", args, None),
        Life::Rollback(args) => ("rollback", args, None),
        Life::Archive(args) => ("archive", args, None),
        Life::Disable(args) => ("disable", args, None),
        Life::Enable(args) => ("enable", args, None),
        Life::Reshuffle(args) => ("reshuffle", args, None),
    };
    let client = args.server.client();
    let path = args.path(word);
    let answer = match body {
        Some(body) => client.post_with(&path, &body).await?,
        None => client.post(&path).await?,
    };
    let dry_run = args.dry_run;
    let shown = || {
        if dry_run {
            tried(&answer)
        } else {
            line(&answer)
        }
    };
    args.output.show(&answer, shown)
}

/// `chat-model is running (revision 7)`
fn line(experiment: &Value) -> String {
    let (key, state) = (text(experiment, "key"), text(experiment, "state"));
    let off = experiment.pointer("/spec/disabled") == Some(&Value::Bool(true));
    let off = if off { ", switched off" } else { "" };
    format!(
        "{key} is {state}{off} (revision {})\n",
        cell(experiment, "revision")
    )
}

async fn weigh(args: WeightsArgs) -> anyhow::Result<String> {
    let step = &args.step;
    let client = step.server.client();
    let before = client
        .get(&format!("/v1/experiments/{}", step.experiment))
        .await?;
    let body = resolved(&args.weights, &before)?;
    let after = client.patch(&step.path("weights"), &body).await?;
    let shown = || match step.dry_run {
        true => tried(&after),
        false => compared(&before, &after),
    };
    step.output.show(&after, shown)
}

/// The body of the change; a percentage is one of the buckets that the experiment has now.
fn resolved(weights: &[Weight], experiment: &Value) -> anyhow::Result<Value> {
    let spec = experiment.get("spec").unwrap_or(&Value::Null);
    let weight = |it: &Value| it.get("weight").and_then(Value::as_u64);
    let buckets: u64 = entries(spec, "variants").filter_map(weight).sum();
    let mut body = Map::new();
    for Weight { variant, weight } in weights {
        let weight = match weight {
            Amount::Buckets(weight) => *weight,
            Amount::BasisPoints(points) => {
                let product = points.saturating_mul(buckets);
                if product % 10_000 != 0 {
                    anyhow::bail!(
                        "{variant}: that share is no whole number of the experiment's {buckets} buckets"
                    );
                }
                product / 10_000
            }
        };
        if body.insert(variant.clone(), weight.into()).is_some() {
            anyhow::bail!("{variant} is given twice");
        }
    }
    Ok(body.into())
}

fn compared(before: &Value, after: &Value) -> String {
    let mut table = Table::new(["VARIANT", "BEFORE", "NOW"]);
    let variants = |experiment: &Value| -> Vec<(String, String)> {
        let spec = experiment.get("spec").unwrap_or(&Value::Null);
        let weight = |it: &Value| (cell(it, "key"), cell(it, "weight"));
        entries(spec, "variants").map(weight).collect()
    };
    let old = variants(before);
    for (variant, weight) in variants(after) {
        let before = old.iter().find(|(key, _)| *key == variant);
        let before = before.map_or_else(String::new, |(_, weight)| weight.clone());
        table.row([variant, before, weight]);
    }
    format!("{}{}", table.text(), line(after))
}

impl StepArgs {
    fn path(&self, word: &str) -> String {
        let path = format!("/v1/experiments/{}/{word}", self.experiment);
        asked(&path, self.reason.as_deref(), self.dry_run)
    }
}

/// The path of a write, with the reason for it, and whether it is only tried.
pub(super) fn asked(path: &str, reason: Option<&str>, dry_run: bool) -> String {
    let reason = reason.map(|reason| format!("reason={}", encode(reason)));
    let tried = dry_run.then(|| "dry_run=true".to_owned());
    let query: Vec<String> = reason.into_iter().chain(tried).collect();
    match query.as_slice() {
        [] => path.to_owned(),
        query => format!("{path}?{}", query.join("&")),
    }
}

/// What a change that was only tried would do: place by place in the document, then the resources that
/// proxies would get.
fn tried(preview: &Value) -> String {
    let mut told = String::new();
    for document in entries(preview, "documents") {
        let (kind, key) = (text(document, "kind"), text(document, "key"));
        let _ = writeln!(told, "{kind} {key} would be changed");
        entries(document, "changes").for_each(|it| told.push_str(&difference(it)));
    }
    if told.is_empty() {
        told.push_str("nothing would be changed\n");
    }
    let fleets = preview.get("resources").and_then(Value::as_object);
    for (fleet, types) in fleets.into_iter().flatten() {
        for (name, changes) in types.as_object().into_iter().flatten() {
            for word in ["added", "changed", "removed"] {
                let names = entries(changes, word).filter_map(Value::as_str);
                for resource in names {
                    let _ = writeln!(told, "fleet {fleet}: {name} {resource} {word}");
                }
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_buckets_or_percents() {
        let weight = |text: &str| text.parse::<Weight>().map(|it| it.weight);
        assert_eq!(weight("a=7000"), Ok(Amount::Buckets(7_000)));
        assert_eq!(weight("a=70%"), Ok(Amount::BasisPoints(7_000)));
        assert_eq!(weight("a=0.05%"), Ok(Amount::BasisPoints(5)));
        assert_eq!(weight("a=12.5%"), Ok(Amount::BasisPoints(1_250)));
        for bad in [
            "", "a", "a=", "=1", "a=-1", "a=1.5", "a=101%", "a=1.234%", "a=%", "a=x%", "a=+5%",
        ] {
            assert!(weight(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_percentage_is_of_the_buckets_that_there_are() {
        let experiment = |a: u64, b: u64| json!({"spec": {"variants": [{"key": "a", "weight": a}, {"key": "b", "weight": b}]}});
        let weights: Vec<Weight> = ["a=25%", "b=75%"]
            .iter()
            .map(|it| it.parse().unwrap())
            .collect();
        assert_eq!(
            resolved(&weights, &experiment(9_000, 1_000)).unwrap(),
            json!({"a": 2_500, "b": 7_500})
        );
        assert_eq!(
            resolved(&weights, &experiment(50, 50)).unwrap(),
            json!({"a": 25, "b": 75})
        );
        assert!(resolved(&weights, &experiment(1, 1)).is_err());
        let twice: Vec<Weight> = ["a=1", "a=2"]
            .iter()
            .map(|it| it.parse().unwrap())
            .collect();
        assert!(resolved(&twice, &experiment(1, 1)).is_err());
    }
}
