//! How exposures go out to others, as metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What was published, and what waits.
#[derive(Debug, Default)]
pub struct Exposures {
    published: Counter,
    failures: Counter,
    behind: Gauge<f64, AtomicU64>,
}

impl Exposures {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Exposures that a stream took";
        registry.register("exposures_published", help, self.published.clone());
        let help = "Times that a stream could not be reached or did not take exposures";
        registry.register("exposures_failures", help, self.failures.clone());
        let help = "How old the oldest exposure is that no stream took yet";
        registry.register("exposures_behind_seconds", help, self.behind.clone());
    }

    /// Counts exposures that are on a stream now and were not before.
    pub fn published(&self, count: u64) {
        self.published.inc_by(count);
    }

    /// Counts a failure.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// Shows how old what waits is.
    pub fn behind(&self, age: Duration) {
        self.behind.set(age.as_secs_f64());
    }
}
