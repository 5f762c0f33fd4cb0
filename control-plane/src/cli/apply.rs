//! `watershed apply`: puts a file or folder of manifests, one after the other, in the order in which
//! they depend on one another.

use super::client::ApiClient;
use super::manifest::{self, Manifest};
use super::server::ServerArgs;
use anyhow::Context as _;
use std::path::PathBuf;

/// Arguments of `watershed apply`.
#[derive(Debug, Clone, clap::Args)]
pub struct ApplyArgs {
    /// A manifest file, or a folder of them.
    #[arg(short, long)]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// Applies what `args` name and prints a line for each.
///
/// # Errors
/// The first manifest that cannot be read or is refused; those before it stay applied.
pub async fn run(args: ApplyArgs) -> anyhow::Result<()> {
    let client = args.server.client();
    for manifest in manifest::load(&args.file)? {
        let revision = put(&client, &manifest).await?;
        let (kind, key) = (format!("{:?}", manifest.kind), &manifest.key);
        println!("{kind:<10} {key} (revision {revision})");
    }
    Ok(())
}

/// Puts one manifest and returns its revision.
///
/// # Errors
/// The API's problem, with the manifest's kind and key.
pub async fn put(client: &ApiClient, manifest: &Manifest) -> anyhow::Result<u64> {
    let answer = client
        .put(&manifest.path(), &manifest.spec)
        .await
        .with_context(|| format!("{:?} {}", manifest.kind, manifest.key))?;
    Ok(answer
        .get("revision")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_default())
}
