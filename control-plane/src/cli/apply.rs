//! `watershed apply`: puts files or folders of manifests, one after the other, in the order in which
//! they depend on one another; shows beforehand what would change, and takes away what an earlier
//! apply of the same source made and the files do not have any more.
//!
//! Whose a document is stands in the audit, which nobody can change: `--source NAME` writes
//! `[source NAME]` before the reason of whatever it makes. Only what the last record of its making
//! says that of is ever pruned.

use super::client::ApiClient;
use super::difference;
use super::exit::Different;
use super::life::asked;
use super::manifest::{self, Kind, Manifest, ManifestError};
use super::output::{self, Output, Table, entries, text};
use super::server::ServerArgs;
use crate::percent::encode;
use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Arguments of `watershed apply`.
#[derive(Debug, Clone, clap::Args)]
pub struct ApplyArgs {
    /// A manifest file, a folder of them, or `-` for standard input. May repeat.
    #[arg(short, long, required = true, value_name = "FILE|DIR")]
    file: Vec<PathBuf>,
    /// Whose the manifests are, as the name of their repository: marks what is made, for --prune.
    #[arg(long, env = "WATERSHED_SOURCE", value_name = "NAME", value_parser = source)]
    source: Option<String>,
    /// Takes away what an apply of the same --source made and the files do not have any more.
    #[arg(long, requires = "source")]
    prune: bool,
    /// Prunes even where the files hold nothing at all.
    #[arg(long, requires = "prune")]
    allow_empty: bool,
    /// Prunes experiments that are served, too; without it they are an error.
    #[arg(long, requires = "prune")]
    prune_served: bool,
    /// Shows what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run, ends with 10 where something would change.
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How to show what was done.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

fn source(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(plain);
    let expected = "expected 1 to 128 of letters, digits and ._/:-";
    fits.then(|| text.to_owned()).ok_or(expected)
}

/// What becomes of one document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Created,
    Changed,
    Unchanged,
    Pruned,
}

impl What {
    fn word(self, dry: bool) -> &'static str {
        match (self, dry) {
            (Self::Created, false) => "created",
            (Self::Changed, false) => "changed",
            (Self::Pruned, false) => "pruned",
            (Self::Unchanged, _) => "unchanged",
            (Self::Created, true) => "would be created",
            (Self::Changed, true) => "would be changed",
            (Self::Pruned, true) => "would be pruned",
        }
    }
}

/// One line of what was done.
#[derive(Debug, Serialize)]
struct Done {
    kind: String,
    key: String,
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    diff: String,
    /// What must be made first, so that the server could not check this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchecked: Option<String>,
}

/// What the server has, by kind and key.
type Documents = BTreeMap<(Kind, String), Value>;

/// Applies what `args` name and prints a line for each.
///
/// # Errors
/// The first manifest that cannot be read or is refused; those before it stay applied.
pub async fn run(args: ApplyArgs) -> anyhow::Result<()> {
    let (text, would_change) = applied(&args).await?;
    output::print(&text)?;
    if args.exit_code && would_change {
        return Err(Different.into());
    }
    Ok(())
}

/// What was done as text, and whether anything was or would be changed.
pub(super) async fn applied(args: &ApplyArgs) -> anyhow::Result<(String, bool)> {
    let manifests = args.manifests()?;
    let client = args.server.client();
    let current = documents(&client, &manifests, args.prune).await?;
    // Found before anything is changed: what cannot be told apart is not begun with.
    let pruned = match &args.source {
        Some(source) if args.prune => doomed(&client, source, &manifests, &current).await?,
        _ => Vec::new(),
    };
    if !args.prune_served {
        served(&pruned, &current)?;
    }
    let mut all = Vec::new();
    for manifest in &manifests {
        all.push(args.put(&client, manifest, &manifests, &current).await?);
    }
    for (kind, key) in pruned {
        all.push(args.take_away(&client, kind, &key, &current).await?);
    }
    let different = all.iter().any(|done| done.what != What::Unchanged);
    let value = json!({ "items": all });
    let text = args.output.show(&value, || told(&all, args.dry_run))?;
    Ok((text, different))
}

