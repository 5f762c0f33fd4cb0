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

/// A file here: its answers, and what it has none for yet.
type Answers = (
    fn(&str, &Inputs) -> Option<Outcome>,
    &'static [&'static str],
);

/// Who answers. A function that nobody knows fails the test; the lists of later ones are to become empty.
const TABLE: &[Answers] = &[
    (bandits::dispatch, bandits::LATER),
    (bayesian::dispatch, bayesian::LATER),
    (control_charts::dispatch, control_charts::LATER),
    (cuped::dispatch, cuped::LATER),
    (distributions::dispatch, distributions::LATER),
    (drift_ks_psi::dispatch, drift_ks_psi::LATER),
    (fixed_horizon_means::dispatch, fixed_horizon_means::LATER),
    (
        fixed_horizon_proportions::dispatch,
        fixed_horizon_proportions::LATER,
    ),
    (multiple_testing::dispatch, multiple_testing::LATER),
    (ratio_delta::dispatch, ratio_delta::LATER),
    (sample_size_power::dispatch, sample_size_power::LATER),
    (
        sequential_alpha_spending::dispatch,
        sequential_alpha_spending::LATER,
    ),
    (
        sequential_confidence_sequences::dispatch,
        sequential_confidence_sequences::LATER,
    ),
    (sequential_msprt::dispatch, sequential_msprt::LATER),
    (srm::dispatch, srm::LATER),
    (streaming_moments::dispatch, streaming_moments::LATER),
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
        TABLE
            .iter()
            .find_map(|(dispatch, _)| dispatch(name, &inputs))
    }))
    .map_err(|panic| match panic.downcast_ref::<String>() {
        Some(message) => format!("panicked: {message}"),
        None => "panicked".to_owned(),
    })?
    .ok_or_else(|| "nobody answers this function".to_owned())?;
    compare::check(name, case, &outcome)
}

#[test]
fn reference_cases_are_met_at_the_tolerance_that_each_states() {
    // Written directly: the test runner holds back what `println!` prints when a test passes.
    let mut out = std::io::stdout();
    let folder = folder();
    let files = files(&folder);
    if files.is_empty() {
        writeln!(out, "skipped: no reference cases in {}", folder.display()).expect("stdout");
        return;
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
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
    let mut unexpected = 0;
    for (name, tally) in &tallies {
        let later = TABLE
            .iter()
            .any(|(_, later)| later.contains(&name.as_str()));
        writeln!(
            out,
            "{name}: {} passed, {} failed{}",
            tally.passed,
            tally.failures.len(),
            if later { " (still to come)" } else { "" }
        )
        .expect("stdout");
        if !later {
            unexpected += tally.failures.len();
            for failure in &tally.failures {
                writeln!(out, "    {failure}").expect("stdout");
            }
        }
    }
    let passed: usize = tallies.values().map(|tally| tally.passed).sum();
    writeln!(out, "{passed} passed, {unexpected} failed").expect("stdout");
    assert_eq!(
        unexpected, 0,
        "reference cases that are not met are listed above"
    );
}
