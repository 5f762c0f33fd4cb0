//! Tells once when a collector goes away and when it is back, and counts the spans that it got and that it did not.

use crate::metrics::Spans;
use crate::replicas::{News, Outage};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An exporter of which is told what became of spans.
#[derive(Debug)]
pub(super) struct Told<E> {
    exporter: E,
    spans: Spans,
    outage: Mutex<Outage>,
}

impl<E> Told<E> {
    pub(super) fn new(exporter: E, spans: Spans) -> Self {
        Self {
            exporter,
            spans,
            outage: Mutex::default(),
        }
    }

    fn tell(&self, count: usize, exported: OTelSdkResult) {
        self.spans.exported(count, exported.is_ok());
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match outage.news(exported) {
            Some(News::Began(fault)) => {
                tracing::warn!(%fault, "traces do not reach the collector; they are dropped");
            }
            Some(News::Ended) => tracing::info!("traces reach the collector again"),
            None => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.exporter.export(batch).await;
        self.tell(count, exported);
        // Told already.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
