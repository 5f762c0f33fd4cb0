//! The demo's story, step by step, against a running stack: split, stickiness, a live change of
//! weights, a rollback, and a control plane that dies under traffic.

use super::load::{Answer, Gateway, Probe};
use super::process::ControlPlane;
use super::report::{Propagation, Split, mismatches};
use crate::cli::client::ApiClient;
use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The experiment that routes.
const MODEL: &str = "chat-model";
/// The experiment that only stamps.
const PROMPT: &str = "prompt-style";
/// The fleet of the demo's Envoy.
const FLEET: &str = "default";

const START: [(&str, u32); 3] = [
    ("stable", 7_000),
    ("candidate-b", 2_000),
    ("candidate-c", 1_000),
];
const RAMPED: [(&str, u32); 3] = [
    ("stable", 3_000),
    ("candidate-b", 5_000),
    ("candidate-c", 2_000),
];
const PROMPTS: [(&str, u32); 2] = [("verbose", 5_000), ("concise", 5_000)];

/// Conversations that are asked round and round while something changes.
const PROBED: usize = 200;
const WORKERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// Every figure that the demo prints.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// Whether every step was right.
    pub ok: bool,
    /// What was wrong, a line each.
    pub faults: Vec<String>,
    /// The first splits, of both experiments.
    pub splits: Vec<Split>,
    /// Requests per second while the first splits were measured, through Envoy and back.
    pub requests_per_second: f64,
    /// Requests whose model is not that of the stamped variant.
    pub mismatched: usize,
    /// Conversations asked again, and how many of them got another variant.
    pub asked_again: usize,
    /// See `asked_again`.
    pub changed_variant: usize,
    /// The change of weights.
    pub weights: Option<Propagation>,
    /// The split after it.
    pub ramped: Option<Split>,
    /// Conversations that a growing variant lost: must be 0.
    pub taken_from_growing: usize,
    /// The rollback.
    pub rollback: Option<Propagation>,
    /// The control plane's death.
    pub outage: Option<Outage>,
}

/// Traffic while the control plane was down.
#[derive(Debug, Serialize)]
pub struct Outage {
    /// From the kill until the proxy was in sync with the new process, in milliseconds.
    pub back_in_sync_ms: f64,
    /// Requests in that time.
    pub requests: usize,
    /// How many of them failed: must be 0.
    pub failed: usize,
    /// Whether changes reach the proxy again.
    pub changes_again: bool,
}

impl Figures {
    fn check(&mut self, right: bool, fault: impl FnOnce() -> String) {
        if !right {
            let fault = fault();
            println!("    WRONG: {fault}");
            self.faults.push(fault);
        }
    }
}

/// The running stack that the story is told on.
pub struct Stage<'a> {
    /// The control plane, which will be killed.
    pub control_plane: &'a mut ControlPlane,
    /// Its API.
    pub api: ApiClient,
    /// The proxy.
    pub gateway: Gateway,
    /// How many conversations are sent first.
    pub requests: usize,
}

/// Tells the whole story.
///
/// # Errors
/// A step that could not be taken at all; what was taken and wrong is in [`Figures::faults`].
pub async fn tell(stage: Stage<'_>) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let Stage {
        control_plane,
        api,
        gateway,
        requests,
    } = stage;
    let units: Vec<String> = (0..requests).map(|n| format!("conversation-{n}")).collect();
    let probed = units.get(..PROBED.min(units.len())).unwrap_or_default();

    let answers = split(&gateway, &units, &mut figures).await?;
    sticky(&gateway, &units, &answers, &mut figures).await?;
    ramp(&api, &gateway, &units, &answers, &mut figures).await?;
    rollback(&api, &gateway, probed, &mut figures).await?;
    outage(control_plane, &api, &gateway, probed, &mut figures).await?;

    figures.ok = figures.faults.is_empty();
    Ok(figures)
}

