//! One request: strip, assign, write. What lives here: the way from headers (and a body, where one
//! was awaited) to what upstream and client get, and what happens when a host call fails. What does
//! not: the decision, and when Envoy calls (see [`exchange`](crate::exchange)).
//!
//! Host calls, about a microsecond each: one for all headers; then, for an assigned request, one
//! for each header written and one for the record. A request that nobody spoofed and no experiment
//! wants costs the first one only.

use crate::around::Around;
use crate::counters::Counters;
use crate::host::{Host, HostError};
use crate::pins::{self, Jar};
use crate::record::Heads;
use crate::response::ResponseHeader;
use crate::stamp::Stamp;
use crate::upstream::{OWN_HEADERS, Outcome};
use std::collections::BTreeSet;
use watershed_engine::surroundings::Surroundings as _;
use watershed_engine::{Decision, Experiment, Headers, Noop, Plan, Request, Service, Variant};
use watershed_proto::CLUSTER_HEADER;
use watershed_proto::filter::v1::Trust;

/// A plan at work: what every request of one configuration shares.
#[derive(Debug, Default)]
pub struct Active {
    plan: Plan,
    counters: Counters,
    heads: Heads,
    /// The keys of baggage that any variant sets.
    reserved: Box<[Box<str>]>,
}

impl Active {
    /// A plan with its counters.
    pub fn new(plan: Plan, host: &impl Host) -> Self {
        let counters = Counters::define(&plan, host);
        let heads = Heads::of(&plan);
        let reserved = baggage_keys(&plan);
        Self {
            plan,
            counters,
            heads,
            reserved,
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan's counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether what upstreams say of outcomes is kept from whoever asked: from clients, but not from a
    /// hop that may want to log it, too.
    #[must_use]
    pub fn hides_outcomes(&self, service: Option<&Service>) -> bool {
        self.plan.trust() != Trust::Mesh && service.is_some_and(Service::has_experiments)
    }

    /// Decides one request and writes what the upstream gets; the headers that the response is to
    /// get.
    ///
    /// # Errors
    /// A host call failed. The request goes on: without a stamp, to the service's default cluster.
    pub fn decide(
        &self,
        host: &impl Host,
        headers: Headers<'_>,
        service: Option<&Service>,
        body: Option<&[u8]>,
    ) -> Result<Vec<ResponseHeader>, HostError> {
        let is_edge = self.plan.trust() != Trust::Mesh;
        let stamp = if is_edge {
            None
        } else {
            self.believed(host, headers)
        };
        let spoofable = service.filter(|_| is_edge).map(Service::request_headers);
        strip(
            host,
            headers,
            stamp.is_some(),
            spoofable.unwrap_or_default(),
        )?;
        let stamp = stamp.unwrap_or_default();
        let mut visit = Visit {
            active: self,
            host,
            headers,
            stamp: &stamp,
            reserved: if is_edge { &self.reserved } else { &[] },
            response: Vec::new(),
        };
        if let Some(service) = service.filter(|service| decides(service)) {
            visit.assign(service, body)?;
        }
        Ok(visit.response)
    }

    /// What a trusted hop in front has stamped, where it makes sense.
    fn believed(&self, host: &impl Host, headers: Headers<'_>) -> Option<Stamp> {
        let stamp = Stamp::read(headers);
        if stamp.is_none() {
            self.counters.stamp_refused(host);
        }
        stamp
    }
}

/// Whether there is anything to decide for requests of the service.
fn decides(service: &Service) -> bool {
    service.has_experiments() || !service.routing_rules().is_empty()
}

fn baggage_keys(plan: &Plan) -> Box<[Box<str>]> {
    let variants = plan.experiments().iter().flat_map(Experiment::variants);
    let entries = variants.flat_map(Variant::baggage);
    let keys: BTreeSet<_> = entries.map(|entry| entry.name.clone()).collect();
    keys.into_iter().collect()
}

/// One request of a service on its way through.
struct Visit<'v, H> {
    active: &'v Active,
    host: &'v H,
    headers: Headers<'v>,
    stamp: &'v Stamp,
    reserved: &'v [Box<str>],
    response: Vec<ResponseHeader>,
}

impl<H: Host> Visit<'_, H> {
    /// Assigns and writes.
    fn assign(&mut self, service: &Service, body: Option<&[u8]>) -> Result<(), HostError> {
        let plan = &self.active.plan;
        let mut around = Around::new(self.host, body);
        let mut jars = self.bring(&mut around, service);
        let now_ms = if service.is_timed() {
            around.now_ms()
        } else {
            0
        };
        let request = Request::within(self.headers, plan.attributes(), &around);
        let mut watch = Noop;
        let given = plan.assign(service, &request, now_ms, &mut watch);
        let mut decisions = Vec::with_capacity(given.size_hint().1.unwrap_or_default());
        given.for_each(|decision| decisions.push(decision));
        let is_routed = decisions.iter().any(|one| one.variant.cluster().is_some());
        let rule = if is_routed {
            None
        } else {
            plan.route(service, &request, now_ms, &mut Noop)
        };
        let minted = around.finish()?;
        let outcome = Outcome {
            version: plan.version(),
            heads: &self.active.heads,
            service,
            subject: &request,
            decisions: &decisions,
            rule,
            minted: &minted,
            stamp: self.stamp,
            reserved: self.reserved,
        };
        outcome.write(self.host, self.headers)?;
        let counters = &self.active.counters;
        for decision in &decisions {
            if counters.assigned(self.host, decision.variant).is_err() {
                counters.host_failed(self.host);
            }
        }
        let cookies = minted.into_iter().map(|minted| minted.set_cookie);
        self.response.extend(cookies.map(ResponseHeader::cookie));
        self.respond(&mut jars, &decisions, &around);
        Ok(())
    }

