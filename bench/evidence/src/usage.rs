//! What a process needed so far, as the kernel accounts it, and what else the machine does.

use serde::Serialize;
use std::fs;

/// What a process needed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    /// Processor time, in seconds, of all its threads.
    pub cpu_s: f64,
    /// The most memory that it ever held, in MiB.
    pub peak_mib: f64,
}

/// What this process needed so far.
#[must_use]
pub fn usage() -> Usage {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: utime and stime are fields 14 and 15, in hundredths of a second.
    let after = stat.rsplit_once(") ").map_or("", |it| it.1);
    let ticks = after.split(' ').skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|it| it.parse::<f64>().ok()).sum();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|it| it.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Usage {
        cpu_s: ticks / 100.0,
        peak_mib: peak.unwrap_or(0.0) / 1_024.0,
    }
}

/// The load of the last minute.
#[must_use]
pub fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next();
    first.and_then(|it| it.parse().ok()).unwrap_or(0.0)
}
