//! `watershed audit`: who did what, when, from where and why, newest first.

use super::output::{self, Output, Table, cell, entries, text};
use super::server::ServerArgs;
use crate::percent::encode;
use serde_json::{Value, json};

/// Arguments of `watershed audit`.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    /// Changes by this actor, as `key:ci`.
    #[arg(long)]
    actor: Option<String>,
    /// Changes of this sort, as `weights`, `start` or `create`.
    #[arg(long)]
    action: Option<String>,
    /// Changes of this kind of thing, as `experiment`.
    #[arg(long)]
    kind: Option<String>,
    /// Changes of the thing of this name.
    #[arg(long)]
    key: Option<String>,
    /// Changes at this time or later, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Changes before this time, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// The most records.
    #[arg(short = 'n', long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Shows what is different, place by place.
    #[arg(long)]
    changes: bool,
    /// How to show it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// The most records of one page.
const PAGE: usize = 200;

/// Prints the records that `args` ask for.
///
/// # Errors
/// The API's problem.
pub async fn run(args: AuditArgs) -> anyhow::Result<()> {
    output::print(&shown(&args).await?)
}

pub(super) async fn shown(args: &AuditArgs) -> anyhow::Result<String> {
    let client = args.server.client();
    let wanted = usize::try_from(args.limit).unwrap_or(PAGE);
    let mut records = Vec::new();
    let mut cursor = None;
    while records.len() < wanted {
        let most = wanted.saturating_sub(records.len()).min(PAGE);
        let page = client.get(&args.path(most, cursor.as_deref())).await?;
        records.extend(entries(&page, "items").cloned());
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let all = json!({ "items": records });
    args.output.show(&all, || table(&records, args.changes))
}

impl AuditArgs {
    fn path(&self, most: usize, cursor: Option<&str>) -> String {
        let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
        let given = [
            ("actor", self.actor.clone()),
            ("action", self.action.clone()),
            ("kind", self.kind.clone()),
            ("key", self.key.clone()),
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("cursor", cursor.map(str::to_owned)),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some(format!("&{name}={}", encode(&value?))));
        format!("/v1/audit?limit={most}{}", given.collect::<String>())
    }
}

fn table(records: &[Value], changes: bool) -> String {
    let mut table = Table::new([
        "AT", "ACTOR", "FROM", "ACTION", "KIND", "KEY", "REVISION", "REASON",
    ]);
    for it in records {
        let fields = [
            "at", "actor", "peer", "action", "kind", "key", "revision", "reason",
        ];
        table.row(fields.map(|field| cell(it, field)));
    }
    if !changes {
        return table.text();
    }
    let mut lines = String::new();
    for (index, line) in table.text().lines().enumerate() {
        lines.push_str(line);
        lines.push('\n');
        let record = index.checked_sub(1).and_then(|index| records.get(index));
        for change in record.into_iter().flat_map(|it| entries(it, "changes")) {
            lines.push_str(&difference(change));
        }
    }
    lines
}

/// `    /spec/traffic: 100 → 200`
pub(super) fn difference(change: &Value) -> String {
    let path = text(change, "path");
    if path.is_empty() {
        return String::new(); // made or taken away as a whole, as the action says
    }
    let side = |field: &str| change.get(field).map(Value::to_string);
    match (side("before"), side("after")) {
        (Some(before), Some(after)) => format!("    {path}: {before} → {after}\n"),
        (None, Some(after)) => format!("  + {path}: {after}\n"),
        (Some(before), None) => format!("  - {path}: {before}\n"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_row_and_its_changes_are_below() {
        let records = [json!({
            "at": "2026-01-31T09:00:00Z", "actor": "key:ci", "peer": "10.0.0.1", "action": "weights",
            "kind": "experiment", "key": "chat-model", "revision": 7, "reason": "ramp",
            "changes": [
                {"op": "replace", "path": "/spec/variants/0/weight", "before": 1, "after": 2},
                {"op": "add", "path": "/spec/owner", "after": "me"},
                {"op": "remove", "path": "", "before": {}},
            ],
        })];
        assert_eq!(
            table(&records, true),
            "AT                    ACTOR   FROM      ACTION   KIND        KEY         REVISION  REASON\n\
             2026-01-31T09:00:00Z  key:ci  10.0.0.1  weights  experiment  chat-model  7         ramp\n    \
             /spec/variants/0/weight: 1 → 2\n  + /spec/owner: \"me\"\n"
        );
    }
}