    /// Gathers the variants that the request brings along; the sticky cookies that it has.
    fn bring<'j>(&self, around: &mut Around<'_, H>, service: &'j Service) -> Vec<Jar<'j>> {
        let plan = &self.active.plan;
        let mut forced = Vec::new();
        for value in pins::force_tokens(plan.force(), self.headers) {
            if pins::forced(&value, plan, around.now_ms(), &mut forced).is_err() {
                self.active.counters.token_refused(self.host);
            }
        }
        around.pin(forced);
        around.pin(pins::inherited(self.stamp, plan));
        let mut jars = Vec::new();
        for name in service.sticky_cookies() {
            let (jar, outcome) = Jar::open(name, self.headers, plan.keys(), around.now_ms());
            if outcome.is_err() {
                self.active.counters.token_refused(self.host);
            }
            around.pin(jar.pins(plan));
            jars.push(jar);
        }
        jars
    }

    /// Notes what the client gets.
    fn respond(
        &mut self,
        jars: &mut [Jar<'_>],
        decisions: &[Decision<'_, '_>],
        around: &Around<'_, H>,
    ) {
        let keys = self.active.plan.keys();
        for jar in jars {
            for decision in decisions {
                jar.keep(decision, around.now_ms());
            }
            let cookie = jar.set_cookie(keys, pins::is_secure(self.headers));
            self.response.extend(cookie.map(ResponseHeader::cookie));
        }
        for header in decisions
            .iter()
            .flat_map(|one| one.variant.response_headers())
        {
            self.response.push(ResponseHeader::set(header));
        }
    }
}

/// Takes away what only the filter may write, and what only variants may. The stamp stays where it
/// `is_believed`.
///
/// # Errors
/// The first failure, after each header was tried.
fn strip(
    host: &impl Host,
    headers: Headers<'_>,
    is_believed: bool,
    spoofable: &[Box<str>],
) -> Result<(), HostError> {
    let own: &[&str] = if is_believed {
        &[CLUSTER_HEADER]
    } else {
        &OWN_HEADERS
    };
    let spoofable = spoofable.iter().map(|name| &**name);
    let mut outcome = Ok(());
    for name in own.iter().copied().chain(spoofable) {
        if headers.all(name).next().is_some() {
            outcome = outcome.and(host.remove_request_header(name));
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
