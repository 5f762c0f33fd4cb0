//! The receiver: the control plane's way from a stream to the store, on a port of its own, and what is
//! seen while it works. What the control plane does beyond that (certificates, its metrics) is left out.

use crate::usage::{Usage, load as machine_load, usage};
use anyhow::Context as _;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use serde::Serialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming, async_trait};
use watershed_evidence::catalog::{Catalog, Variant};
use watershed_evidence::entry::Context;
use watershed_evidence::intake::take;
use watershed_evidence::pipeline::{Pipeline, PipelineConfig};
use watershed_evidence::{EvidenceStore, Privacy, UnitHasher};

/// What was seen while it received.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Received {
    /// Exposures that were taken in.
    pub taken: u64,
    /// That are on disk, as the pipeline counts.
    pub kept: u64,
    /// That there was no room for.
    pub dropped: u64,
    /// That came twice.
    pub duplicates: u64,
    /// The longest from the receipt of an entry until it was on disk, in seconds.
    pub longest_until_kept_s: f64,
    /// The longest from the receipt of an entry until its unit's sums had it, in seconds.
    pub longest_until_folded_s: f64,
    /// From the last entry until all were folded, in seconds.
    pub folded_after_s: f64,
    /// What this process needed while it received, and to fold the rest.
    pub usage: Usage,
    /// The machine's load when it was done, over a minute.
    pub load: f64,
}

struct AccessLogs {
    pipeline: Pipeline,
    units: UnitHasher,
    catalog: Arc<Catalog>,
}

#[async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut stream = request.into_inner();
        let mut proxy = String::new();
        while let Some(message) = stream.message().await? {
            if let Some(told) = message.identifier {
                proxy = told.node.unwrap_or_default().id;
            }
            if let Some(LogEntries::HttpLogs(http)) = message.log_entries {
                let context = Context {
                    proxy: &proxy,
                    catalog: &self.catalog,
                    units: &self.units,
                };
                take(http.log_entry, context, &self.pipeline, |_| {}, |_| {});
            }
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// Receives into `store` while `during` runs, and until all is folded.
///
/// # Errors
/// The port, or what `during` says.
pub async fn receive<T>(
    store: Arc<dyn EvidenceStore>,
    during: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Received)> {
    let stop = CancellationToken::new();
    let config = PipelineConfig::default();
    let (pipeline, driver) = Pipeline::new(
        Arc::clone(&store),
        config,
        1,
        stop.clone().cancelled_owned(),
    );
    let driver = tokio::spawn(driver);
    let logs = AccessLogs {
        pipeline: pipeline.clone(),
        units: UnitHasher::new(&[7; 32], Privacy::Hashed),
        catalog: Arc::new(catalog()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
    let address = listener.local_addr()?;
    let server = Server::builder()
        .add_service(AccessLogServiceServer::new(logs))
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            stop.clone().cancelled_owned(),
        );
    let server = tokio::spawn(server);
    let before = usage();
    let watch = Watch::default();
    let watching = tokio::spawn(watch.run(pipeline.clone(), stop.clone()));
    let done = during(address).await?;
    let ended = Instant::now();
    while pipeline.counters().lag() != Default::default() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let folded_after_s = ended.elapsed().as_secs_f64();
    let after = usage();
    stop.cancel();
    let watch = watching.await?;
    server.await??;
    driver.await?;
    let counters = pipeline.counters();
    Ok((
        done,
        Received {
            taken: counters.taken(),
            kept: counters.entries_kept(),
            dropped: counters.all_dropped().values().sum(),
            duplicates: counters.duplicates(),
            longest_until_kept_s: watch.kept.longest.as_secs_f64(),
            longest_until_folded_s: watch.folded.longest.as_secs_f64(),
            folded_after_s,
            usage: Usage {
                cpu_s: after.cpu_s - before.cpu_s,
                ..after
            },
            load: machine_load(),
        },
    ))
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let variant = |key: &str| Variant {
        key: key.to_owned(),
        cluster: Some(key.to_owned()),
        mirror: None,
    };
    catalog.insert("chat", vec![variant("stable"), variant("candidate")]);
    catalog
}

/// Notes how many entries were taken in and when, to see how long they wait.
#[derive(Default)]
struct Watch {
    kept: Waits,
    folded: Waits,
}

#[derive(Default)]
struct Waits {
    /// So many were taken in at that moment.
    marks: VecDeque<(u64, Instant)>,
    longest: Duration,
}

impl Waits {
    /// So many of what was taken in are through now.
    fn through(&mut self, count: u64) {
        while let Some((taken, at)) = self.marks.front()
            && *taken <= count
        {
            self.longest = self.longest.max(at.elapsed());
            self.marks.pop_front();
        }
    }
}

impl Watch {
    async fn run(mut self, pipeline: Pipeline, stop: CancellationToken) -> Self {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let lag = pipeline.counters().lag();
            let taken = pipeline.counters().taken();
            let (kept, folded) = (taken - lag.to_keep, taken - lag.to_keep - lag.to_fold);
            for (waits, through) in [(&mut self.kept, kept), (&mut self.folded, folded)] {
                if waits.marks.back().is_none_or(|it| it.0 < taken) {
                    waits.marks.push_back((taken, Instant::now()));
                }
                waits.through(through);
            }
        }
        self
    }
}
