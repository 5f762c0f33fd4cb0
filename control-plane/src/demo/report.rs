//! Judges what the demo's traffic showed (pure) and prints it: splits with their chi-squared p-value,
//! propagation times, failures.

use super::load::{Answer, Sample};
use crate::goodness::fit;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A split that differs from the expected one at this level is called wrong: one run in a million.
const ALARM: f64 = 1e-6;

/// One line of a [`Split`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The variant.
    pub variant: String,
    /// Its share by configuration, 0 to 1.
    pub expected: f64,
    /// Its share of the requests, 0 to 1.
    pub observed: f64,
    /// Its requests.
    pub requests: u64,
}

/// Expected against observed split of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// The experiment.
    pub experiment: String,
    /// One share a variant, in the configured order.
    pub shares: Vec<Share>,
    /// Requests that were in the experiment and named no configured variant.
    pub strays: u64,
    /// The chi-squared statistic over the shares.
    pub chi_squared: f64,
    /// The upper tail of chi-squared with one degree of freedom less than there are shares.
    pub p_value: f64,
}

impl Split {
    /// Compares the variants that requests were given with `weights` in basis points.
    #[must_use]
    pub fn of<'a>(
        experiment: &str,
        weights: &[(&str, u32)],
        variants: impl Iterator<Item = Option<&'a str>>,
    ) -> Self {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut total = 0_u64;
        for variant in variants {
            *counts.entry(variant.unwrap_or("")).or_default() += 1;
            total += 1;
        }
        let shares: Vec<Share> = weights
            .iter()
            .map(|(variant, weight)| {
                share(variant, *weight, counts.remove(variant).unwrap_or(0), total)
            })
            .collect();
        let cells: Vec<(f64, u64)> = shares.iter().map(|it| (it.expected, it.requests)).collect();
        let judged = fit(&cells);
        Self {
            experiment: experiment.to_owned(),
            strays: counts.values().sum(),
            p_value: judged.p_value,
            chi_squared: judged.chi_squared,
            shares,
        }
    }

    /// Whether the observed split is what was configured.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.strays == 0 && self.p_value >= ALARM
    }

    /// Prints the split as a table.
    pub fn print(&self) {
        println!(
            "    {:<14} {:>9} {:>9} {:>9}",
            self.experiment, "expected", "observed", "requests"
        );
        for share in &self.shares {
            println!(
                "    {:<14} {:>8.2}% {:>8.2}% {:>9}  {}",
                share.variant,
                share.expected * 100.0,
                share.observed * 100.0,
                share.requests,
                bar(share.observed)
            );
        }
        let verdict = if self.holds() {
            "as configured"
        } else {
            "NOT as configured"
        };
        println!(
            "    chi-squared {:.2}, p = {:.3}: {verdict}",
            self.chi_squared, self.p_value
        );
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of requests stay far below 2^52"
)]
fn share(variant: &str, weight: u32, requests: u64, total: u64) -> Share {
    Share {
        variant: variant.to_owned(),
        expected: f64::from(weight) / 10_000.0,
        observed: requests as f64 / total.max(1) as f64,
        requests,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is within 0 to 1"
)]
fn bar(share: f64) -> String {
    "█".repeat((share.clamp(0.0, 1.0) * 30.0).round() as usize)
}

/// How long a change took to show in traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Propagation {
    /// From the call to its answer, in milliseconds: the change is durable.
    pub call_ms: f64,
    /// From the call to the end of the first request with the new answer.
    pub first_ms: f64,
    /// From the call to the end of the last request with the old answer.
    pub last_ms: f64,
    /// From the call until every proxy had acknowledged.
    pub acknowledged_ms: f64,
    /// Units that changed their variant, of those that were asked.
    pub moved: usize,
    /// Units that were asked.
    pub units: usize,
    /// Requests while this was measured.
    pub requests: usize,
    /// How many of them failed.
    pub failed: usize,
}

