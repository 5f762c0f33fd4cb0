//! The times that criterion measured, as it left them in files. What does not live here: the
//! measuring.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One case's time in nanoseconds: the median, and between what criterion is 95% sure it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The median.
    pub median: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Every time below `folder`, by the case's name.
///
/// # Errors
/// Where the folder or a file in it can't be read: run the benches first.
pub fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, Time>> {
    let mut times = BTreeMap::new();
    for group in folders(folder)? {
        for function in folders(&group)? {
            let newest = function.join("new");
            if newest.join("benchmark.json").is_file() {
                let (name, time) = one(&newest)?;
                times.insert(name, time);
            }
        }
    }
    Ok(times)
}

fn folders(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("no times in {}: run the benches first", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

fn one(folder: &Path) -> anyhow::Result<(String, Time)> {
    let benchmark: Benchmark = parsed(&folder.join("benchmark.json"))?;
    let Estimates { median } = parsed(&folder.join("estimates.json"))?;
    let name = format!(
        "{}/{}",
        benchmark.group_id,
        benchmark.function_id.unwrap_or_default()
    );
    let time = Time {
        median: median.point_estimate,
        low: median.confidence_interval.lower_bound,
        high: median.confidence_interval.upper_bound,
    };
    Ok((name, time))
}

fn parsed<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}
