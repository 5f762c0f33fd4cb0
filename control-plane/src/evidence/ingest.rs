//! The receiving end of Envoy's gRPC access log: takes every proxy's stream, reads each entry, counts it
//! and hands its exposures on. A proxy that sends garbage is counted and logged, and its stream goes on.

use super::Evidence;
use crate::ads::Peer;
use crate::metrics::Metrics;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming, async_trait};
use watershed_evidence::entry::{Context, Entry, read};

/// The largest message that is read from a proxy, in bytes. Envoy's default batch is 16 KiB.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Receives access logs.
pub struct AccessLogs {
    metrics: Arc<Metrics>,
    evidence: Evidence,
}

impl AccessLogs {
    /// The gRPC service that counts into `metrics` and keeps what it hears in `evidence`.
    #[must_use]
    pub fn service(metrics: Arc<Metrics>, evidence: Evidence) -> AccessLogServiceServer<Self> {
        AccessLogServiceServer::new(Self { metrics, evidence })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn take(&self, node: &str, message: StreamAccessLogsMessage) {
        let Some(LogEntries::HttpLogs(http)) = message.log_entries else {
            return;
        };
        let catalog = self.evidence.catalog();
        let context = Context {
            proxy: node,
            catalog: &catalog,
            units: &self.evidence.units,
        };
        for entry in http.log_entry {
            let entry = read(entry, context);
            self.metrics.access_log_entry(entry.label());
            match entry {
                Entry::Assigned { exposures, .. } => self.evidence.pipeline.exposures(&exposures),
                Entry::Garbage(fault) => {
                    tracing::warn!(node, %fault, "unreadable assignment record in an access log");
                }
                Entry::Unassigned | Entry::Unfinished => {}
            }
        }
    }
}

#[async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.unwrap_or_default();
        let mut stream = request.into_inner();
        let mut node = String::new();
        while let Some(mut message) = stream.message().await? {
            // Only the first message of a stream carries the identifier.
            if let Some(identifier) = message.identifier.take() {
                let told = identifier.node.unwrap_or_default();
                admit(&told, &peer)?;
                node = told.id;
            }
            self.take(&node, message);
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// Lets no proxy give evidence for a fleet that its certificate is not good for.
fn admit(node: &Node, peer: &Peer) -> Result<(), Status> {
    if peer.may_join_named(&node.cluster) {
        return Ok(());
    }
    let refusal = peer.refusal(&node.cluster);
    tracing::warn!(
        node = node.id,
        reason = refusal.message(),
        "access log refused"
    );
    Err(refusal)
}