impl Propagation {
    /// Reads the times out of `samples`, given when the call began, when it was answered and when the
    /// last proxy had acknowledged. `None` where no unit moved.
    #[must_use]
    pub fn of(
        samples: &[Sample],
        units: usize,
        call: Instant,
        answered: Instant,
        acknowledged: Instant,
    ) -> Option<Self> {
        let mut before: BTreeMap<usize, &str> = BTreeMap::new();
        let mut after: BTreeMap<usize, &str> = BTreeMap::new();
        for (sample, model) in samples
            .iter()
            .filter_map(|s| Some((s, s.model.as_deref()?)))
        {
            if sample.done < call {
                before.insert(sample.unit, model);
            }
            after.insert(sample.unit, model);
        }
        before.retain(|unit, model| after.get(unit).is_some_and(|now| now != model));
        let moved = |s: &&Sample, wanted: &BTreeMap<usize, &str>| {
            s.done >= call
                && before.contains_key(&s.unit)
                && s.model.as_deref() == wanted.get(&s.unit).copied()
        };
        let first = samples
            .iter()
            .filter(|s| moved(s, &after))
            .map(|s| s.done)
            .min()?;
        let last = samples
            .iter()
            .filter(|s| moved(s, &before))
            .map(|s| s.done)
            .max()
            .unwrap_or(first);
        Some(Self {
            call_ms: ms(answered - call),
            first_ms: ms(first - call),
            last_ms: ms(last - call),
            acknowledged_ms: ms(acknowledged - call),
            moved: before.len(),
            units,
            requests: samples.len(),
            failed: samples.iter().filter(|s| s.model.is_none()).count(),
        })
    }

    /// Prints the times.
    pub fn print(&self) {
        println!(
            "    answered by the API after       {:>7.1} ms",
            self.call_ms
        );
        println!(
            "    first request with the new one  {:>7.1} ms",
            self.first_ms
        );
        println!(
            "    last request with the old one   {:>7.1} ms",
            self.last_ms
        );
        println!(
            "    acknowledged by every proxy     {:>7.1} ms",
            self.acknowledged_ms
        );
        println!(
            "    {} of {} probed conversations moved; {} requests meanwhile, {} failed",
            self.moved, self.units, self.requests, self.failed
        );
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// How many answers a model's word and the stamped variant disagree on.
#[must_use]
pub fn mismatches(answers: &[Answer], experiment: &str, model_of: &BTreeMap<&str, &str>) -> usize {
    answers
        .iter()
        .filter(|a| {
            a.variant(experiment)
                .and_then(|v| model_of.get(v))
                .is_none_or(|model| *model != a.model)
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_close_to_its_weights_holds() {
        let variants = (0..1_000).map(|i| Some(if i % 10 < 7 { "a" } else { "b" }));
        let split = Split::of("x", &[("a", 7_000), ("b", 3_000)], variants);
        assert!(split.holds());
        assert!((split.p_value - 1.0).abs() < 1e-9, "{split:?}");
    }

    #[test]
    fn a_split_far_from_its_weights_does_not_hold() {
        let variants = (0..1_000).map(|i| Some(if i % 10 < 5 { "a" } else { "b" }));
        assert!(!Split::of("x", &[("a", 7_000), ("b", 3_000)], variants).holds());
    }

    #[test]
    fn a_request_with_an_unknown_variant_or_none_is_a_stray() {
        let split = Split::of(
            "x",
            &[("a", 10_000)],
            [Some("a"), Some("b"), None].into_iter(),
        );
        assert_eq!(split.strays, 2);
        assert!(!split.holds());
    }

    #[test]
    fn traffic_on_a_variant_of_no_weight_does_not_hold() {
        let split = Split::of(
            "x",
            &[("a", 10_000), ("b", 0)],
            [Some("a"), Some("b")].into_iter(),
        );
        assert!(!split.holds());
    }

    #[test]
    fn propagation_is_read_from_the_units_that_moved() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let sample = |unit, sent, done, model: &str| Sample {
            unit,
            sent: at(sent),
            done: at(done),
            model: Some(model.to_owned()),
        };
        let samples = [
            sample(0, 0, 1, "a"),
            sample(1, 0, 1, "a"),
            sample(0, 11, 13, "a"),
            sample(0, 14, 16, "b"),
            sample(1, 15, 17, "a"),
        ];
        let got = Propagation::of(&samples, 2, at(10), at(12), at(15)).unwrap();
        assert_eq!((got.first_ms, got.last_ms, got.moved), (6.0, 3.0, 1));
        assert!(Propagation::of(&samples[..2], 2, at(10), at(12), at(15)).is_none());
    }
}
