//! The state-of-the-world protocol over a session: nonces that go stale, whole lists of names, versions per
//! type. What to send is the session's decision.
//!
//! Responses for endpoints, routes and extensions carry only what changed. The specification allows it
//! ("Grouping Resources into Responses"), and Envoy hands each watch only the names it asked for. The opt-in
//! unified mux of Envoy (`envoy.reloadable_features.unified_mux`) reads a subset as the removal of the rest and
//! would refuse such a response for extensions; proxies that run it should use the incremental protocol.

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use crate::{
    NodeIdentity, RequestError, ResourceType, Snapshot, Subscription, TypeStatus, XdsStream,
    session::{Protocol, Push, Session},
    stream::{answer_of, check_count, requested_type},
    type_state::Claim,
};

/// A state-of-the-world stream of one proxy.
///
/// Two limits of the protocol, which the incremental one does not have. A proxy that reconnects with
/// an unknown version does not say which clusters it has, so the first cluster response cannot keep the
/// ones that left meanwhile. And a proxy that reconnects with the current version is taken at its word,
/// though it may have dropped a name, asked for it again and lost the connection before the answer; it
/// then waits for that name's next change.
#[derive(Debug)]
pub struct SotwStream(Session);

impl SotwStream {
    /// An aggregated stream that was just opened and has no snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self(Session::new(Protocol::Sotw, None))
    }

    fn responses(&mut self) -> Vec<DiscoveryResponse> {
        self.0.pushes().iter().map(encode).collect()
    }

    /// "Resource updates": a nonce is stale once a newer one was sent. The proxy answers the newer response
    /// with its whole state, so nothing is lost by ignoring the request. Nonces of other streams mean nothing
    /// here: until something was sent, no nonce is stale.
    fn is_stale(&self, ty: ResourceType, nonce: &str) -> bool {
        let last = self.0.state(ty).last_nonce();
        last.is_some_and(|last| last.to_string() != nonce)
    }

    /// Envoy asks again for the endpoints of a cluster that warms up, with the names and version it already
    /// has. Where clusters are served on this stream too, they were sent again with the cluster.
    fn answer_repeated_request(&mut self, ty: ResourceType) {
        let clusters = &self.0.state(ResourceType::Cluster).subscription;
        if ty == ResourceType::Endpoint && clusters.is_empty() {
            let endpoints = self.0.state_mut(ty);
            let names: Vec<_> = endpoints.subscription.names().iter().cloned().collect();
            for name in names {
                endpoints.tell_again(&name);
            }
        }
    }
}

impl Default for SotwStream {
    fn default() -> Self {
        Self::new()
    }
}

impl XdsStream for SotwStream {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn only(ty: ResourceType) -> Self {
        Self(Session::new(Protocol::Sotw, Some(ty)))
    }

    fn on_request(
        &mut self,
        request: DiscoveryRequest,
    ) -> Result<Vec<DiscoveryResponse>, RequestError> {
        self.0.learn_node(request.node.as_ref());
        let ty = requested_type(&request.type_url, self.0.only())?;
        check_count(ty, request.resource_names.len())?;
        if self.is_stale(ty, &request.response_nonce) {
            return Ok(Vec::new());
        }
        let state = self.0.state_mut(ty);
        let first = !state.subscription.is_started();
        let answers = state.in_flight().is_some();
        if answers {
            self.0.answered(ty, answer_of(request.error_detail));
        } else if first && !request.version_info.is_empty() {
            state.claim(Claim::Version(request.version_info));
        }
        let state = self.0.state_mut(ty);
        let change = state.subscription.replace(ty, &request.resource_names);
        if change.is_empty() && !answers && state.last_nonce().is_some() {
            self.answer_repeated_request(ty);
        } else {
            self.0.resubscribe(ty, &change);
        }
        Ok(self.responses())
    }

    fn on_snapshot(&mut self, snapshot: &Snapshot) -> Vec<DiscoveryResponse> {
        self.0.set_snapshot(snapshot);
        self.responses()
    }

    fn status(&self, ty: ResourceType) -> TypeStatus {
        self.0.status(ty)
    }

    fn subscription(&self, ty: ResourceType) -> &Subscription {
        &self.0.state(ty).subscription
    }

    fn node(&self) -> Option<&NodeIdentity> {
        self.0.node()
    }
}

fn encode(push: &Push) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: push.version.to_string(),
        resources: push.resources.iter().map(|it| it.body().clone()).collect(),
        type_url: push.ty.type_url().to_owned(),
        nonce: push.nonce.to_string(),
        ..DiscoveryResponse::default()
    }
}

#[cfg(test)]
mod reconnect_tests;
#[cfg(test)]
mod tests;
