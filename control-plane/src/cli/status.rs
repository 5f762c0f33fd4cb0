//! `watershed status`: what the proxies have acknowledged, once or until it is interrupted. On a
//! terminal a watch draws over what it drew; piped, it prints a line for each change. A script waits, for
//! so long, until all of it is in sync.

use super::client::{ApiClient, ApiError};
use super::exit::NotInSync;
use super::output::{self, Output, Table, cell, text};
use super::server::ServerArgs;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Arguments of `watershed status`.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// The experiment, proxy by proxy; all in short where not given.
    experiment: Option<String>,
    /// Goes on to show changes until it is interrupted.
    #[arg(short, long)]
    watch: bool,
    /// Ends once every fleet that is shown has proxies and all of them have accepted what is meant for
    /// them; not with --watch.
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// How long --wait waits, in seconds; it then ends with the exit code 9.
    #[arg(long, default_value = "300", value_name = "SECONDS", requires = "wait", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    within: u64,
    /// Lets --wait take a fleet without proxies, or no fleet at all, for in sync.
    #[arg(long, requires = "wait")]
    allow_empty: bool,
    /// How often to look, in seconds.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    interval: u64,
    /// How to show it. A watch is a table.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl StatusArgs {
    #[cfg(test)]
    pub(super) fn experiment(&self) -> Option<&str> {
        self.experiment.as_deref()
    }
}