impl ApplyArgs {
    /// The manifests of every file, in order, each key once.
    fn manifests(&self) -> anyhow::Result<Vec<Manifest>> {
        let mut all = Vec::new();
        for path in &self.file {
            if path.as_os_str() == "-" {
                let text = std::io::read_to_string(std::io::stdin());
                let text = text.context("read standard input")?;
                all.extend(manifest::parse("standard input", &text)?);
                continue;
            }
            match manifest::load(path) {
                Err(ManifestError::Empty(_)) if self.allow_empty => {}
                loaded => all.extend(loaded?),
            }
        }
        if all.is_empty() && self.prune && !self.allow_empty {
            bail!(
                "the files hold no manifest, and --prune would take everything away: say --allow-empty if that is meant"
            );
        }
        let mut seen = BTreeSet::new();
        for manifest in &all {
            if !seen.insert((manifest.kind, &manifest.key)) {
                bail!("{:?} {} is there twice", manifest.kind, manifest.key);
            }
        }
        all.sort_by_key(|manifest| manifest.kind);
        Ok(manifest::in_order(all))
    }

    async fn put(
        &self,
        client: &ApiClient,
        manifest: &Manifest,
        all: &[Manifest],
        current: &Documents,
    ) -> anyhow::Result<Done> {
        let before = current.get(&(manifest.kind, manifest.key.clone()));
        // Settings are always there; revision 0 says that nobody has put any.
        let made = before.is_none_or(|it| revision(it) == Some(0));
        let spec = before.and_then(|document| document.get("spec"));
        let diff = difference::between(spec, manifest)?;
        let mut done = Done {
            kind: format!("{:?}", manifest.kind),
            key: manifest.key.clone(),
            what: match (made, diff.is_empty()) {
                (true, _) => What::Created,
                (false, false) => What::Changed,
                (false, true) => What::Unchanged,
            },
            revision: before.and_then(revision),
            diff: if self.dry_run { diff } else { String::new() },
            unchecked: None,
        };
        if self.dry_run {
            done.unchecked = check(client, manifest, all, current).await?;
        } else {
            let answer = put_because(client, manifest, self.marked().as_deref(), false).await?;
            let now = revision(&answer);
            if !made {
                // What counts is what the server made of it.
                let same = now == done.revision;
                done.what = if same { What::Unchanged } else { What::Changed };
            }
            done.revision = now;
        }
        Ok(done)
    }

    async fn take_away(
        &self,
        client: &ApiClient,
        kind: Kind,
        key: &str,
        current: &Documents,
    ) -> anyhow::Result<Done> {
        let document = current.get(&(kind, key.to_owned()));
        let spec = document
            .and_then(|it| it.get("spec"))
            .unwrap_or(&Value::Null);
        let mut done = Done {
            kind: format!("{kind:?}"),
            key: key.to_owned(),
            what: What::Pruned,
            revision: None,
            diff: String::new(),
            unchecked: None,
        };
        if self.dry_run {
            done.diff = difference::gone(spec)?;
        } else {
            let path = asked(&kind.path(key), self.marked().as_deref(), false);
            let gone = client.delete(&path).await;
            gone.with_context(|| format!("prune {} {key}", done.kind))?;
        }
        Ok(done)
    }

    /// The reason with the source before it.
    fn marked(&self) -> Option<String> {
        match (&self.source, &self.reason) {
            (None, reason) => reason.clone(),
            (Some(source), None) => Some(mark(source)),
            (Some(source), Some(reason)) => Some(format!("{} {reason}", mark(source))),
        }
    }
}

/// Puts one manifest and returns its revision.
///
/// # Errors
/// The API's problem, with the manifest's kind and key.
pub async fn put(client: &ApiClient, manifest: &Manifest) -> anyhow::Result<u64> {
    let answer = put_because(client, manifest, None, false).await?;
    Ok(revision(&answer).unwrap_or_default())
}

async fn put_because(
    client: &ApiClient,
    manifest: &Manifest,
    reason: Option<&str>,
    dry_run: bool,
) -> anyhow::Result<Value> {
    let path = asked(&manifest.path(), reason, dry_run);
    let answer = client.put(&path, &manifest.spec).await;
    answer.with_context(|| format!("{:?} {}", manifest.kind, manifest.key))
}

/// Has the server try it. What names something that the same files would first make cannot be tried:
/// that is what comes back.
async fn check(
    client: &ApiClient,
    manifest: &Manifest,
    all: &[Manifest],
    current: &Documents,
) -> anyhow::Result<Option<String>> {
    let Err(refused) = put_because(client, manifest, None, true).await else {
        return Ok(None);
    };
    let new = all.iter().find(|other| {
        let is_new = !current.contains_key(&(other.kind, other.key.clone()));
        is_new && other.key != manifest.key && names(&manifest.spec, &other.key)
    });
    let new = new.ok_or(refused)?;
    Ok(Some(format!("{:?} {}", new.kind, new.key)))
}

