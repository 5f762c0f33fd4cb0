//! Instructions of a whole Envoy, counted by callgrind: they repeat where times don't. What lives here:
//! an Envoy under valgrind, and reading what it counted. What does not: the kernel's part, which valgrind
//! doesn't see. Its allocator takes more than it does otherwise: valgrind has no restartable sequences.

use super::load;
use super::process::Envoy;
use anyhow::Context as _;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Requests before the count: what happens once has happened.
const WARM_UP: usize = 600;

/// Instructions of Envoy a request, of `count` requests. Files lie in `folder`.
///
/// # Errors
/// Where valgrind is missing, Envoy is not up under it, or a request fails.
pub fn a_request(
    envoy: &Path,
    folder: &Path,
    bootstrap: &Value,
    requests: &[Vec<u8>],
    count: usize,
) -> anyhow::Result<u64> {
    fs::create_dir_all(folder)?;
    let (counts, pipes) = (folder.join("counts"), folder.join("vgdb"));
    let starter = starter(envoy, folder, &counts, &pipes)?;
    let envoy = Envoy::start(&starter, folder, bootstrap, 1)?;
    load::run(envoy.listener, requests, WARM_UP)?;
    let tell = |what: &str| {
        let mut command = Command::new("vgdb");
        command.arg(format!("--pid={}", envoy.process.id()));
        command.arg(format!("--vgdb-prefix={}", pipes.display()));
        let status = command
            .arg(what)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let is_told = status.context("can't start vgdb")?.success();
        anyhow::ensure!(is_told, "valgrind was not told to {what}");
        anyhow::Ok(())
    };
    tell("zero")?;
    load::run(envoy.listener, requests, count)?;
    tell("dump")?;
    let counts = fs::read_to_string(counts.with_extension("1"))?;
    let total = total(&counts).context("no total in what callgrind wrote")?;
    Ok(total / count as u64)
}

/// A program that starts Envoy under callgrind.
fn starter(
    envoy: &Path,
    folder: &Path,
    counts: &Path,
    pipes: &Path,
) -> anyhow::Result<std::path::PathBuf> {
    let starter = folder.join("envoy-under-callgrind");
    let script = format!(
        "#!/bin/sh\nexec valgrind --tool=callgrind --smc-check=all-non-file --callgrind-out-file='{}' \
         --vgdb-prefix='{}' '{}' \"$@\"\n",
        counts.display(),
        pipes.display(),
        envoy.display()
    );
    fs::write(&starter, script)?;
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755))?;
    Ok(starter)
}

/// The count in a dump's `totals: 123`.
fn total(dump: &str) -> Option<u64> {
    let line = dump
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_end_of_a_dump() {
        assert_eq!(total("events: Ir\nfn=(1)\n1 2\n\ntotals: 257\n"), Some(257));
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total("totals: many\n"), None);
    }
}
