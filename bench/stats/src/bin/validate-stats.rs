//! Simulates what the statistics guarantee and writes the page about it: `validate-stats FOLDER`, where
//! FOLDER is that of the crate. Fails where a guarantee does not hold.

use anyhow::Context as _;
use watershed_stats_bench::{report, study};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .context("usage: validate-stats FOLDER")?;
    let failures = report::write(folder.as_ref(), &study::all()?)?;
    anyhow::ensure!(
        failures.is_empty(),
        "does not hold:\n{}",
        failures.join("\n")
    );
    Ok(())
}