/// Prints what `args` ask for.
///
/// # Errors
/// The API's problem. A watch goes on where the server cannot be reached, once it could.
pub async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let client = args.server.client();
    if args.wait {
        return wait(&args, &client).await;
    }
    let mut last = statuses(&client, args.experiment.as_deref()).await?;
    if !args.watch {
        return output::print(&shown(&args, &last)?);
    }
    let mut screen = Screen::new(std::io::stdout().is_terminal());
    let mut note = None;
    loop {
        let frame = screen.draw(&last, args.experiment.is_some(), note.as_deref());
        if !output::print_on(&frame)? {
            return Ok(());
        }
        sleep(Duration::from_secs(args.interval)).await;
        match statuses(&client, args.experiment.as_deref()).await {
            Ok(now) => (last, note) = (now, None),
            Err(fault @ (ApiError::Unreachable { .. } | ApiError::Late { .. })) => {
                note = Some(fault.to_string());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

async fn wait(args: &StatusArgs, client: &ApiClient) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(args.within);
    loop {
        let statuses = statuses(client, args.experiment.as_deref()).await?;
        let pending = pending(&statuses, args.allow_empty);
        let now = Instant::now();
        if pending.is_none() || now >= deadline {
            output::print(&shown(args, &statuses)?)?;
            let seconds = args.within;
            return pending.map_or(Ok(()), |what| Err(NotInSync { seconds, what }.into()));
        }
        sleep_until(deadline.min(now + Duration::from_secs(args.interval))).await;
    }
}

pub(super) async fn statuses(
    client: &ApiClient,
    experiment: Option<&str>,
) -> Result<Vec<Value>, ApiError> {
    if let Some(key) = experiment {
        return Ok(vec![
            client.get(&format!("/v1/experiments/{key}/status")).await?,
        ]);
    }
    let mut statuses = Vec::new();
    for document in client.list("/v1/experiments").await? {
        let path = format!("/v1/experiments/{}/status", text(&document, "key"));
        // One that went away in the meantime has no status any more.
        statuses.extend(client.find(&path).await?);
    }
    Ok(statuses)
}

pub(super) fn shown(args: &StatusArgs, statuses: &[Value]) -> anyhow::Result<String> {
    let value = match (&args.experiment, statuses) {
        (Some(_), [only]) => only.clone(),
        _ => json!({ "items": statuses }),
    };
    args.output
        .show(&value, || table(statuses, args.experiment.is_some()))
}

fn fleets(status: &Value) -> impl Iterator<Item = (&String, &Value)> {
    status
        .get("fleets")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn flag(value: &Value, field: &str) -> bool {
    value
        .get(field)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// What there is to wait for: the first fleet that has not accepted what it should have. An experiment
/// that no fleet has keeps nobody waiting. Nobody there proves nothing, unless that is allowed.
fn pending(statuses: &[Value], allow_empty: bool) -> Option<String> {
    let mut fleets = statuses.iter().flat_map(fleets).peekable();
    if fleets.peek().is_none() && !allow_empty {
        return Some("no fleet has any experiment".to_owned());
    }
    fleets.find_map(|(name, fleet)| {
        if flag(fleet, "in_sync") {
            return None;
        }
        if fleet.get("connected").and_then(Value::as_u64) != Some(0) {
            return Some(format!("fleet {name}: {}", progress(fleet)));
        }
        (!allow_empty).then(|| format!("fleet {name}: no proxy is connected"))
    })
}

/// `2 of 3 acknowledged, 1 refused`
fn progress(fleet: &Value) -> String {
    let refused = match cell(fleet, "refused").as_str() {
        "0" | "" => String::new(),
        count => format!(", {count} refused"),
    };
    format!(
        "{} of {} acknowledged{refused}",
        cell(fleet, "acknowledged"),
        cell(fleet, "connected"),
    )
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn table(statuses: &[Value], each_proxy: bool) -> String {
    let header = [
        "EXPERIMENT",
        "STATE",
        "REVISION",
        "FLEET",
        "CONNECTED",
        "ACKNOWLEDGED",
        "REFUSED",
        "IN SYNC",
    ];
    let mut table = Table::new(header);
    for status in statuses {
        let own = ["experiment", "state", "revision"].map(|field| cell(status, field));
        let mut any = false;
        for (name, fleet) in fleets(status) {
            any = true;
            let counts = ["connected", "acknowledged", "refused"].map(|field| cell(fleet, field));
            let row = own.iter().cloned().chain([name.clone()]).chain(counts);
            table.row(row.chain([yes(flag(fleet, "in_sync"))]));
        }
        if !any {
            table.row(own.into_iter().chain(std::iter::repeat_n(String::new(), 5)));
        }
    }
    let mut shown = table.text();
    if each_proxy {
        for status in statuses {
            shown.push_str(&proxies(status));
            shown.push_str(&telemetry(status));
        }
    }
    shown
}

fn proxies(status: &Value) -> String {
    let mut table = Table::new([
        "PROXY",
        "FLEET",
        "CONNECTED SINCE",
        "VERSION",
        "IN SYNC",
        "REFUSAL",
    ]);
    let mut any = false;
    for (name, fleet) in fleets(status) {
        for proxy in output::entries(fleet, "proxies") {
            any = true;
            let refusal = match proxy.get("refusal").filter(|it| it.is_object()) {
                Some(it) => format!(
                    "{} {}: {}",
                    text(it, "type"),
                    text(it, "version"),
                    text(it, "message")
                ),
                None => String::new(),
            };
            table.row([
                cell(proxy, "node"),
                name.clone(),
                cell(proxy, "connected_since"),
                cell(proxy, "version"),
                yes(flag(proxy, "in_sync")),
                refusal,
            ]);
        }
    }
    if any {
        format!("\n{}", table.text())
    } else {
        String::new()
    }
}

/// How much of the evidence is missing, where anybody counts.
fn telemetry(status: &Value) -> String {
    let Some(telemetry) = status.get("telemetry") else {
        return String::new();
    };
    let Some(missing) = telemetry.get("missing").and_then(Value::as_f64) else {
        return String::new();
    };
    let word = if flag(telemetry, "telemetry_missing") {
        "TELEMETRY MISSING"
    } else {
        "telemetry"
    };
    format!(
        "\n{word}: {} of {} counted assignments arrived, {:.2}% did not\n",
        cell(telemetry, "arrived"),
        cell(telemetry, "counted"),
        missing * 100.0
    )
}

/// Where a watch shows itself.
struct Screen {
    terminal: bool,
    /// The lines that were printed last, where lines are printed.
    seen: BTreeSet<String>,
    drawn: bool,
}

impl Screen {
    fn new(terminal: bool) -> Self {
        Self {
            terminal,
            seen: BTreeSet::new(),
            drawn: false,
        }
    }

    /// What to write to show `statuses`: on a terminal the whole again, over what is there, so that
    /// nothing flickers; else the lines that are new.
    fn draw(&mut self, statuses: &[Value], each_proxy: bool, note: Option<&str>) -> String {
        if self.terminal {
            // Cleared once; then from the top, each line to its end, and below the last one.
            let mut frame = if self.drawn {
                "\x1b[H"
            } else {
                "\x1b[2J\x1b[H"
            }
            .to_owned();
            self.drawn = true;
            let table = table(statuses, each_proxy);
            for line in table.lines().chain(note) {
                let _ = writeln!(frame, "{line}\x1b[K");
            }
            frame.push_str("\x1b[J");
            return frame;
        }
        let lines: Vec<String> = statuses
            .iter()
            .flat_map(lines)
            .chain(note.map(str::to_owned))
            .collect();
        let new = lines.iter().filter(|line| !self.seen.contains(*line));
        let mut text = String::new();
        for line in new {
            text.push_str(line);
            text.push('\n');
        }
        self.seen = lines.into_iter().collect();
        text
    }
}

/// `chat-model running revision 7 fleet default: 2 of 3 acknowledged, 1 refused`
fn lines(status: &Value) -> Vec<String> {
    let own = ["experiment", "state", "revision"].map(|field| cell(status, field));
    let [experiment, state, revision] = own;
    let line = |(name, fleet): (&String, &Value)| {
        let progress = progress(fleet);
        format!("{experiment} {state} revision {revision} fleet {name}: {progress}")
    };
    fleets(status).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(acknowledged: u64, refused: u64) -> Value {
        json!({
            "experiment": "chat-model", "state": "running", "revision": 7,
            "fleets": {"default": {
                "connected": 2, "acknowledged": acknowledged, "refused": refused, "in_sync": acknowledged == 2,
                "proxies": [{"node": "envoy-1", "connected_since": "2026-01-31T09:00:00Z", "version": "v7",
                    "in_sync": true, "refusal": null},
                    {"node": "envoy-2", "version": null, "in_sync": false,
                     "refusal": {"type": "ECDS", "version": "v7", "message": "no such\nfield"}}],
            }},
        })
    }

    #[test]
    fn a_fleet_is_a_row_and_so_is_each_proxy_of_one_experiment() {
        assert_eq!(
            table(&[status(1, 1)], true),
            "EXPERIMENT  STATE    REVISION  FLEET    CONNECTED  ACKNOWLEDGED  REFUSED  IN SYNC\n\
             chat-model  running  7         default  2          1             1        no\n\
             \n\
             PROXY    FLEET    CONNECTED SINCE       VERSION  IN SYNC  REFUSAL\n\
             envoy-1  default  2026-01-31T09:00:00Z  v7       yes      -\n\
             envoy-2  default  -                     -        no       ECDS v7: no such field\n"
        );
        let nobody = json!({"experiment": "x", "state": "draft", "revision": 1, "fleets": {}});
        assert!(table(&[nobody], false).contains("x           draft  1         -      -"));
    }

    #[test]
    fn what_is_missing_of_the_evidence_is_told_below() {
        let mut lossy = status(2, 0);
        lossy["telemetry"] =
            json!({"counted": 200, "arrived": 150, "missing": 0.25, "telemetry_missing": true});
        let told = "\nTELEMETRY MISSING: 150 of 200 counted assignments arrived, 25.00% did not\n";
        assert!(table(&[lossy.clone()], true).ends_with(told));
        assert!(!table(&[lossy], false).contains("TELEMETRY"));
    }

    #[test]
    fn a_wait_is_for_every_fleet_and_says_which_one_it_still_waits_for() {
        let waits = |statuses: &[Value]| pending(statuses, false);
        assert_eq!(waits(&[status(2, 0)]), None);
        let behind = "fleet default: 1 of 2 acknowledged, 1 refused";
        assert_eq!(
            waits(&[status(2, 0), status(1, 1)]).as_deref(),
            Some(behind)
        );
        let nowhere = json!({"fleets": {}});
        assert_eq!(waits(&[status(2, 0), nowhere]), None);
    }

    #[test]
    fn nobody_there_is_waited_for_unless_that_is_allowed() {
        let nobody = json!({"fleets": {"edge": {
            "connected": 0, "acknowledged": 0, "refused": 0, "in_sync": false,
        }}});
        let nowhere = json!({"fleets": {}});
        for (statuses, says) in [
            (vec![nobody.clone()], "fleet edge: no proxy is connected"),
            (vec![nowhere], "no fleet has any experiment"),
            (vec![], "no fleet has any experiment"),
        ] {
            assert_eq!(pending(&statuses, false).as_deref(), Some(says));
            assert_eq!(pending(&statuses, true), None);
        }
        let behind = [nobody, status(0, 0)];
        assert!(
            pending(&behind, true).is_some(),
            "those who are there count"
        );
    }

    #[test]
    fn a_terminal_is_drawn_over_and_a_pipe_gets_what_is_new() {
        let mut terminal = Screen::new(true);
        let first = terminal.draw(&[status(1, 0)], false, None);
        assert!(
            first.starts_with("\x1b[2J\x1b[H") && first.ends_with("\x1b[J"),
            "{first:?}"
        );
        let second = terminal.draw(&[status(2, 0)], false, Some("cannot reach it"));
        assert!(second.starts_with("\x1b[HEXPERIMENT") && second.contains("cannot reach it\x1b[K"));
        let mut pipe = Screen::new(false);
        let line = |acknowledged| {
            format!(
                "chat-model running revision 7 fleet default: {acknowledged} of 2 acknowledged\n"
            )
        };
        assert_eq!(pipe.draw(&[status(1, 0)], false, None), line(1));
        assert_eq!(pipe.draw(&[status(1, 0)], false, None), "");
        assert_eq!(pipe.draw(&[status(2, 0)], false, None), line(2));
        assert_eq!(pipe.draw(&[status(1, 0)], false, None), line(1));
    }
}
