//! What the traffic of experiments is like, by experiment and variant: requests by who served them and
//! how they ended, how long they took, what fell back. Counted as exposures arrive, so these are for
//! watching; what is judged is read from the evidence.

use super::bounded::OTHER;
use super::class;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use watershed_evidence::Micros;
use watershed_evidence::exposure::{Execution, Exposure};

/// How many pairs of an experiment and a variant are labels; those beyond are counted as [`OTHER`].
const MAX_VARIANTS: usize = 3_000;
/// How many variants may have served what one variant was to: it and the other variants of its
/// experiment.
const MAX_SERVED: usize = 64;
/// What a request is labelled with that no variant's cluster answered.
const NOBODY: &str = "none";
/// Upper bounds of the histograms' buckets, in seconds: from a cached answer to a long streamed one.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

type Histogram = HistogramWithExemplars<TraceLabels>;

/// Counters and histograms of all experiments.
#[derive(Debug)]
pub struct Traffic {
    requests: Family<RequestLabels, Counter>,
    fallbacks: Family<VariantLabels, Counter>,
    unreached: Family<VariantLabels, Counter>,
    duration: Family<VariantLabels, Histogram, Seconds>,
    first_byte: Family<VariantLabels, Histogram, Seconds>,
    lag: Gauge<f64, AtomicU64>,
    known: RwLock<HashMap<String, HashMap<String, Arc<Series>>>>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct RequestLabels {
    experiment: String,
    variant: String,
    served: String,
    code_class: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct VariantLabels {
    experiment: String,
    variant: String,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct TraceLabels {
    trace_id: String,
}

#[derive(Clone, Debug, Default)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS.into_iter())
    }
}

/// What is counted of one variant, found once and then without a search by labels.
#[derive(Debug)]
struct Series {
    labels: VariantLabels,
    requests: Mutex<Vec<(String, &'static str, Counter)>>,
    fallbacks: Counter,
    unreached: Counter,
    duration: Histogram,
    first_byte: Histogram,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            fallbacks: Family::default(),
            unreached: Family::default(),
            duration: Family::new_with_constructor(Seconds),
            first_byte: Family::new_with_constructor(Seconds),
            lag: Gauge::default(),
            known: RwLock::default(),
        }
    }
}

impl Traffic {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests of assigned units, by the variant that they were given and the one that served them";
        registry.register("requests", help, self.requests.clone());
        let help = "Requests that another cluster answered than their variant's";
        registry.register("fallbacks", help, self.fallbacks.clone());
        let help = "Requests that reached no upstream";
        registry.register("unreached", help, self.unreached.clone());
        let help = "From a request's first byte to its response's last";
        let unit = Unit::Seconds;
        registry.register_with_unit("request_duration", help, unit, self.duration.clone());
        let help = "From a request's first byte to the first byte of the upstream's response";
        let unit = Unit::Seconds;
        registry.register_with_unit("time_to_first_byte", help, unit, self.first_byte.clone());
        let help = "How long after its request ended the newest access-log entry arrived";
        registry.register_with_unit("access_log_lag", help, Unit::Seconds, self.lag.clone());
    }

    /// Counts an exposure.
    pub fn exposure(&self, exposure: &Exposure) {
        let series = self.series(&exposure.experiment, &exposure.variant);
        let execution = exposure.execution.as_ref();
        let served = exposure.served.as_deref().unwrap_or(NOBODY);
        self.request(&series, served, class(execution.status).unwrap_or(NOBODY))
            .inc();
        if exposure.fallback_used {
            series.fallbacks.inc();
        }
        if !execution.reached_upstream {
            series.unreached.inc();
        }
        let duration = seconds(execution.duration_us);
        series.duration.observe(duration, trace(execution), None);
        if execution.ttfb_us > 0 {
            let first_byte = seconds(execution.ttfb_us);
            series
                .first_byte
                .observe(first_byte, trace(execution), None);
        }
    }

    /// The entry of this request arrived at `now`.
    pub fn arrived(&self, execution: &Execution, now: Micros) {
        let lasted = Micros::try_from(execution.duration_us).unwrap_or(Micros::MAX);
        let since = now.saturating_sub(execution.time.saturating_add(lasted));
        self.lag.set(seconds(u64::try_from(since).unwrap_or(0)));
    }

    fn series(&self, experiment: &str, variant: &str) -> Arc<Series> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let series = known.get(experiment).and_then(|it| it.get(variant));
            if let Some(series) = series {
                return Arc::clone(series);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = known.values().map(HashMap::len).sum::<usize>() >= MAX_VARIANTS;
        let (experiment, variant) = if is_full {
            (OTHER, OTHER)
        } else {
            (experiment, variant)
        };
        let variants = known.entry(experiment.to_owned()).or_default();
        let series = variants.entry(variant.to_owned());
        Arc::clone(series.or_insert_with(|| Arc::new(self.new_series(experiment, variant))))
    }

    fn new_series(&self, experiment: &str, variant: &str) -> Series {
        let labels = VariantLabels {
            experiment: experiment.to_owned(),
            variant: variant.to_owned(),
        };
        Series {
            requests: Mutex::default(),
            fallbacks: self.fallbacks.get_or_create_owned(&labels),
            unreached: self.unreached.get_or_create_owned(&labels),
            duration: self.duration.get_or_create_owned(&labels),
            first_byte: self.first_byte.get_or_create_owned(&labels),
            labels,
        }
    }

    fn request(&self, series: &Series, served: &str, code_class: &'static str) -> Counter {
        let mut requests = series.requests.lock();
        let requests = requests.as_mut().unwrap_or_else(|it| it.get_mut());
        let known = |requests: &[(String, &'static str, Counter)], served: &str| {
            let mut all = requests.iter();
            let found = all.find(|it| it.0 == served && it.1 == code_class);
            found.map(|it| it.2.clone())
        };
        if let Some(counter) = known(requests, served) {
            return counter;
        }
        let is_full = requests.len() >= MAX_SERVED;
        let served = if is_full { OTHER } else { served };
        if let Some(counter) = known(requests, served) {
            return counter;
        }
        let VariantLabels {
            experiment,
            variant,
        } = series.labels.clone();
        let counter = self.requests.get_or_create_owned(&RequestLabels {
            experiment,
            variant,
            served: served.to_owned(),
            code_class,
        });
        requests.push((served.to_owned(), code_class, counter.clone()));
        counter
    }
}

