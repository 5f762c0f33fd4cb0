//! `watershed import` without `--from`: restores what `watershed export` wrote, into a control plane where nothing was
//! ever changed.

use super::output;
use super::server::ServerArgs;
use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;

/// Imports the file, all of it or nothing, and says what it was.
///
/// # Errors
/// A file that cannot be read, or the API's problem.
pub(super) async fn run(file: &Path, server: &ServerArgs) -> anyhow::Result<()> {
    let state = read(file)?;
    let done = server.client().post_with("/v1/import", &state).await?;
    let number = |field: &str| done.get(field).and_then(Value::as_u64).unwrap_or_default();
    output::print(&format!(
        "{} documents and {} API keys, now at revision {}\n",
        number("documents"),
        number("api_keys"),
        number("revision")
    ))?;
    let kept = done.get("api_keys_kept").and_then(Value::as_array);
    for name in kept.into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("key {name} was here already, and stayed as it was");
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let what = || format!("read {}", file.display());
    let text = std::fs::read_to_string(file).with_context(what)?;
    // A file of ours may be large, but has neither aliases nor depth.
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_events: 100_000_000,
            max_nodes: 50_000_000,
            max_total_scalar_bytes: 1 << 30,
        },
    };
    serde_saphyr::from_str_with_options(&text, options).with_context(what)
}
