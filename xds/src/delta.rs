//! The incremental protocol over a session: subscriptions as changes, versions per resource, absence by name.
//! What to send is the session's decision.

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource,
};

use crate::{
    MAX_NAMES, NodeIdentity, RequestError, ResourceType, Snapshot, Subscription, TypeStatus,
    XdsStream,
    session::{Protocol, Push, Session},
    stream::{answer_of, check_count, requested_type},
    type_state::Claim,
};

/// An incremental stream of one proxy.
#[derive(Debug)]
pub struct DeltaStream(Session);

impl DeltaStream {
    /// An aggregated stream that was just opened and has no snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self(Session::new(Protocol::Delta, None))
    }

    fn responses(&mut self) -> Vec<DeltaDiscoveryResponse> {
        self.0.pushes().iter().map(encode).collect()
    }

    /// Bounds what a request may make this stream remember.
    fn check_names(
        &self,
        ty: ResourceType,
        request: &DeltaDiscoveryRequest,
    ) -> Result<(), RequestError> {
        check_count(ty, request.initial_resource_versions.len())?;
        check_count(ty, request.resource_names_unsubscribe.len())?;
        let names = self.0.state(ty).subscription.names();
        let subscribe = &request.resource_names_subscribe;
        if names.len().saturating_add(subscribe.len()) <= MAX_NAMES {
            return Ok(());
        }
        let new = subscribe
            .iter()
            .filter(|name| !names.contains(name.as_str()));
        check_count(ty, names.len().saturating_add(new.count()))
    }
}

impl Default for DeltaStream {
    fn default() -> Self {
        Self::new()
    }
}

impl XdsStream for DeltaStream {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn only(ty: ResourceType) -> Self {
        Self(Session::new(Protocol::Delta, Some(ty)))
    }

    fn on_request(
        &mut self,
        request: DeltaDiscoveryRequest,
    ) -> Result<Vec<DeltaDiscoveryResponse>, RequestError> {
        self.0.learn_node(request.node.as_ref());
        let ty = requested_type(&request.type_url, self.0.only())?;
        self.check_names(ty, &request)?;
        let state = self.0.state_mut(ty);
        if !state.subscription.is_started() && !request.initial_resource_versions.is_empty() {
            state.claim(Claim::Resources(request.initial_resource_versions));
        }
        // "Incremental xDS": the nonce pairs an answer with its response, and is no reason to ignore what the
        // request says about the subscription.
        if state
            .in_flight()
            .is_some_and(|nonce| nonce.to_string() == request.response_nonce)
        {
            self.0.answered(ty, answer_of(request.error_detail));
        }
        let subscription = &mut self.0.state_mut(ty).subscription;
        let change = subscription.update(
            ty,
            &request.resource_names_subscribe,
            &request.resource_names_unsubscribe,
        );
        self.0.resubscribe(ty, &change);
        Ok(self.responses())
    }

    fn on_snapshot(&mut self, snapshot: &Snapshot) -> Vec<DeltaDiscoveryResponse> {
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

fn encode(push: &Push) -> DeltaDiscoveryResponse {
    let resources = push.resources.iter().map(|resource| WireResource {
        name: resource.name().to_string(),
        version: resource.version().to_string(),
        resource: Some(resource.body().clone()),
        ..WireResource::default()
    });
    DeltaDiscoveryResponse {
        system_version_info: push.version.to_string(),
        resources: resources.collect(),
        type_url: push.ty.type_url().to_owned(),
        removed_resources: push.removed.iter().map(ToString::to_string).collect(),
        nonce: push.nonce.to_string(),
        ..DeltaDiscoveryResponse::default()
    }
}

#[cfg(test)]
mod tests;
