//! A real Envoy under steady load: how long a rollback takes, from its call to the last request on the old
//! variant, seen from that variant's upstream.

use crate::documents::{self, EXPERIMENT};
use crate::envoy::{self, Traffic};
use crate::server::{Programs, Server};
use crate::summary::Summary;
use crate::upstream::Upstream;
use anyhow::Context as _;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};
use watershed_harness::Port;

/// Requests a second; two in ten are the candidate's.
const RATE: u32 = 1_000;
/// So long after the last request, no further one is expected.
const QUIET: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);

/// How long rollbacks took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Requests a second, of all variants.
    pub requests_per_second: u32,
    /// From the call to the last request that reached the old variant's upstream.
    pub last_request: Summary,
    /// From the call to its answer.
    pub answer: Summary,
}

/// Rolls back, and resumes, so many times.
///
/// # Errors
/// Something does not come up, or does not come through.
pub async fn measure(programs: &Programs, folder: &Path, runs: usize) -> anyhow::Result<Figures> {
    let server = Server::start(programs, folder, None).await?;
    let (stable, candidate) = (Upstream::start().await?, Upstream::start().await?);
    let gateway = Port::reserve();
    let api = &server.api;
    documents::small(api, gateway.address(), [stable.address, candidate.address]).await?;
    let weights = format!("/v1/experiments/{EXPERIMENT}/weights");
    api.patch(&weights, &documents::weights(1)).await?;
    let proxy = envoy::start(&programs.envoy, folder, server.xds)?;
    let up = api.until_acknowledged(EXPERIMENT, 1).await;
    up.with_context(|| proxy.log_end())?;
    let _traffic = Traffic::start(gateway.address(), RATE).await?;
    let (mut last, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let since = Instant::now();
        until(|| candidate.last_asked().is_some_and(|at| at > since)).await?;
        let called = Instant::now();
        api.post(&format!("/v1/experiments/{EXPERIMENT}/rollback"))
            .await?;
        answered.push(called.elapsed());
        api.until_acknowledged(EXPERIMENT, 1).await?;
        until(|| candidate.last_asked().is_none_or(|at| at.elapsed() > QUIET)).await?;
        let at = candidate.last_asked().unwrap_or(called);
        last.push(at.saturating_duration_since(called));
        api.post(&format!("/v1/experiments/{EXPERIMENT}/resume"))
            .await?;
        api.until_acknowledged(EXPERIMENT, 1).await?;
    }
    Ok(Figures {
        requests_per_second: RATE,
        last_request: Summary::of(last),
        answer: Summary::of(answered),
    })
}

async fn until(holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held)
        .await
        .context("the traffic does not follow")
}
