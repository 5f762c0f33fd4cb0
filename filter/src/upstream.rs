//! What the upstream sees of a request's outcome. What lives here: the headers that are written,
//! the record that is left, and taking both back. What does not: the outcome.

use crate::around::Minted;
use crate::baggage;
use crate::host::{Host, HostError};
use crate::record::{Assignment, Heads, Record};
use crate::stamp::Stamp;
use watershed_engine::service::RoutingRule;
use watershed_engine::{Decision, Headers, Service, Subject};
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, RECORD_PROPERTY, VARIANT_HEADER};

/// What only the filter may write.
pub const OWN_HEADERS: [&str; 3] = [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER];
const BAGGAGE: &str = "baggage";
const COOKIE: &str = "cookie";

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'o, S> {
    /// The configuration's version.
    pub version: &'o str,
    /// What records say of the plan's variants.
    pub heads: &'o Heads,
    /// The request's service.
    pub service: &'o Service,
    /// The request, for the feature vectors of its decisions.
    pub subject: &'o S,
    /// The experiments that it is in.
    pub decisions: &'o [Decision<'o, 'o>],
    /// The rule that routes it, where no experiment does.
    pub rule: Option<&'o RoutingRule>,
    /// The units that were made for it.
    pub minted: &'o [Minted],
    /// What a hop in front has stamped.
    pub stamp: &'o Stamp,
    /// The keys of baggage that variants set, and that are not a client's to set; none where the
    /// hop in front is trusted.
    pub reserved: &'o [Box<str>],
}

impl<S: Subject> Outcome<'_, S> {
    /// Writes it all, or nothing of it.
    ///
    /// # Errors
    /// The first host call that failed.
    pub fn write(&self, host: &impl Host, headers: Headers<'_>) -> Result<(), HostError> {
        self.try_write(host, headers)
            .inspect_err(|_| self.undo(host, headers))
    }

    fn try_write(&self, host: &impl Host, headers: Headers<'_>) -> Result<(), HostError> {
        self.write_baggage(host, headers)?;
        if !self.minted.is_empty() {
            self.write_cookies(host, headers)?;
        }
        if !self.decisions.is_empty() || self.rule.is_some() {
            self.write_stamp(host)?;
            for (name, value) in self.variant_headers() {
                host.set_request_header(name, value.as_bytes())?;
            }
            host.set_filter_state(RECORD_PROPERTY, &self.record())?;
        }
        Ok(())
    }

    /// Takes back what could not be written whole, as far as the host lets us. An empty record
    /// names no assignment.
    fn undo(&self, host: &impl Host, headers: Headers<'_>) {
        for name in OWN_HEADERS {
            let _ = host.remove_request_header(name);
        }
        for (name, _) in self.variant_headers() {
            let _ = host.remove_request_header(name);
        }
        if let Some((experiments, variants)) = self.stamp.lists() {
            let _ = host.set_request_header(EXPERIMENT_HEADER, experiments.as_bytes());
            let _ = host.set_request_header(VARIANT_HEADER, variants.as_bytes());
        }
        let before = Outcome {
            decisions: &[],
            minted: &[],
            ..*self
        };
        if self
            .decisions
            .iter()
            .any(|one| !one.variant.baggage().is_empty())
        {
            let _ = before.set_baggage(host, headers, &[]);
        }
        if !self.minted.is_empty() {
            let _ = before.write_cookies(host, headers);
        }
        let _ = host.set_filter_state(RECORD_PROPERTY, &[]);
    }

    fn write_stamp(&self, host: &impl Host) -> Result<(), HostError> {
        let own: Vec<_> = self
            .decisions
            .iter()
            .map(|one| (one.experiment.key(), one.variant.key()))
            .collect();
        if let Some((experiments, variants)) = self.stamp.with(&own) {
            host.set_request_header(EXPERIMENT_HEADER, experiments.as_bytes())?;
            host.set_request_header(VARIANT_HEADER, variants.as_bytes())?;
        }
        match self.cluster() {
            Some(cluster) => host.set_request_header(CLUSTER_HEADER, cluster.as_bytes()),
            None => Ok(()),
        }
    }

    /// The cluster of the experiment that routes, else that of the rule.
    fn cluster(&self) -> Option<&str> {
        let decided = self.decisions.iter().find_map(|one| one.variant.cluster());
        decided.or(self.rule.map(RoutingRule::cluster))
    }

    /// The headers of the variants; where two set the same one, the first decision's counts.
    fn variant_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = || {
            self.decisions.iter().enumerate().flat_map(|(place, one)| {
                one.variant
                    .request_headers()
                    .iter()
                    .map(move |h| (place, h))
            })
        };
        all()
            .filter(move |(place, header)| {
                !all().any(|(before, other)| before < *place && other.name == header.name)
            })
            .map(|(_, header)| (&*header.name, &*header.value))
    }

    fn write_baggage(&self, host: &impl Host, headers: Headers<'_>) -> Result<(), HostError> {
        let mut ours: Vec<(&str, &str)> = Vec::new();
        for entry in self.decisions.iter().flat_map(|one| one.variant.baggage()) {
            if !ours.iter().any(|(key, _)| *key == &*entry.name) {
                ours.push((&entry.name, &entry.value));
            }
        }
        let is_spoofed = || {
            !self.reserved.is_empty()
                && baggage::names(headers.all(BAGGAGE), |key| self.is_reserved(key))
        };
        if ours.is_empty() && !is_spoofed() {
            return Ok(());
        }
        self.set_baggage(host, headers, &ours)
    }

    fn set_baggage(
        &self,
        host: &impl Host,
        headers: Headers<'_>,
        ours: &[(&str, &str)],
    ) -> Result<(), HostError> {
        let existing = headers.all(BAGGAGE);
        let merged = baggage::merged(existing, ours, |key| self.is_reserved(key));
        set_or_remove(host, BAGGAGE, &merged)
    }

    fn is_reserved(&self, key: &[u8]) -> bool {
        self.reserved.iter().any(|other| other.as_bytes() == key)
    }

    /// Lets what is behind this proxy see a unit in the very request that it was made for: else
    /// the next hop would make another one.
    fn write_cookies(&self, host: &impl Host, headers: Headers<'_>) -> Result<(), HostError> {
        let mut cookies: Vec<&[u8]> = headers.all(COOKIE).collect();
        cookies.extend(self.minted.iter().map(|minted| minted.pair.as_bytes()));
        set_or_remove(host, COOKIE, &cookies.join(&b"; "[..]))
    }

    fn record(&self) -> Vec<u8> {
        let record = Record {
            config_version: self.version,
            service: self.service.key(),
            cluster: self.cluster().unwrap_or_default(),
            routing_rule: self.rule.map(RoutingRule::key).unwrap_or_default(),
        };
        record.encode(self.decisions.iter().map(|decision| {
            Assignment {
                head: self.heads.get(decision.variant.ordinal()),
                unit: decision.unit,
                layer_bucket: decision.layer_bucket.into(),
                variant_bucket: decision.variant_bucket.into(),
                reason: decision.reason.into(),
                probability: decision.probability,
                features: decision
                    .features(self.subject)
                    .map_or_else(Vec::new, |all| all.to_vec()),
            }
        }))
    }
}

fn set_or_remove(host: &impl Host, name: &str, value: &[u8]) -> Result<(), HostError> {
    if value.is_empty() {
        host.remove_request_header(name)
    } else {
        host.set_request_header(name, value)
    }
}