/// The trace that shows such a request, where it has one.
fn trace(execution: &Execution) -> Option<TraceLabels> {
    let trace_id = &execution.trace_id;
    (!trace_id.is_empty()).then(|| TraceLabels {
        trace_id: trace_id.clone(),
    })
}

#[allow(
    clippy::cast_precision_loss,
    reason = "2^53 microseconds are 285 years"
)]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn exposure(experiment: &str, variant: &str, execution: Execution) -> Exposure {
        Exposure {
            experiment: experiment.to_owned(),
            variant: variant.to_owned(),
            execution: Arc::new(execution),
            ..crate::evidence::fake::exposure()
        }
    }

    fn text(traffic: &Traffic) -> String {
        let mut registry = Registry::with_prefix("watershed");
        traffic.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_request_is_counted_by_variant_and_its_times_go_into_histograms_with_its_trace() {
        let traffic = Traffic::default();
        let answered = Execution {
            time: 1_000_000,
            status: 200,
            reached_upstream: true,
            duration_us: 30_000,
            ttfb_us: 7_000,
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            ..Execution::default()
        };
        traffic.arrived(&answered, 2_530_000);
        traffic.exposure(&Exposure {
            served: Some("control".to_owned()),
            fallback_used: true,
            ..exposure("chat", "large", answered)
        });
        traffic.exposure(&exposure("chat", "large", Execution::default()));
        let text = text(&traffic);
        for line in [
            r#"watershed_requests_total{experiment="chat",variant="large",served="control",code_class="2xx"} 1"#,
            r#"watershed_requests_total{experiment="chat",variant="large",served="none",code_class="none"} 1"#,
            r#"watershed_fallbacks_total{experiment="chat",variant="large"} 1"#,
            r#"watershed_unreached_total{experiment="chat",variant="large"} 1"#,
            r#"watershed_request_duration_seconds_count{experiment="chat",variant="large"} 2"#,
            r#"watershed_time_to_first_byte_seconds_count{experiment="chat",variant="large"} 1"#,
            "watershed_access_log_lag_seconds 1.5",
        ] {
            assert!(text.lines().any(|got| got == line), "{line}\n{text}");
        }
        let exemplar = r#"# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.03"#;
        assert!(text.contains(exemplar), "{text}");
    }

    #[test]
    fn what_proxies_make_up_does_not_become_ever_more_labels() {
        let traffic = Traffic::default();
        for number in 0..MAX_VARIANTS + 10 {
            let made_up = format!("made-up-{number}");
            let it = exposure(&made_up, "a", Execution::default());
            traffic.exposure(&Exposure {
                served: Some(made_up),
                ..it
            });
        }
        for number in 0..MAX_SERVED + 10 {
            let it = exposure("made-up-0", "a", Execution::default());
            traffic.exposure(&Exposure {
                served: Some(format!("made-up-{number}")),
                ..it
            });
        }
        let text = text(&traffic);
        let durations = text.matches("duration_seconds_count{").count();
        assert_eq!(durations, MAX_VARIANTS + 1);
        let of_one = text
            .matches(r#"requests_total{experiment="made-up-0""#)
            .count();
        assert_eq!(of_one, MAX_SERVED + 1);
        let other =
            r#"watershed_request_duration_seconds_count{experiment="other",variant="other"} 10"#;
        assert!(text.contains(other), "{text}");
    }
}
