//! The load: so many streams, each a connection of its own as from a proxy of its own, that together send
//! so many entries a second. A stream that is late sends what is due; what a server does not read in time
//! shows as a rate that is not reached.

use crate::usage::{Usage, usage};
use crate::wire::{ENTRIES, Raw, Requests, Template, hello};
use anyhow::Context as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

/// What to send.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Load {
    /// How many streams.
    #[arg(long, default_value_t = 100)]
    pub streams: usize,
    /// How many entries a second, of all streams together.
    #[arg(long, default_value_t = 100_000)]
    pub rate: u64,
    /// For how many seconds.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// How many distinct units there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub units: u64,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Entries.
    pub entries: u64,
    /// How long that took.
    pub seconds: f64,
    /// Processor time of the process that sent, in seconds.
    pub cpu_s: f64,
}

/// Sends it to `address`.
///
/// # Errors
/// A connection or a stream failed.
pub async fn run(load: Load, address: SocketAddr) -> anyhow::Result<Sent> {
    let started = Instant::now();
    let mut streams = tokio::task::JoinSet::new();
    for index in 0..load.streams {
        streams.spawn(stream(load, address, index, started));
    }
    let mut entries = 0;
    while let Some(sent) = streams.join_next().await {
        entries += sent.context("a stream")??;
    }
    let Usage { cpu_s, .. } = usage();
    Ok(Sent {
        entries,
        seconds: started.elapsed().as_secs_f64(),
        cpu_s,
    })
}

async fn stream(
    load: Load,
    address: SocketAddr,
    index: usize,
    started: Instant,
) -> anyhow::Result<u64> {
    let channel = Endpoint::try_from(format!("http://{address}"))?
        .connect()
        .await?;
    let (send, messages) = mpsc::channel::<Bytes>(4);
    let mut grpc = tonic::client::Grpc::new(channel);
    let call = async move {
        grpc.ready().await?;
        let path = http::uri::PathAndQuery::from_static(
            "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
        );
        let request = tonic::Request::new(ReceiverStream::new(messages));
        anyhow::Ok(grpc.client_streaming(request, path, Raw).await?)
    };
    let call = tokio::spawn(call);
    send.send(hello(index)).await?;
    // Streams take turns with the units, so that a unit has one variant where there are round numbers of both.
    let variant = if index.is_multiple_of(2) {
        "stable"
    } else {
        "candidate"
    };
    let mut template = Template::new("chat", variant)?;
    let of_stream = load.rate as f64 / load.streams as f64;
    let most = load.rate * load.seconds / load.streams as u64;
    let between = Duration::from_secs_f64(ENTRIES as f64 / of_stream);
    // Not all at the same moment.
    let offset = between.mul_f64(index as f64 / load.streams as f64);
    let (mut sent, step) = (0_u64, load.streams as u64);
    while sent < most {
        let due = offset + between.mul_f64(sent as f64 / ENTRIES as f64);
        tokio::time::sleep_until((started + due).into()).await;
        let requests = Requests {
            next: sent * step + index as u64,
            step,
            units: load.units,
        };
        let second = started.elapsed().as_secs();
        send.send(template.message(requests, second)).await?;
        sent += ENTRIES as u64;
    }
    drop(send);
    call.await??;
    Ok(sent)
}