async fn split(
    gateway: &Gateway,
    units: &[String],
    figures: &mut Figures,
) -> anyhow::Result<Vec<Answer>> {
    step(&format!(
        "Send {} requests through Envoy, each from another conversation",
        units.len()
    ));
    let began = Instant::now();
    let answers = ask_with_bar(gateway, units).await?;
    figures.requests_per_second = rate(answers.len(), began.elapsed());
    for (experiment, weights) in [(MODEL, &START[..]), (PROMPT, &PROMPTS[..])] {
        let split = Split::of(
            experiment,
            weights,
            answers.iter().map(|a| a.variant(experiment)),
        );
        split.print();
        figures.check(split.holds(), || {
            format!("the split of {experiment} is not as configured")
        });
        figures.splits.push(split);
    }
    let models = BTreeMap::from([
        ("stable", "stable-a"),
        ("candidate-b", "candidate-b"),
        ("candidate-c", "candidate-c"),
    ]);
    figures.mismatched = mismatches(&answers, MODEL, &models);
    println!(
        "    {} requests were answered by another model than their X-Variant says",
        figures.mismatched
    );
    figures.check(figures.mismatched == 0, || {
        "a stamped variant was served by another model".to_owned()
    });
    Ok(answers)
}

async fn sticky(
    gateway: &Gateway,
    units: &[String],
    before: &[Answer],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    step("Ask again as the first 1,000 conversations");
    let again = units.get(..1_000.min(units.len())).unwrap_or_default();
    let answers = ask_with_bar(gateway, again).await?;
    figures.asked_again = answers.len();
    figures.changed_variant = answers
        .iter()
        .zip(before)
        .filter(|(now, then)| now != then)
        .count();
    println!(
        "    {} of {} got another variant than before",
        figures.changed_variant, figures.asked_again
    );
    figures.check(figures.changed_variant == 0, || {
        "a conversation changed its variant by itself".to_owned()
    });
    Ok(())
}

async fn ramp(
    api: &ApiClient,
    gateway: &Gateway,
    units: &[String],
    before: &[Answer],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    step("Change the weights from 70/20/10 to 30/50/20 under traffic");
    let body = json!(RAMPED.into_iter().collect::<BTreeMap<_, _>>());
    let path = format!("/v1/experiments/{MODEL}/weights");
    let probed = units.get(..PROBED.min(units.len())).unwrap_or_default();
    let propagation = propagate(api, gateway, probed, async {
        api.patch(&path, &body).await.map(drop)?;
        Ok(())
    })
    .await?;
    propagation.print();
    figures.check(propagation.failed == 0, || {
        format!(
            "{} requests failed while the weights changed",
            propagation.failed
        )
    });
    figures.weights = Some(propagation);

    let answers = ask_with_bar(gateway, units).await?;
    let split = Split::of(MODEL, &RAMPED, answers.iter().map(|a| a.variant(MODEL)));
    split.print();
    figures.check(split.holds(), || {
        "the split after the change is not as configured".to_owned()
    });
    figures.ramped = Some(split);
    let lost = |(then, now): (&Answer, &Answer)| {
        then.variant(MODEL) != Some("stable") && then.variant(MODEL) != now.variant(MODEL)
    };
    figures.taken_from_growing = before
        .iter()
        .zip(&answers)
        .filter(|pair| lost(*pair))
        .count();
    println!(
        "    {} conversations left a variant that grew",
        figures.taken_from_growing
    );
    figures.check(figures.taken_from_growing == 0, || {
        "a growing variant lost conversations".to_owned()
    });
    Ok(())
}

async fn rollback(
    api: &ApiClient,
    gateway: &Gateway,
    probed: &[String],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    step("Roll back: everyone to the fallback variant, in one call");
    let path = format!("/v1/experiments/{MODEL}/rollback");
    let propagation = propagate(api, gateway, probed, async {
        api.post(&path).await.map(drop)?;
        Ok(())
    })
    .await?;
    propagation.print();
    figures.check(propagation.failed == 0, || {
        format!("{} requests failed during the rollback", propagation.failed)
    });
    figures.check(propagation.last_ms < 1_000.0, || {
        format!(
            "the rollback took {:.0} ms to reach the last request; 1,000 ms are allowed",
            propagation.last_ms
        )
    });
    figures.rollback = Some(propagation);
    let answers = gateway.ask_all(probed, || ()).await?;
    let strays = answers.iter().filter(|a| a.model != "stable-a").count();
    figures.check(strays == 0, || {
        format!("{strays} requests reached a candidate after the rollback")
    });
    Ok(())
}

