//! Many services and experiments, and one proxy: what one change of weights costs to build, and how much of
//! it goes over the wire.

use crate::documents::{Layout, weights};
use crate::fleet::{Counts, Fleet};
use crate::server::{Programs, Server};
use crate::summary::{Summary, milliseconds};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// What one change of many experiments took.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Services.
    pub services: usize,
    /// Experiments of all of them.
    pub experiments: usize,
    /// Listeners that they share.
    pub listeners: usize,
    /// To build what proxies get, as the control plane counts it.
    pub build: Summary,
    /// From the call of the API to the acknowledgement.
    pub acknowledgement: Summary,
    /// What one proxy got of one change, on average.
    pub bytes_per_change: f64,
    /// Resources in it.
    pub resources_per_change: f64,
    /// What a proxy gets that comes with nothing.
    pub first: Counts,
    /// How long it took to apply the model, through the API.
    pub applied_ms: f64,
}

/// Applies `layout` and makes `changes`, each of another experiment.
///
/// # Errors
/// Something does not come up, or does not come through.
pub async fn measure(
    programs: &Programs,
    folder: &Path,
    layout: Layout,
    changes: usize,
) -> anyhow::Result<Figures> {
    let server = Server::start(programs, folder, None).await?;
    let began = Instant::now();
    layout.apply(&server.api).await?;
    let applied_ms = milliseconds(began.elapsed());
    let listeners = if layout.own_listeners {
        layout.services
    } else {
        1
    };
    let fleet = Fleet::connect(server.xds, 1).await?;
    server
        .api
        .until_acknowledged(&Layout::experiment(0, 0), 1)
        .await?;
    let first = fleet.counts();
    let mut builds = Vec::with_capacity(changes);
    let mut acknowledgements = Vec::with_capacity(changes);
    let building = || server.api.metric("watershed_xds_build_seconds_sum");
    for turn in 0..changes {
        let number = turn * 7;
        let (service, number) = (
            number % layout.services,
            number / layout.services % layout.each,
        );
        let path = format!(
            "/v1/experiments/{}/weights",
            Layout::experiment(service, number)
        );
        let before = building().await?;
        fleet.expect(1);
        let began = Instant::now();
        server.api.patch(&path, &weights(1)).await?;
        acknowledgements.push(fleet.until_accepted().await? - began);
        builds.push(Duration::from_secs_f64(building().await? - before));
    }
    let sent = fleet.counts().since(first);
    Ok(Figures {
        services: layout.services,
        experiments: layout.services * layout.each,
        listeners,
        build: Summary::of(builds),
        acknowledgement: Summary::of(acknowledgements),
        bytes_per_change: sent.bytes as f64 / changes as f64,
        resources_per_change: sent.resources as f64 / changes as f64,
        first,
        applied_ms,
    })
}
