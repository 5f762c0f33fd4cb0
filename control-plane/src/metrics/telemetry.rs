//! What of the access log never arrived, as metrics. What does not live here: how that is known
//! ([`watershed_evidence::reconcile`]).

use super::bounded::{Bounded, OTHER};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How many experiments are labels; the model of a large company has fewer.
const MAX_EXPERIMENTS: usize = 1_000;

/// What proxies counted, and what of it arrived.
#[derive(Debug)]
pub struct Telemetry {
    experiments: Bounded,
    counted: Family<ExperimentLabels, Gauge>,
    arrived: Family<ExperimentLabels, Gauge>,
    reports: Counter,
    refused: Counter,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ExperimentLabels {
    experiment: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            experiments: Bounded::new(MAX_EXPERIMENTS),
            counted: Family::default(),
            arrived: Family::default(),
            reports: Counter::default(),
            refused: Counter::default(),
        }
    }
}

impl Telemetry {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Assignments that proxies counted, as far as settled";
        registry.register("telemetry_counted", help, self.counted.clone());
        let help = "Access-log entries of the counted assignments that arrived";
        registry.register("telemetry_arrived", help, self.arrived.clone());
        let help = "Reports of what proxies' counters stand at";
        registry.register("proxy_reports", help, self.reports.clone());
        let help = "Counters of proxies that could not be read";
        registry.register("proxy_counters_refused", help, self.refused.clone());
    }

    /// Sets what proxies counted of an experiment and what of it arrived. What a proxy calls an
    /// experiment is a label: those past the first 1,000 are in the API's answers alone.
    pub fn stands_at(&self, experiment: &str, counted: u64, arrived: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let experiment = self.experiments.admit(experiment).to_owned();
        if experiment == OTHER {
            return;
        }
        let labels = ExperimentLabels { experiment };
        self.counted.get_or_create(&labels).set(gauge(counted));
        self.arrived.get_or_create(&labels).set(gauge(arrived));
    }

    /// Counts a report of a proxy's counters.
    pub fn report(&self) {
        self.reports.inc();
    }

    /// Counts counters of a proxy that made no sense.
    pub fn refused(&self, count: u32) {
        self.refused.inc_by(count.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn text(telemetry: &Telemetry) -> String {
        let mut registry = Registry::default();
        telemetry.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn what_was_counted_and_what_arrived_are_told_by_experiment() {
        let telemetry = Telemetry::default();
        telemetry.stands_at("chat", 10, 9);
        telemetry.report();
        telemetry.refused(2);
        let text = text(&telemetry);
        for line in [
            r#"telemetry_counted{experiment="chat"} 10"#,
            r#"telemetry_arrived{experiment="chat"} 9"#,
            "proxy_reports_total 1",
            "proxy_counters_refused_total 2",
        ] {
            assert!(text.lines().any(|got| got == line), "{line}\n{text}");
        }
    }

    #[test]
    fn experiments_that_proxies_make_up_do_not_become_ever_more_labels() {
        let telemetry = Telemetry::default();
        for number in 0..MAX_EXPERIMENTS + 10 {
            telemetry.stands_at(&format!("made-up-{number}"), 1, 1);
        }
        let series = text(&telemetry).matches("telemetry_counted{").count();
        assert_eq!(series, MAX_EXPERIMENTS);
    }
}
