//! What the evidence's pipeline counts, as metrics: asked of it at each scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::{Arc, OnceLock};
use watershed_evidence::pipeline::Pipeline;

/// The counters of a pipeline, once there is one.
#[derive(Clone, Debug, Default)]
pub struct PipelineCounters(Arc<OnceLock<Pipeline>>);

impl PipelineCounters {
    /// Tells what `pipeline` counts. The first one stays.
    pub fn watch(&self, pipeline: Pipeline) {
        let _ = self.0.set(pipeline);
    }
}

impl Collector for PipelineCounters {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(pipeline) = self.0.get() else {
            return Ok(());
        };
        let counters = pipeline.counters();
        let dropped = counters.all_dropped().values().sum::<u64>();
        for (name, help, value) in [
            (
                "evidence_kept",
                "Exposures and outcomes on disk",
                counters.entries_kept(),
            ),
            (
                "evidence_duplicates",
                "Exposures that came before and were left out",
                counters.duplicates(),
            ),
            (
                "evidence_dropped",
                "Exposures that were not kept, for want of room or by the database's refusal",
                dropped,
            ),
            (
                "evidence_failures",
                "Times that the evidence's database did not do as asked",
                counters.failures(),
            ),
        ] {
            let it = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(it)?;
        }
        let lag = counters.lag();
        for (name, help, value) in [
            (
                "evidence_waiting",
                "Exposures taken in and not yet on disk",
                lag.to_keep,
            ),
            (
                "evidence_unfolded",
                "Exposures on disk and not yet in the sums",
                lag.to_fold,
            ),
        ] {
            let it = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(it)?;
        }
        Ok(())
    }
}
