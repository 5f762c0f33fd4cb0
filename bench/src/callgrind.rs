//! Instructions of a case, counted by callgrind. What lives here: running this binary under it and
//! reading its answer. What does not: what a run is.
//!
//! A case runs twice, so many times and twice as many; the difference is free of start and set-up.
//! The count is that of the machine's own code on a simulated processor: it repeats where time
//! doesn't.

use crate::case::Case;
use anyhow::Context as _;
use std::env;
use std::process::Command;

/// Whether valgrind is on this machine.
#[must_use]
pub fn is_there() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Instructions that one time of the case takes.
///
/// # Errors
/// Where valgrind or this binary under it fails, or says nothing readable.
pub fn instructions(case: &Case) -> anyhow::Result<u64> {
    let times = case.rounds();
    let once = collected(case, times)?;
    let twice = collected(case, times * 2)?;
    Ok(twice.saturating_sub(once) / times)
}

fn collected(case: &Case, times: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().context("the path of this program")?)
        .args(["count", &case.name(), &times.to_string()])
        .output()
        .context("can't start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{}: {said}", case.name());
    parse(&said).with_context(|| format!("no count in what valgrind said: {said}"))
}

/// The count in `==123== Collected : 456`.
fn parse(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_between_other_lines() {
        let said = "==1== \n==1== Events    : Ir\n==1== Collected : 30841963\n==1== \n";
        assert_eq!(parse(said), Some(30_841_963));
        assert_eq!(parse(""), None);
        assert_eq!(parse("==1== Collected : many"), None);
    }
}
