//! xDS resources from the model: pure, so that a change can be checked before it is stored, shown
//! before it is made, and pinned by golden files. Sending them is [`crate::ads`]'s.

mod access_log;
mod cluster;
mod detour;
mod difference;
mod extension;
mod filter_config;
mod filter_message;
mod filter_rule;
mod filters;
mod listener;
mod protection;
mod route;
mod service;
#[cfg(test)]
mod tests;
mod touched;
mod upstream_tls;
mod wire;

pub use difference::{NameChanges, ResourceChanges, difference};
pub use extension::FLEET_EXTENSION;
pub use touched::Touched;

use crate::model::cluster::{ClusterDesign, Discovery};
use crate::model::service::Listener;
use crate::model::{FleetSlice, Key, Model};
use detour::Detour;
use filters::Filters;
use service::Scope;
use std::collections::{BTreeMap, BTreeSet};
use watershed_engine::CompileError;
use watershed_proto::filter::v1::FilterConfig;
use watershed_xds::{Inconsistency, Resource, ResourceType, Snapshot, SnapshotBuilder};

/// The cluster of the proxies' bootstrap that leads back to the control plane.
pub const XDS_CLUSTER: &str = "watershed";

/// What the resources need beside the model.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the proxies find the filter, as a path on their own disk.
    pub wasm_path: String,
}

/// A model that no proxy could use.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// The filter would refuse its configuration.
    #[error("fleet {fleet}: {fault}")]
    Filter {
        /// The fleet.
        fleet: Key,
        /// What the filter would say.
        fault: CompileError,
    },
    /// A resource names one that is not there.
    #[error("fleet {fleet}: {fault}")]
    Inconsistent {
        /// The fleet.
        fleet: Key,
        /// What is missing.
        fault: Inconsistency,
    },
}

/// One snapshot for each fleet of `model`, and one for each slice of it that gets something else. What
/// is as it was in the `previous` snapshot is shared with it, so that streams that still have that one
/// cost no second copy.
///
/// # Errors
/// The first fleet whose configuration would not be accepted.
pub fn snapshots(
    model: &Model,
    settings: &Settings,
    previous: impl Fn(&FleetSlice) -> Option<Snapshot>,
) -> Result<BTreeMap<FleetSlice, Snapshot>, ResourceError> {
    next_snapshots(model, settings, &Touched::Everybody, previous)
}

/// The same, where the `previous` snapshots of fleets that are not `touched` are as they would be made.
///
/// # Errors
/// The first fleet whose configuration would not be accepted.
pub fn next_snapshots(
    model: &Model,
    settings: &Settings,
    touched: &Touched,
    previous: impl Fn(&FleetSlice) -> Option<Snapshot>,
) -> Result<BTreeMap<FleetSlice, Snapshot>, ResourceError> {
    let fleets = model.fleets().into_iter();
    let parts = fleets.flat_map(|fleet| {
        let slices = model.slices_of(fleet).into_iter().cloned().map(Some);
        std::iter::once(None).chain(slices).map(|slice| FleetSlice {
            fleet: fleet.clone(),
            slice,
        })
    });
    parts
        .map(|part| {
            let mut builder = Snapshot::builder();
            match previous(&part) {
                Some(previous) if !touched.has(&part.fleet) => return Ok((part, previous)),
                Some(previous) => _ = builder.reusing(&previous),
                None => {}
            }
            let snapshot = snapshot(model, &part, settings, builder)?;
            Ok((part, snapshot))
        })
        .collect()
}

fn snapshot(
    model: &Model,
    FleetSlice { fleet, slice }: &FleetSlice,
    settings: &Settings,
    mut builder: SnapshotBuilder,
) -> Result<Snapshot, ResourceError> {
    let slice = slice.as_ref();
    let scopes = service::scopes(model, fleet);
    let used: BTreeSet<&str> = scopes.iter().flat_map(Scope::reached).collect();
    for cluster in model
        .clusters
        .values()
        .filter(|c| used.contains(c.key.as_str()))
    {
        add_cluster(&mut builder, cluster.key.as_str(), &cluster.design);
    }
    for (name, body) in detour::composites(&scopes) {
        let body = wire::any(&body);
        builder.add(ResourceType::Cluster, Resource::new(name, body, []));
    }
    let every: Vec<&Scope<'_>> = scopes.iter().collect();
    let mut filters = Filters::new(model, slice, settings);
    let filter = filters.filter(FLEET_EXTENSION, &every);
    let filter = filter.map_err(|fault| refused(fleet, fault))?;
    builder.add(ResourceType::Extension, filter);
    for address in listeners(&scopes) {
        let here = service::on(&scopes, &address);
        let name = listener::name(&address);
        let body = wire::any(&listener::listener(&address));
        builder.add(
            ResourceType::Listener,
            Resource::new(name.as_str(), body, []),
        );
        let body = wire::any(&route::routes(&name, &here));
        builder.add(
            ResourceType::Route,
            Resource::new(name.as_str(), body, references(&here)),
        );
        let filter = filters.filter(&name, &here);
        let filter = filter.map_err(|fault| refused(fleet, fault))?;
        builder.add(ResourceType::Extension, filter);
    }
    let snapshot = builder.build();
    snapshot
        .check_consistent()
        .map_err(|fault| ResourceError::Inconsistent {
            fleet: fleet.clone(),
            fault,
        })?;
    Ok(snapshot)
}

/// The configuration that the filter of `fleet`, or of one slice of it, gets: on one of its listeners, or,
/// where there is none, the one for proxies that own their listeners.
#[must_use]
pub fn filter_config_of(
    model: &Model,
    (fleet, slice): (&Key, Option<&Key>),
    listener: Option<&Listener>,
) -> FilterConfig {
    let scopes = service::scopes(model, fleet);
    let here: Vec<&Scope<'_>> = match listener {
        Some(listener) => service::on(&scopes, listener),
        None => scopes.iter().collect(),
    };
    filter_config::filter_config(model, &here, slice)
}

fn add_cluster(builder: &mut SnapshotBuilder, name: &str, design: &ClusterDesign) {
    let resource = Resource::new(name, wire::any(&cluster::cluster(name, design)), []);
    if design.discovery == Discovery::Eds {
        let endpoints = Resource::new(name, wire::any(&cluster::endpoints(name, design)), []);
        builder.add(ResourceType::Endpoint, endpoints);
        builder.add(ResourceType::Cluster, resource.with_endpoints(name));
    } else {
        builder.add(ResourceType::Cluster, resource);
    }
}

fn refused(fleet: &Key, fault: CompileError) -> ResourceError {
    ResourceError::Filter {
        fleet: fleet.clone(),
        fault,
    }
}

fn listeners(scopes: &[Scope<'_>]) -> BTreeSet<Listener> {
    scopes
        .iter()
        .flat_map(|s| &s.service.listeners)
        .copied()
        .collect()
}

fn references(scopes: &[&Scope<'_>]) -> BTreeSet<String> {
    let reached = scopes.iter().flat_map(|s| s.reached());
    let composites = scopes.iter().flat_map(|s| &s.detours);
    reached
        .map(str::to_owned)
        .chain(composites.filter_map(Detour::composite))
        .collect()
}
