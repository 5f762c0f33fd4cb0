//! One small model and many proxies: how long a change of weights takes to the last of them, what a proxy
//! costs the control plane in memory, and what happens when all reconnect at once.

use crate::documents::{self, EXPERIMENT, weights};
use crate::fleet::{Counts, Fleet};
use crate::server::{Programs, Server};
use crate::summary::{Summary, milliseconds};
use anyhow::Context as _;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// What so many proxies took.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Proxies, each with a connection of its own.
    pub proxies: usize,
    /// From the call of the API to the last acknowledgement that a proxy sent.
    pub last_acknowledgement: Summary,
    /// From the call of the API until the control plane had counted it.
    pub last_counted: Summary,
    /// From the call of the API to its answer.
    pub answer: Summary,
    /// What the proxies got of all changes.
    pub sent: Counts,
    /// Processor time of the control plane, a change and proxy.
    pub control_plane_us_per_proxy: f64,
    /// Memory of the control plane without proxies.
    pub resident_before_kb: u64,
    /// And with them, after the changes.
    pub resident_kb: u64,
    /// The difference, for each.
    pub kb_per_proxy: f64,
    /// All reconnecting at once.
    pub storm: Storm,
}

/// All proxies cut off, and connected anew at the same moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Storm {
    /// Until every stream was taken.
    pub streams_ms: f64,
    /// Until the control plane's status said that all have all.
    pub settled_ms: f64,
    /// What was sent and what failed.
    pub sent: Counts,
    /// Processor time of the control plane.
    pub control_plane_s: f64,
    /// Memory of the control plane afterwards.
    pub resident_kb: u64,
    /// A change after it, to the last acknowledgement.
    pub next_change_ms: f64,
}

/// Connects `proxies` and makes `changes`.
///
/// # Errors
/// Something does not come up, or does not come through.
pub async fn measure(
    programs: &Programs,
    folder: &Path,
    proxies: usize,
    changes: usize,
) -> anyhow::Result<Figures> {
    let server = Server::start(programs, folder, None).await?;
    let nobody = ([127, 0, 0, 1], 1).into();
    documents::small(&server.api, nobody, [nobody; 2]).await?;
    let resident_before_kb = server.resident_kb()?;
    let mut fleet = Fleet::connect(server.xds, proxies).await?;
    server.api.until_acknowledged(EXPERIMENT, proxies).await?;
    // One that is not counted: connections and tables are warm afterwards.
    change(&server, &fleet, proxies, 1).await?;
    let (before, began) = (fleet.counts(), server.processor_time()?);
    let mut took = Vec::with_capacity(changes);
    for turn in 2..changes + 2 {
        took.push(change(&server, &fleet, proxies, turn).await?);
    }
    let used = server.processor_time()? - began;
    let sent = fleet.counts().since(before);
    let resident_kb = server.resident_kb()?;
    let storm = storm(&server, &mut fleet, proxies, changes + 2).await?;
    let of = |part: fn(&Change) -> Duration| Summary::of(took.iter().map(part).collect());
    Ok(Figures {
        proxies,
        last_acknowledgement: of(|it| it.accepted),
        last_counted: of(|it| it.counted),
        answer: of(|it| it.answered),
        sent,
        control_plane_us_per_proxy: used.as_secs_f64() * 1e6 / (changes * proxies) as f64,
        resident_before_kb,
        resident_kb,
        kb_per_proxy: (resident_kb as f64 - resident_before_kb as f64) / proxies as f64,
        storm,
    })
}

/// How long a change took, from the call of the API.
struct Change {
    answered: Duration,
    accepted: Duration,
    counted: Duration,
}

async fn change(
    server: &Server,
    fleet: &Fleet,
    proxies: usize,
    turn: usize,
) -> anyhow::Result<Change> {
    let acknowledged = || {
        server
            .api
            .metric(r#"watershed_xds_acks_total{type="ECDS"}"#)
    };
    let before = acknowledged().await?;
    fleet.expect(proxies as u64);
    let began = Instant::now();
    let path = format!("/v1/experiments/{EXPERIMENT}/weights");
    server.api.patch(&path, &weights(turn)).await?;
    let answered = began.elapsed();
    let accepted = fleet.until_accepted().await? - began;
    while acknowledged().await? < before + proxies as f64 {}
    Ok(Change {
        answered,
        accepted,
        counted: began.elapsed(),
    })
}

async fn storm(
    server: &Server,
    fleet: &mut Fleet,
    proxies: usize,
    turn: usize,
) -> anyhow::Result<Storm> {
    let (before, used) = (fleet.counts(), server.processor_time()?);
    let began = fleet.reconnect().await?;
    let streams_ms = milliseconds(began.elapsed());
    let settled = server.api.until_acknowledged(EXPERIMENT, proxies).await;
    settled.with_context(|| fleet.standing())?;
    let settled_ms = milliseconds(began.elapsed());
    let sent = fleet.counts().since(before);
    let control_plane_s = (server.processor_time()? - used).as_secs_f64();
    let resident_kb = server.resident_kb()?;
    let next = change(server, fleet, proxies, turn).await?;
    Ok(Storm {
        streams_ms,
        settled_ms,
        sent,
        control_plane_s,
        resident_kb,
        next_change_ms: milliseconds(next.accepted),
    })
}
