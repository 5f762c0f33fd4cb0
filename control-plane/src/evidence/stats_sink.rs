//! The receiving end of Envoy's metrics service: what the filter's counters stand at, from each proxy's
//! stats sink. A proxy that sends garbage is counted and logged, and its stream goes on.

use super::accounts::Accounts;
use super::counters::{self, Read};
use super::origin::Origin;
use crate::metrics::Metrics;
use envoy_types::pb::envoy::service::metrics::v3::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use envoy_types::pb::envoy::service::metrics::v3::{StreamMetricsMessage, StreamMetricsResponse};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// The largest message that is read from a proxy, in bytes: all of a large proxy's statistics.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Receives counters.
pub struct StatsSink {
    metrics: Arc<Metrics>,
    accounts: Arc<Accounts>,
}

impl StatsSink {
    /// The gRPC service that enters what it hears into `accounts`.
    #[must_use]
    pub fn service(metrics: Arc<Metrics>, accounts: Arc<Accounts>) -> MetricsServiceServer<Self> {
        MetricsServiceServer::new(Self { metrics, accounts })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn take(&self, node: &str, message: &StreamMetricsMessage) {
        let Read { report, garbage } = counters::read(&message.envoy_metrics);
        if garbage > 0 {
            tracing::warn!(node, garbage, "counters that make no sense");
            self.metrics.telemetry().refused(garbage);
        }
        if let Some(report) = report {
            self.metrics.telemetry().report();
            self.accounts.report(node, report);
        }
    }
}

#[async_trait]
impl MetricsService for StatsSink {
    async fn stream_metrics(
        &self,
        request: Request<Streaming<StreamMetricsMessage>>,
    ) -> Result<Response<StreamMetricsResponse>, Status> {
        let mut origin = Origin::of(&request, "counters");
        let mut stream = request.into_inner();
        while let Some(mut message) = stream.message().await? {
            let named = message.identifier.take().map(|it| it.node);
            self.take(origin.node(named)?, &message);
        }
        Ok(Response::new(StreamMetricsResponse {}))
    }
}
