//! One request: strip, assign, stamp. What lives here: the order of the host calls and what
//! happens when one fails. What does not: the decision.
//!
//! Host calls, about a microsecond each: one for all headers; then, for an assigned request, one
//! for each header written, one for the record, one for the route cache and one counter a
//! decision. A request that nobody spoofed and no experiment wants costs the first one only.

use crate::counters::Counters;
use crate::host::{Host, HostError};
use prost::Message as _;
use watershed_engine::{Decision, Headers, Noop, Plan, Request, Service};
use watershed_proto::filter::v1::{Assignment, AssignmentRecord};
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, RECORD_PROPERTY, VARIANT_HEADER};

/// What only the filter may write. A client that sends them is not believed.
const OWN_HEADERS: [&str; 3] = [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER];

/// A plan at work: what every request of one configuration shares.
#[derive(Debug, Default)]
pub struct Active {
    plan: Plan,
    counters: Counters,
}

impl Active {
    /// A plan with its counters.
    pub fn new(plan: Plan, host: &impl Host) -> Self {
        let counters = Counters::define(&plan, host);
        Self { plan, counters }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Handles one request's headers. Whatever fails, the request goes on: without a stamp, to the
    /// service's default cluster.
    pub fn on_request_headers(&self, host: &impl Host) {
        if self.handle(host).is_err() {
            self.counters.host_failed(host);
        }
    }

    fn handle(&self, host: &impl Host) -> Result<(), HostError> {
        let map = host.request_headers()?;
        let pairs = map.pairs()?;
        let headers = Headers::new(&pairs);
        let stripped = strip(host, headers)?;
        let service = self
            .plan
            .service(headers.host().as_deref(), headers.path())
            .filter(|service| service.has_experiments());
        let stamped = match service {
            Some(service) => self.stamp(host, headers, service)?,
            None => false,
        };
        if stripped && !stamped {
            // The route may have been chosen by what was stripped.
            host.clear_route_cache()?;
        }
        Ok(())
    }

    /// Assigns and writes; whether there was anything to write.
    fn stamp(
        &self,
        host: &impl Host,
        headers: Headers<'_>,
        service: &Service,
    ) -> Result<bool, HostError> {
        let now_ms = if service.is_timed() {
            host.now_ms()?
        } else {
            0
        };
        let request = Request::new(headers, self.plan.attributes());
        let decisions: Vec<_> = self
            .plan
            .assign(service, &request, now_ms, &mut Noop)
            .collect();
        if decisions.is_empty() {
            return Ok(false);
        }
        self.write(host, service, &decisions)
            .inspect_err(|_| undo(host))?;
        for decision in &decisions {
            self.counters.assigned(host, decision.variant)?;
        }
        Ok(true)
    }

    fn write(
        &self,
        host: &impl Host,
        service: &Service,
        decisions: &[Decision<'_, '_>],
    ) -> Result<(), HostError> {
        let experiments = joined(decisions.iter().map(|one| one.experiment.key()));
        let variants = joined(decisions.iter().map(|one| one.variant.key()));
        let cluster = decisions.iter().find_map(|one| one.variant.cluster());
        host.set_request_header(EXPERIMENT_HEADER, experiments.as_bytes())?;
        host.set_request_header(VARIANT_HEADER, variants.as_bytes())?;
        if let Some(cluster) = cluster {
            host.set_request_header(CLUSTER_HEADER, cluster.as_bytes())?;
        }
        let record = AssignmentRecord {
            config_version: self.plan.version().to_owned(),
            service: service.key().to_owned(),
            cluster: cluster.unwrap_or_default().to_owned(),
            assignments: decisions.iter().map(assignment).collect(),
            ..AssignmentRecord::default()
        };
        host.set_filter_state(RECORD_PROPERTY, &record.encode_to_vec())?;
        host.clear_route_cache()
    }
}

/// Takes away what only the filter may write; whether there was anything.
///
/// # Errors
/// The first failure, after each header was tried.
fn strip(host: &impl Host, headers: Headers<'_>) -> Result<bool, HostError> {
    let mut outcome = Ok(false);
    for name in OWN_HEADERS {
        if headers.all(name).next().is_some() {
            let removed = host.remove_request_header(name);
            outcome = outcome.and_then(|_| removed.map(|()| true));
        }
    }
    outcome
}

/// Takes back a stamp that could not be written whole, as far as the host lets us. An empty record
/// names no assignment.
fn undo(host: &impl Host) {
    for name in OWN_HEADERS {
        let _ = host.remove_request_header(name);
    }
    let _ = host.set_filter_state(RECORD_PROPERTY, &[]);
    let _ = host.clear_route_cache();
}

fn joined<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for key in keys {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(key);
    }
    joined
}

fn assignment(decision: &Decision<'_, '_>) -> Assignment {
    Assignment {
        experiment: decision.experiment.key().to_owned(),
        variant: decision.variant.key().to_owned(),
        unit_type: decision.experiment.unit_type().to_owned(),
        unit: decision.unit.to_owned(),
        layer_bucket: decision.layer_bucket.into(),
        variant_bucket: decision.variant_bucket.into(),
        reason: decision.reason.into(),
        ..Assignment::default()
    }
}

#[cfg(test)]
mod tests;