async fn outage(
    control_plane: &mut ControlPlane,
    api: &ApiClient,
    gateway: &Gateway,
    probed: &[String],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    step("Kill the control plane (kill -9) and start it again, under traffic");
    let probe = Probe::start(gateway, probed, WORKERS);
    probe.rounds(2).await;
    let killed = Instant::now();
    control_plane.kill().await?;
    probe.rounds(5).await;
    control_plane.restart().await?;
    until_in_sync(api, MODEL).await?;
    let back = killed.elapsed();
    probe.rounds(2).await;
    let samples = probe.stop().await;
    let failed = samples.iter().filter(|s| s.model.is_none()).count();
    println!(
        "    {} requests in the meantime, {failed} failed",
        samples.len()
    );
    println!(
        "    the proxy was back in sync {:.0} ms after the kill",
        back.as_secs_f64() * 1e3
    );
    figures.check(failed == 0, || {
        format!("{failed} requests failed while the control plane was down")
    });

    api.post(&format!("/v1/experiments/{MODEL}/resume")).await?;
    until_in_sync(api, MODEL).await?;
    let answers = gateway.ask_all(probed, || ()).await?;
    let changes_again = answers.iter().any(|a| a.model != "stable-a");
    println!("    resumed: the experiment's state survived, and changes reach the proxy again");
    figures.check(changes_again, || {
        "after the restart, a change did not reach the proxy".to_owned()
    });
    figures.outage = Some(Outage {
        back_in_sync_ms: back.as_secs_f64() * 1e3,
        requests: samples.len(),
        failed,
        changes_again,
    });
    Ok(())
}

/// Makes `change` under traffic and reads from the traffic when it took effect.
async fn propagate(
    api: &ApiClient,
    gateway: &Gateway,
    units: &[String],
    change: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Propagation> {
    let probe = Probe::start(gateway, units, WORKERS);
    probe.rounds(2).await;
    let call = std::time::Instant::now();
    change.await?;
    let answered = std::time::Instant::now();
    until_in_sync(api, MODEL).await?;
    let acknowledged = std::time::Instant::now();
    probe.rounds(3).await;
    let samples = probe.stop().await;
    Propagation::of(&samples, units.len(), call, answered, acknowledged)
        .context("no probed conversation moved")
}

/// Waits until the demo's proxy has acknowledged what `experiment` is now.
///
/// # Errors
/// It does not within [`PATIENCE`], or it refused; the last status is in the error.
pub async fn until_in_sync(api: &ApiClient, experiment: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = api
            .get(&format!("/v1/experiments/{experiment}/status"))
            .await?;
        let fleet = status
            .pointer(&format!("/fleets/{FLEET}"))
            .unwrap_or(&Value::Null);
        let connected = fleet
            .pointer("/connected")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        if connected > 0 && fleet.pointer("/in_sync").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "no proxy in sync after {} s: {fleet:#}",
            PATIENCE.as_secs()
        );
        sleep(POLL).await;
    }
}

async fn ask_with_bar(gateway: &Gateway, units: &[String]) -> anyhow::Result<Vec<Answer>> {
    let style = ProgressStyle::with_template("    [{bar:40}] {pos}/{len} requests, {per_sec}")?
        .progress_chars("█▌ ");
    let bar = ProgressBar::new(u64::try_from(units.len())?).with_style(style);
    let answers = gateway.ask_all(units, || bar.inc(1)).await;
    bar.finish_and_clear();
    answers
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand requests")]
fn rate(requests: usize, took: Duration) -> f64 {
    (requests as f64 / took.as_secs_f64().max(1e-9)).round()
}

fn step(what: &str) {
    println!("\n==> {what}");
}
