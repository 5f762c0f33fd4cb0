//! A simulated Envoy that speaks state of the world, with the habits of its default mux: a request for every
//! change of what it watches, the last nonce it saw in each, and requests for endpoints before the
//! acknowledgement of the clusters that cause them.

use std::collections::{BTreeMap, BTreeSet};

use envoy_types::pb::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    google::rpc::Status,
};
use watershed_xds::{
    ResourceType::{self, Cluster, Endpoint, Extension, Listener, Route},
    SotwStream,
};

use crate::{Speaker, envoy::Envoy, world::Body};

#[derive(Default)]
struct Type {
    started: bool,
    version: String,
    nonce: String,
    names: BTreeSet<String>,
    /// Names dropped, or come too late to be of use; the version may still speak for them.
    dropped: BTreeSet<String>,
}

#[derive(Default)]
pub struct Sotw(BTreeMap<ResourceType, Type>);

impl Sotw {
    fn request(&self, ty: ResourceType, error: Option<String>) -> DiscoveryRequest {
        let state = &self.0[&ty];
        DiscoveryRequest {
            version_info: state.version.clone(),
            resource_names: state.names.iter().cloned().collect(),
            type_url: ty.type_url().to_owned(),
            response_nonce: state.nonce.clone(),
            error_detail: error.map(|message| Status {
                message,
                ..Status::default()
            }),
            ..DiscoveryRequest::default()
        }
    }

    /// Brings the watched names up to date and asks for each type where they changed.
    fn follow(&mut self, envoy: &Envoy, rewatched: bool) -> Vec<DiscoveryRequest> {
        let mut requests = Vec::new();
        for ty in [Endpoint, Route, Extension] {
            let names = envoy.names(ty).unwrap();
            let state = self.0.entry(ty).or_default();
            state
                .dropped
                .extend(state.names.difference(&names).cloned());
            let changed = state.names != names || (ty == Endpoint && rewatched);
            state.names = names;
            state.started |= !state.names.is_empty();
            if changed && state.started {
                requests.push(self.request(ty, None));
            }
        }
        requests
    }
}

impl Speaker for Sotw {
    type Stream = SotwStream;
    const NAMES_WHAT_IT_HAS: bool = false;

    /// The one case that the protocol cannot express: a name dropped, asked for again and not answered.
    fn may_reconnect(&self, envoy: &Envoy) -> bool {
        self.0.iter().all(|(ty, state)| {
            let missing = |name: &&String| state.names.contains(*name) && !envoy.has(*ty, name);
            !state.dropped.iter().any(|name| missing(&name))
        })
    }

    fn connect(&mut self, envoy: &Envoy) -> Vec<DiscoveryRequest> {
        for ty in [Cluster, Listener] {
            self.0.entry(ty).or_default().started = true;
        }
        self.follow(envoy, false);
        for state in self.0.values_mut() {
            state.nonce.clear();
        }
        let started = self.0.iter().filter(|(_, state)| state.started);
        started.map(|(ty, _)| self.request(*ty, None)).collect()
    }

    fn receive(&mut self, envoy: &mut Envoy, response: DiscoveryResponse) -> Vec<DiscoveryRequest> {
        let ty = ResourceType::from_type_url(&response.type_url).unwrap();
        let bodies: Vec<_> = response.resources.iter().map(Body::unpack).collect();
        let sent: BTreeSet<_> = bodies.iter().map(|body| body.name.clone()).collect();
        let mut gone = Vec::new();
        if matches!(ty, Cluster | Listener) {
            gone = envoy.all(ty);
            gone.retain(|name| !sent.contains(name));
        }
        let outcome = envoy.take(ty, bodies, &gone);
        let mut requests = self.follow(envoy, outcome == Ok(true));
        let state = self.0.get_mut(&ty).unwrap();
        state.nonce = response.nonce;
        if outcome.is_ok() {
            state.version = response.version_info;
            state.dropped.extend(sent.difference(&state.names).cloned());
        }
        // An answer already queued for this type would carry the nonce too; Envoy sends one request then.
        requests.retain(|request| request.type_url != ty.type_url());
        requests.push(self.request(ty, outcome.err()));
        requests
    }
}
