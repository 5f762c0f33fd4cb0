//! Spans on their way to a collector, as metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// What a collector got, and what it did not.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    exported: Counter,
    dropped: Counter,
}

impl Spans {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Spans that the collector of traces got";
        registry.register("trace_spans_exported", help, self.exported.clone());
        let help = "Spans that the collector of traces did not take";
        registry.register("trace_spans_dropped", help, self.dropped.clone());
    }

    /// Counts spans by whether the collector got them.
    pub fn exported(&self, count: usize, taken: bool) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match taken {
            true => self.exported.inc_by(count),
            false => self.dropped.inc_by(count),
        };
    }
}