/// Whether `key` is a text anywhere in `spec`.
fn names(spec: &Value, key: &str) -> bool {
    match spec {
        Value::String(text) => text == key,
        Value::Array(list) => list.iter().any(|it| names(it, key)),
        Value::Object(fields) => fields.values().any(|it| names(it, key)),
        _ => false,
    }
}

fn mark(source: &str) -> String {
    format!("[source {source}]")
}

fn revision(document: &Value) -> Option<u64> {
    document.get("revision").and_then(Value::as_u64)
}

/// What there is of the kinds that matter: those of the manifests, or, to prune, every one.
async fn documents(
    client: &ApiClient,
    manifests: &[Manifest],
    every: bool,
) -> anyhow::Result<Documents> {
    let mut found = Documents::new();
    for kind in Kind::ALL {
        let matters = every || manifests.iter().any(|manifest| manifest.kind == kind);
        match kind {
            _ if !matters => {}
            Kind::Settings => {
                let settings = client.get("/v1/settings").await?;
                found.insert((kind, String::new()), settings);
            }
            kind => {
                let items = client.list(&format!("/v1/{}", kind.collection())).await?;
                found.extend(
                    items
                        .into_iter()
                        .map(|it| ((kind, text(&it, "key").to_owned()), it)),
                );
            }
        }
    }
    Ok(found)
}

/// What is to be pruned, in the order in which it can be.
async fn doomed(
    client: &ApiClient,
    source: &str,
    manifests: &[Manifest],
    current: &Documents,
) -> anyhow::Result<Vec<(Kind, String)>> {
    let kept: BTreeSet<(Kind, &str)> = manifests
        .iter()
        .map(|it| (it.kind, it.key.as_str()))
        .collect();
    let mut found = Vec::new();
    for ((kind, key), document) in current {
        // Settings are always there.
        if *kind == Kind::Settings || kept.contains(&(*kind, key.as_str())) {
            continue;
        }
        if made_by(client, source, *kind, key).await? {
            found.push(Manifest {
                kind: *kind,
                key: key.clone(),
                spec: document.get("spec").cloned().unwrap_or_default(),
            });
        }
    }
    found.sort_by_key(|manifest| manifest.kind);
    let mut ordered = manifest::in_order(found);
    ordered.reverse();
    Ok(ordered.into_iter().map(|it| (it.kind, it.key)).collect())
}

/// That no experiment among them is served: traffic would move because a file is missing.
fn served(pruned: &[(Kind, String)], current: &Documents) -> anyhow::Result<()> {
    const SERVED: [&str; 5] = ["internal", "canary", "running", "rolled_back", "decided"];
    for place in pruned {
        let state = current
            .get(place)
            .map_or("", |document| text(document, "state"));
        if SERVED.contains(&state) {
            bail!(
                "experiment {} is {state} and no file has it any more: archive or pause it first, or say --prune-served",
                place.1
            );
        }
    }
    Ok(())
}

/// Whether the document that there is was made by an apply of this source.
async fn made_by(client: &ApiClient, source: &str, kind: Kind, key: &str) -> anyhow::Result<bool> {
    let path = format!(
        "/v1/audit?action=create&kind={}&key={}&limit=1",
        kind.word(),
        encode(key)
    );
    let records = client
        .get(&path)
        .await
        .context("read who made what, to prune")?;
    let last = entries(&records, "items").next();
    let reason = last.map_or("", |record| text(record, "reason"));
    Ok(reason.starts_with(&mark(source)))
}

fn told(all: &[Done], dry: bool) -> String {
    let mut table = Table::new(["KIND", "KEY", "REVISION", "RESULT"]);
    for done in all {
        let revision = done.revision.filter(|revision| *revision > 0);
        table.row([
            done.kind.clone(),
            done.key.clone(),
            revision.map_or_else(String::new, |it| it.to_string()),
            match &done.unchecked {
                Some(first) => {
                    format!("{} (not checked: {first} comes first)", done.what.word(dry))
                }
                None => done.what.word(dry).to_owned(),
            },
        ]);
    }
    let mut told = String::new();
    for (index, line) in table.text().lines().enumerate() {
        told.push_str(line);
        told.push('\n');
        let done = index.checked_sub(1).and_then(|index| all.get(index));
        told.push_str(done.map_or("", |done| &done.diff));
    }
    told
}
