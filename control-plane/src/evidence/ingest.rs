//! The receiving end of Envoy's gRPC access log: takes every proxy's stream, parses each entry and
//! counts it. A proxy that sends garbage is counted and logged, and its stream goes on.

use super::parse::{self, Entry};
use crate::metrics::Metrics;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// The largest message that is read from a proxy, in bytes. Envoy's default batch is 16 KiB.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Receives access logs.
pub struct AccessLogs {
    metrics: Arc<Metrics>,
}

impl AccessLogs {
    /// The gRPC service that counts into `metrics`.
    #[must_use]
    pub fn service(metrics: Arc<Metrics>) -> AccessLogServiceServer<Self> {
        AccessLogServiceServer::new(Self { metrics }).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn take(&self, node: &str, message: StreamAccessLogsMessage) {
        let Some(LogEntries::HttpLogs(http)) = message.log_entries else {
            return;
        };
        for entry in &http.log_entry {
            let parsed = parse::entry(entry);
            if let Entry::Garbage(fault) = &parsed {
                tracing::warn!(node, %fault, "unreadable assignment record in an access log");
            }
            self.metrics.access_log_entry(parsed.outcome());
        }
    }
}

#[async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut stream = request.into_inner();
        let mut node = String::new();
        while let Some(mut message) = stream.message().await? {
            // Only the first message of a stream carries the identifier.
            if let Some(identifier) = message.identifier.take() {
                node = identifier.node.map(|n| n.id).unwrap_or_default();
            }
            self.take(&node, message);
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}
