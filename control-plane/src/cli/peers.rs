//! `watershed import --from PEER FILE`: another system's flags as manifests of ours that keep every unit in
//! its variant, and what could not be carried over. How is `crate::import`'s.

use super::manifest::{Kind, Manifest};
use super::output::{self, Output, Table};
use super::restore;
use super::server::ServerArgs;
use super::{apply, get};
use crate::import::{Imported, Mapping, Note, Peer, Read, import};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use std::str::FromStr;

/// Arguments of `watershed import`.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Whose file it is. Without it, it is one that `watershed export` wrote, to be restored where nothing
    /// was ever changed.
    #[arg(long, value_name = "SYSTEM")]
    from: Option<From>,
    /// The file, or `-` for standard input.
    file: PathBuf,
    /// A service whose requests are in the experiments. May repeat; all services where not given.
    #[arg(long, value_name = "KEY", requires = "from")]
    service: Vec<String>,
    /// What a unit is.
    #[arg(long, default_value = "user", value_name = "WORD")]
    unit_type: String,
    /// Who answers for the experiments.
    #[arg(long, value_name = "TEXT", requires = "from")]
    owner: Option<String>,
    /// When they shall be decided, as 2026-12-31.
    #[arg(long, value_name = "DATE", requires = "from")]
    decision_date: Option<String>,
    /// Where a field of their context is read, as userId=header:x-user-id. May repeat.
    #[arg(long, value_name = "FIELD=SOURCE", requires = "from")]
    read: Vec<Field>,
    /// Puts the manifests through the API instead of printing them.
    #[arg(long, requires = "from")]
    apply: bool,
    /// YAML are the manifests, with notes on standard error; JSON has both; a table is the notes alone.
    #[arg(short, long, default_value = "yaml")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Systems that are known.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum From {
    /// What a client of Unleash gets.
    Unleash,
    /// A flag definition of flagd.
    Flagd,
    /// What an SDK of GrowthBook gets.
    Growthbook,
}

/// `userId=header:x-user-id`
#[derive(Debug, Clone)]
struct Field(String, Read);

impl FromStr for Field {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected FIELD=SOURCE, as userId=header:x-user-id";
        let (field, read) = text.split_once('=').ok_or(expected)?;
        Ok(Self(field.to_owned(), read.parse()?))
    }
}

/// Imports what `args` name.
///
/// # Errors
/// A file that cannot be read or is none of the system's, or the API's problem.
pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    if args.from.is_none() {
        return restore::run(&args.file, &args.server).await;
    }
    let imported = args.imported()?;
    let (shown, notes) = args.shown(&imported)?;
    if args.apply {
        let client = args.server.client();
        for manifest in manifests(&imported)? {
            let revision = apply::put(&client, &manifest).await?;
            let (kind, key) = (manifest.kind, &manifest.key);
            output::print(&format!("{kind:?} {key} (revision {revision})\n"))?;
        }
    } else {
        output::print(&shown)?;
    }
    eprint!("{notes}");
    Ok(())
}

impl ImportArgs {
    pub(super) fn imported(&self) -> anyhow::Result<Imported> {
        let name = self.file.display();
        let text = if self.file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(&self.file)
        };
        let text = text.with_context(|| format!("read {name}"))?;
        let peer = match self.from.context("--from says whose file it is")? {
            From::Unleash => Peer::Unleash,
            From::Flagd => Peer::Flagd,
            From::Growthbook => Peer::Growthbook,
        };
        let fields = self.read.iter().cloned();
        let mapping = Mapping {
            services: self.service.clone(),
            unit_type: self.unit_type.clone(),
            owner: self.owner.clone(),
            decision_date: self.decision_date.clone(),
            read: fields.map(|Field(field, read)| (field, read)).collect(),
        };
        import(peer, &text, &mapping).with_context(|| name.to_string())
    }

    /// What goes to standard output, and the notes for standard error.
    pub(super) fn shown(&self, imported: &Imported) -> anyhow::Result<(String, String)> {
        let manifests = manifests(imported)?;
        let table = || told(&imported.notes, imported.experiments.len());
        Ok(match self.output {
            Output::Yaml => (stream(&manifests)?, table()),
            Output::Table => (table(), String::new()),
            Output::Json => {
                let both = json!({"manifests": manifests.iter().map(document).collect::<Vec<_>>(), "notes": imported.notes});
                (serde_json::to_string_pretty(&both)? + "\n", String::new())
            }
        })
    }
}

fn document(manifest: &Manifest) -> serde_json::Value {
    json!({"kind": format!("{:?}", manifest.kind), "key": manifest.key, "spec": manifest.spec})
}

/// The manifests in the order in which they must be put.
fn manifests(imported: &Imported) -> anyhow::Result<Vec<Manifest>> {
    fn all<'a, S: Serialize + 'a>(
        kind: Kind,
        specs: impl Iterator<Item = (&'a String, &'a S)>,
    ) -> impl Iterator<Item = anyhow::Result<Manifest>> {
        specs.map(move |(key, spec)| {
            let (key, spec) = (key.clone(), serde_json::to_value(spec)?);
            Ok(Manifest { kind, key, spec })
        })
    }
    let experiments = imported.experiments.iter().map(|(key, spec)| (key, spec));
    all(Kind::Segment, imported.segments.iter())
        .chain(all(Kind::Layer, imported.layers.iter()))
        .chain(all(Kind::Experiment, experiments))
        .collect()
}

fn stream(manifests: &[Manifest]) -> anyhow::Result<String> {
    let mut documents = Vec::new();
    for manifest in manifests {
        documents.push(get::manifest(manifest.kind, &manifest.key, &manifest.spec)?);
    }
    Ok(documents.join("---\n"))
}

/// Item by item, and a line that counts.
fn told(notes: &[Note], experiments: usize) -> String {
    let mut table = Table::new(["ITEM", "STATUS", "WHAT"]);
    for note in notes {
        let mark = if note.left_out { "left out" } else { "note" };
        table.row([note.item.clone(), mark.to_owned(), note.what.clone()]);
    }
    let left = notes.iter().filter(|note| note.left_out).count();
    let rows = if notes.is_empty() {
        String::new()
    } else {
        table.text()
    };
    format!("{rows}{experiments} experiments, {left} items left out\n")
}
