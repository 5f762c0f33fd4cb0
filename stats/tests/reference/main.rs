//! The reference cases, one data-driven test. A case names a function (`fn`); each file here knows some of them and
//! answers with the fields it computes. The folder is `WATERSHED_STATS_CASES` where that is set, else
//! `../shared/stats-cases` beside the repository; the format is in the folder's README. Pass and fail are printed per
//! function.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bandits;
mod bayesian;
#[allow(dead_code)]
mod compare;
mod control_charts;
mod cuped;
mod distributions;
mod drift_ks_psi;
mod fixed_horizon_means;
mod fixed_horizon_proportions;
#[allow(dead_code)]
mod inputs;
mod multiple_testing;
mod ratio_delta;
mod sample_size_power;
mod sequential_alpha_spending;
mod sequential_confidence_sequences;
mod sequential_msprt;
mod srm;
mod streaming_moments;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use compare::Outcome;
use inputs::Inputs;
use serde_json::Value;

/// The answers of a file here, none where it does not know the function.
type Answers = fn(&str, &Inputs) -> Option<Outcome>;

/// Who answers. A function that nobody knows fails the test.
const TABLE: &[Answers] = &[
    bandits::dispatch,
    bayesian::dispatch,
    control_charts::dispatch,
    cuped::dispatch,
    distributions::dispatch,
    drift_ks_psi::dispatch,
    fixed_horizon_means::dispatch,
    fixed_horizon_proportions::dispatch,
    multiple_testing::dispatch,
    ratio_delta::dispatch,
    sample_size_power::dispatch,
    sequential_alpha_spending::dispatch,
    sequential_confidence_sequences::dispatch,
    sequential_msprt::dispatch,
    srm::dispatch,
    streaming_moments::dispatch,
];

#[derive(Default)]
struct Tally {
    passed: usize,
    failures: Vec<String>,
}

fn folder() -> PathBuf {
    std::env::var_os("WATERSHED_STATS_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/stats-cases"),
        PathBuf::from,
    )
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

fn run(case: &Value) -> Result<(), String> {
    let name = case["fn"].as_str().expect("a case has a `fn`");
    let inputs = Inputs::new(&case["inputs"]);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        TABLE.iter().find_map(|dispatch| dispatch(name, &inputs))
    }))
    .map_err(|panic| match panic.downcast_ref::<String>() {
        Some(message) => format!("panicked: {message}"),
        None => "panicked".to_owned(),
    })?
    .ok_or_else(|| "nobody answers this function".to_owned())?;
    compare::check(name, case, &outcome)
}

/// Every case of these files; prints pass and fail per function, and returns how many passed and how many did not.
fn run_all(files: &[PathBuf]) -> (usize, usize) {
    // Written directly: the test runner holds back what `println!` prints when a test passes.
    let mut out = std::io::stdout();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a readable file");
        let document: Value = serde_json::from_str(&text).expect("a JSON file");
        for case in document["cases"].as_array().expect("a list of cases") {
            let tally = tallies
                .entry(case["fn"].as_str().unwrap_or("?").to_owned())
                .or_default();
            match run(case) {
                Ok(()) => tally.passed += 1,
                Err(reason) => tally.failures.push(format!("{}: {reason}", case["id"])),
            }
        }
    }
    for (name, Tally { passed, failures }) in &tallies {
        writeln!(out, "{name}: {passed} passed, {} failed", failures.len()).expect("stdout");
        for failure in failures {
            writeln!(out, "    {failure}").expect("stdout");
        }
    }
    let passed = tallies.values().map(|tally| tally.passed).sum();
    let failed = tallies.values().map(|tally| tally.failures.len()).sum();
    writeln!(out, "{passed} passed, {failed} failed").expect("stdout");
    (passed, failed)
}

#[test]
fn reference_cases_are_met_at_the_tolerance_that_each_states() {
    let folder = folder();
    let files = files(&folder);
    if files.is_empty() {
        writeln!(
            std::io::stdout(),
            "skipped: no reference cases in {}",
            folder.display()
        )
        .expect("stdout");
        return;
    }
    let (_, failed) = run_all(&files);
    assert_eq!(
        failed, 0,
        "reference cases that are not met are listed above"
    );
}

/// The project's own cases, from published tables, to the digits that those print.
#[test]
fn published_tables_are_met_to_the_digits_they_print() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published");
    let (passed, failed) = run_all(&files(&folder));
    assert!(passed > 0, "no cases in {}", folder.display());
    assert_eq!(
        failed, 0,
        "published values that are not met are listed above"
    );
}
