//! Reads what a proxy's stats sink says of the filter's counters. Pure: the stream it came on belongs to
//! [`super::stats_sink`].

use envoy_types::pb::io::prometheus::client::MetricFamily;
use watershed_evidence::Micros;
use watershed_evidence::reconcile::{Count, Report};

const ASSIGNMENT: &str = "wasmcustom.watershed.assignment.experiment.";
const VARIANT: &str = ".variant.";
/// Seconds since the proxy's process began.
const UPTIME: &str = "server.uptime";
/// No key is longer.
const MAX_KEY: usize = 128;

/// What a message says, all else left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The filter's counters; nothing where the message has no time.
    pub report: Option<Report>,
    /// Counters of ours that make no sense.
    pub garbage: u32,
}

/// Reads the families of one message.
#[must_use]
pub fn read(families: &[MetricFamily]) -> Read {
    let mut read = Read::default();
    let mut counts = Vec::new();
    let mut time = None;
    let mut uptime = None;
    for family in families {
        let (Some(name), Some(metric)) = (family.name.as_deref(), family.metric.first()) else {
            continue;
        };
        let counter = metric.counter.as_ref().and_then(|it| it.value);
        if let Some(keys) = name.strip_prefix(ASSIGNMENT) {
            match (keys.split_once(VARIANT), counter.and_then(whole)) {
                (Some((experiment, variant)), Some(value))
                    if is_key(experiment) && is_key(variant) =>
                {
                    counts.push(Count {
                        experiment: experiment.to_owned(),
                        variant: variant.to_owned(),
                        value,
                    });
                }
                _ => read.garbage = read.garbage.saturating_add(1),
            }
        } else if name == UPTIME {
            uptime = metric.gauge.and_then(|it| it.value).and_then(whole);
        }
        time = time.max(metric.timestamp_ms);
    }
    read.report = time.map(|milliseconds| {
        let time: Micros = milliseconds.saturating_mul(1_000);
        let began = uptime.and_then(|seconds| {
            let lived = i64::try_from(seconds).ok()?.saturating_mul(1_000_000);
            Some(time.saturating_sub(lived))
        });
        Report {
            time,
            began,
            counts,
        }
    });
    read
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_KEY
}

/// Prometheus counts in floating point; up to 2^53 that is exact.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be in the range that is exact"
)]
fn whole(value: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (0.0..=EXACT).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::io::prometheus::client::{Counter, Gauge, Metric};
    use proptest::prelude::*;

    fn family(name: &str, metric: Metric) -> MetricFamily {
        MetricFamily {
            name: Some(name.to_owned()),
            metric: vec![metric],
            ..Default::default()
        }
    }

    fn counter(name: &str, value: f64) -> MetricFamily {
        let counter = Counter {
            value: Some(value),
            ..Default::default()
        };
        family(
            name,
            Metric {
                counter: Some(counter),
                timestamp_ms: Some(10_000),
                ..Default::default()
            },
        )
    }

    fn uptime(seconds: f64) -> MetricFamily {
        family(
            UPTIME,
            Metric {
                gauge: Some(Gauge {
                    value: Some(seconds),
                }),
                timestamp_ms: Some(10_000),
                ..Default::default()
            },
        )
    }

    #[test]
    fn the_filters_counters_are_read_and_all_others_left() {
        let read = read(&[
            counter("http.ingress.downstream_rq_total", 9.0),
            counter(&format!("{ASSIGNMENT}chat-model.variant.b"), 7.0),
            uptime(4.0),
        ]);
        assert_eq!(read.garbage, 0);
        let report = read.report.unwrap();
        assert_eq!((report.time, report.began), (10_000_000, Some(6_000_000)));
        let count = &report.counts[0];
        assert_eq!(
            (
                count.experiment.as_str(),
                count.variant.as_str(),
                count.value
            ),
            ("chat-model", "b", 7)
        );
        assert_eq!(report.counts.len(), 1);
    }

    #[test]
    fn counters_of_ours_that_make_no_sense_are_counted_as_garbage() {
        let long = "k".repeat(MAX_KEY + 1);
        for (name, value) in [
            ("chat", 1.0),
            (".variant.b", 1.0),
            ("chat.variant.", 1.0),
            ("chat.variant.b", -1.0),
            ("chat.variant.b", f64::NAN),
            ("chat.variant.b", f64::INFINITY),
            (&format!("{long}.variant.b"), 1.0),
        ] {
            let read = read(&[counter(&format!("{ASSIGNMENT}{name}"), value)]);
            assert_eq!(read.garbage, 1, "{name} {value}");
            assert!(read.report.is_some_and(|it| it.counts.is_empty()));
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_number_panics(name in ".{0,80}", value: f64, time: i64, alive: f64) {
            let mut ours = counter(&format!("{ASSIGNMENT}{name}"), value);
            ours.metric[0].timestamp_ms = Some(time);
            let _ = read(&[ours, uptime(alive), MetricFamily::default()]);
        }
    }
}
