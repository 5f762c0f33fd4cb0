//! What the fleets should have and what their proxies do have, in the API's terms.

use super::{Fleets, Registry};
use crate::api::{self, FleetState, ProxyStatus, Refusal};
use std::sync::Arc;
use watershed_xds::{ResourceType, Version};

/// Joins the fleets with the registry of proxies.
pub struct FleetView {
    fleets: Arc<Fleets>,
    registry: Arc<Registry>,
}

impl FleetView {
    /// A view of `fleets` and of the proxies in `registry`.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, registry: Arc<Registry>) -> Self {
        Self { fleets, registry }
    }
}

impl ProxyStatus for FleetView {
    fn fleet(&self, fleet: &str) -> FleetState {
        let newest = self.fleets.newest(fleet);
        let version = newest.map(|snapshot| snapshot.get(ResourceType::Extension).version());
        let proxies = self
            .registry
            .proxies(fleet)
            .iter()
            .map(|proxy| shown(proxy, version))
            .collect();
        FleetState {
            version: version.map(|v| v.to_string()).unwrap_or_default(),
            proxies,
        }
    }
}

fn shown(proxy: &super::ProxyState, version: Option<Version>) -> api::ProxyState {
    api::ProxyState {
        node: proxy.node.id.clone(),
        connected_since: Some(proxy.connected_at),
        version: proxy.accepted.map(|v| v.to_string()),
        sent: proxy.seen.map(|v| v.to_string()),
        in_sync: proxy.accepted.is_some() && proxy.accepted == version,
        refusal: ResourceType::ALL
            .into_iter()
            .find_map(|ty| refusal(proxy, ty)),
    }
}

fn refusal(proxy: &super::ProxyState, ty: ResourceType) -> Option<Refusal> {
    let refusal = proxy.types.get(ty).as_ref()?.refusal.as_ref()?;
    Some(Refusal {
        r#type: ty.abbreviation().to_owned(),
        version: refusal.version.to_string(),
        message: refusal.message.clone(),
        at: proxy.refused_at.get(ty).unwrap_or(proxy.connected_at),
    })
}
