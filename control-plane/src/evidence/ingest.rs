//! The receiving end of Envoy's gRPC access log: takes every proxy's stream, reads each entry, counts it
//! and hands its exposures on. A proxy that sends garbage is counted and logged, and its stream goes on.

#[cfg(test)]
mod tests;

use super::Evidence;
use super::accounts::Accounts;
use super::origin::Origin;
use crate::clock::Clock;
use crate::metrics::Metrics;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use std::error::Error as _;
use std::sync::Arc;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};
use watershed_evidence::Exposure;
use watershed_evidence::entry::{Context, Entry};
use watershed_evidence::intake::take;

/// The largest message that is read from a proxy, in bytes. Envoy's default batch is 16 KiB.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Receives access logs.
pub struct AccessLogs {
    /// Where traffic is counted.
    pub metrics: Arc<Metrics>,
    /// What keeps exposures.
    pub evidence: Evidence,
    /// Where it is entered which of them arrived.
    pub accounts: Arc<Accounts>,
    /// Says how late an entry is.
    pub clock: Clock,
}

impl AccessLogs {
    /// The gRPC service of it.
    #[must_use]
    pub fn service(self) -> AccessLogServiceServer<Self> {
        AccessLogServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE_BYTES)
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
        let hear = |entry: &Entry| self.hear(node, entry);
        // Only what is taken in has arrived: neither what came twice nor what there was no room for.
        let taken = |it: &Exposure| {
            self.metrics.traffic().exposure(it);
            let began = it.execution.time;
            self.accounts.arrived(node, &it.experiment, began);
        };
        take(
            http.log_entry,
            context,
            &self.evidence.pipeline,
            hear,
            taken,
        );
    }

    /// A message that cannot be read ends its stream; the proxy begins another one. A connection that breaks
    /// is nothing to tell of.
    fn unreadable(&self, node: &str, status: &Status) {
        // What is behind a broken connection is its source.
        let is_unread = matches!(status.code(), Code::OutOfRange | Code::Internal);
        if is_unread && status.source().is_none() {
            let reason = status.message();
            tracing::warn!(
                node,
                reason,
                "a message of an access log cannot be read: its entries are lost"
            );
            self.metrics.access_log_entry("garbage");
        }
    }

    fn hear(&self, node: &str, entry: &Entry) {
        self.metrics.access_log_entry(entry.label());
        match entry {
            Entry::Assigned { exposures, .. } => {
                if let Some(newest) = exposures.last() {
                    let now = (self.clock)().as_microsecond();
                    self.metrics.traffic().arrived(&newest.execution, now);
                }
            }
            Entry::Garbage(fault) => {
                tracing::warn!(node, %fault, "unreadable assignment record in an access log");
            }
            Entry::Unassigned | Entry::Unfinished => {}
        }
    }
}

#[async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut origin = Origin::of(&request, "access log");
        let mut stream = request.into_inner();
        loop {
            let message = stream.message().await;
            let message = message.inspect_err(|status| self.unreadable(origin.name(), status))?;
            let Some(mut message) = message else { break };
            let named = message.identifier.take().map(|it| it.node);
            self.take(origin.node(named)?, message);
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}
