//! `watershed get`: the documents of a kind, or one of them.

use super::client::ApiClient;
use super::manifest::Kind;
use super::output::{self, Output, Table, cell, entries, text, yaml};
use super::server::ServerArgs;
use serde_json::{Value, json};
use std::str::FromStr as _;

/// Arguments of `watershed get`.
#[derive(Debug, Clone, clap::Args)]
pub struct GetArgs {
    /// The kind: experiments, clusters, services, layers, holdouts, segments, metrics or
    /// settings.
    #[arg(value_parser = Kind::from_str)]
    kind: Kind,
    /// One of them; all where not given.
    key: Option<String>,
    /// How to show it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints what `args` ask for.
///
/// # Errors
/// The API's problem.
pub async fn run(args: GetArgs) -> anyhow::Result<()> {
    output::print(&shown(&args).await?)
}

pub(super) async fn shown(args: &GetArgs) -> anyhow::Result<String> {
    let client = args.server.client();
    match (&args.key, args.kind) {
        (None, Kind::Settings) => one(&client, args, "/v1/settings").await,
        (None, kind) => {
            let items = client.list(&format!("/v1/{}", kind.collection())).await?;
            if args.output == Output::Yaml {
                return manifests(kind, &items);
            }
            let all = json!({ "items": items });
            args.output.show(&all, || table(kind, &items))
        }
        (Some(key), kind) => one(&client, args, &kind.path(key)).await,
    }
}

async fn one(client: &ApiClient, args: &GetArgs, path: &str) -> anyhow::Result<String> {
    let document = client.get(path).await?;
    let kind = args.kind;
    if args.output == Output::Yaml || (args.output == Output::Table && kind == Kind::Settings) {
        return manifests(kind, &[document]);
    }
    let only = std::slice::from_ref(&document);
    args.output.show(&document, || table(kind, only))
}

/// A stream of manifests as `apply` takes them.
fn manifests(kind: Kind, documents: &[Value]) -> anyhow::Result<String> {
    let one = |it: &Value| {
        let spec = it.get("spec").unwrap_or(&Value::Null);
        manifest(kind, text(it, "key"), spec)
    };
    let each: anyhow::Result<Vec<String>> = documents.iter().map(one).collect();
    Ok(each?.join("---\n"))
}

/// One manifest, its fields in the order in which people write them.
pub(super) fn manifest(kind: Kind, key: &str, spec: &Value) -> anyhow::Result<String> {
    let mut manifest = format!("kind: {kind:?}\n");
    if kind != Kind::Settings {
        // Keys are plain words, but not every plain word is a string in YAML.
        manifest.push_str(&yaml(&json!({ "key": key }))?);
    }
    manifest.push_str(&yaml(&json!({ "spec": spec }))?);
    Ok(manifest)
}

fn table(kind: Kind, documents: &[Value]) -> String {
    match kind {
        Kind::Settings => String::new(),
        Kind::Experiment => experiments(documents),
        Kind::Cluster => {
            let mut table = Table::new(["KEY", "ENDPOINTS", "REVISION"]);
            for it in documents {
                let endpoints: Vec<String> = spec_list(it, "endpoints")
                    .map(|one| format!("{}:{}", text(one, "address"), cell(one, "port")))
                    .collect();
                table.row([cell(it, "key"), endpoints.join(","), cell(it, "revision")]);
            }
            table.text()
        }
        Kind::Service => {
            let mut table = Table::new(["KEY", "HOSTS", "PATHS", "DEFAULT", "FLEETS", "REVISION"]);
            for it in documents {
                table.row([
                    cell(it, "key"),
                    words(it, "hosts"),
                    words(it, "path_prefixes"),
                    spec(it, "default_cluster"),
                    words(it, "fleets"),
                    cell(it, "revision"),
                ]);
            }
            table.text()
        }
        Kind::Layer => columns(documents, &["SALT", "HASH", "BUCKETS", "DISABLED"]),
        Kind::Holdout => columns(documents, &["TRAFFIC", "LAYER", "DESCRIPTION"]),
        Kind::Metric => columns(documents, &["TYPE", "DIRECTION", "WINDOW", "UNIT"]),
        Kind::Segment => columns(documents, &["DESCRIPTION"]),
    }
}

fn experiments(documents: &[Value]) -> String {
    let header = [
        "KEY", "STATE", "LAYER", "TRAFFIC", "WEIGHTS", "OWNER", "REVISION",
    ];
    let mut table = Table::new(header);
    for it in documents {
        table.row([
            cell(it, "key"),
            cell(it, "state"),
            spec(it, "layer"),
            spec(it, "traffic"),
            weights(it),
            spec(it, "owner"),
            cell(it, "revision"),
        ]);
    }
    table.text()
}

/// `stable=7000,candidate=3000`
pub(super) fn weights(experiment: &Value) -> String {
    let weight = |it: &Value| format!("{}={}", text(it, "key"), cell(it, "weight"));
    let weights: Vec<String> = spec_list(experiment, "variants").map(weight).collect();
    weights.join(",")
}

/// The fields of the spec that are named like the columns.
fn columns(documents: &[Value], names: &[&str]) -> String {
    let names = names.iter().copied();
    let header = std::iter::once("KEY").chain(names.clone());
    let mut table = Table::new(header.chain(["REVISION"]));
    for it in documents {
        let fields = names
            .clone()
            .map(|name| spec(it, &name.to_ascii_lowercase()));
        let row = std::iter::once(cell(it, "key")).chain(fields);
        table.row(row.chain([cell(it, "revision")]));
    }
    table.text()
}

fn spec(document: &Value, field: &str) -> String {
    document
        .get("spec")
        .map_or_else(String::new, |spec| cell(spec, field))
}

fn spec_list<'a>(document: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let spec = document.get("spec").unwrap_or(&Value::Null);
    entries(spec, field)
}

fn words(document: &Value, field: &str) -> String {
    let words: Vec<&str> = spec_list(document, field)
        .filter_map(Value::as_str)
        .collect();
    words.join(",")
}
