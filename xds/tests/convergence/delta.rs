//! A simulated Envoy that speaks the incremental protocol: it keeps the version of each resource, sends changes
//! of what it watches on their own, and does not ask again for the endpoints of a cluster that warms up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use envoy_types::pb::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::rpc::Status,
};
use watershed_xds::{
    DeltaStream,
    ResourceType::{self, Cluster, Endpoint, Extension, Listener, Route},
};

use crate::{Speaker, envoy::Envoy, world::Body};

#[derive(Default)]
struct Type {
    started: bool,
    names: BTreeSet<String>,
    versions: HashMap<String, String>,
}

#[derive(Default)]
pub struct Delta(BTreeMap<ResourceType, Type>);

fn request(ty: ResourceType) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: ty.type_url().to_owned(),
        ..DeltaDiscoveryRequest::default()
    }
}

impl Delta {
    fn follow(&mut self, envoy: &Envoy) -> Vec<DeltaDiscoveryRequest> {
        let mut requests = Vec::new();
        for ty in [Endpoint, Route, Extension] {
            let names = envoy.names(ty).unwrap();
            let state = self.0.entry(ty).or_default();
            let change = DeltaDiscoveryRequest {
                resource_names_subscribe: names.difference(&state.names).cloned().collect(),
                resource_names_unsubscribe: state.names.difference(&names).cloned().collect(),
                ..request(ty)
            };
            if state.names != names {
                state.started = true;
                state.versions.retain(|name, _| names.contains(name));
                state.names = names;
                requests.push(change);
            }
        }
        requests
    }
}

impl Speaker for Delta {
    type Stream = DeltaStream;
    const NAMES_WHAT_IT_HAS: bool = true;

    fn may_reconnect(&self, _: &Envoy) -> bool {
        true
    }

    fn connect(&mut self, envoy: &Envoy) -> Vec<DeltaDiscoveryRequest> {
        for ty in [Cluster, Listener] {
            self.0.entry(ty).or_default().started = true;
        }
        self.follow(envoy);
        let started = self.0.iter().filter(|(_, state)| state.started);
        started
            .map(|(ty, state)| DeltaDiscoveryRequest {
                resource_names_subscribe: state.names.iter().cloned().collect(),
                initial_resource_versions: state.versions.clone(),
                ..request(*ty)
            })
            .collect()
    }

    fn receive(
        &mut self,
        envoy: &mut Envoy,
        response: DeltaDiscoveryResponse,
    ) -> Vec<DeltaDiscoveryRequest> {
        let ty = ResourceType::from_type_url(&response.type_url).unwrap();
        let bodies = response
            .resources
            .iter()
            .map(|it| Body::unpack(it.resource.as_ref().unwrap()));
        let outcome = envoy.take(ty, bodies.collect(), &response.removed_resources);
        if outcome.is_ok() {
            let state = self.0.get_mut(&ty).unwrap();
            for resource in response.resources {
                if envoy.has(ty, &resource.name) {
                    state.versions.insert(resource.name, resource.version);
                }
            }
            for name in &response.removed_resources {
                state.versions.remove(name);
            }
        }
        let mut requests = self.follow(envoy);
        requests.push(DeltaDiscoveryRequest {
            response_nonce: response.nonce,
            error_detail: outcome.err().map(|message| Status {
                message,
                ..Status::default()
            }),
            ..request(ty)
        });
        requests
    }
}
