//! The counters that a plan keeps in Envoy. They are lossless where the access log is not, so
//! evidence can be held against them. What does not live here: when they count.
//!
//! Names carry their tags: `watershed.assignment.experiment.{key}.variant.{key}`; a `stats_tags`
//! rule in the bootstrap pulls them out again.

use crate::host::{CounterId, Host, HostError, Level};
use watershed_engine::{Plan, Variant};

/// Configurations that were refused.
pub const REJECTED: &str = "watershed.config.rejected";
/// Requests for which a host call failed; they go on, without a stamp unless only counting failed.
pub const HOST_ERROR: &str = "watershed.host_error";

/// The counters of one plan, defined before its first request. One that could not be defined is
/// not counted: that is no reason to refuse a plan.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    host_error: Option<CounterId>,
    /// By [`Variant::ordinal`].
    assignments: Vec<Option<CounterId>>,
}

impl Counters {
    /// Defines the counters of `plan`.
    pub fn define(plan: &Plan, host: &impl Host) -> Self {
        let assignments = plan.experiments().iter().flat_map(|experiment| {
            experiment.variants().iter().map(|variant| {
                let name = assignment(experiment.key(), variant.key());
                defined(host, host.counter(&name))
            })
        });
        Self {
            host_error: defined(host, host.counter(HOST_ERROR)),
            assignments: assignments.collect(),
        }
    }

    /// Counts a request that got `variant`.
    pub fn assigned(&self, host: &impl Host, variant: &Variant) -> Result<(), HostError> {
        match self.assignments.get(variant.ordinal()) {
            Some(Some(counter)) => host.increment(*counter),
            _ => Ok(()),
        }
    }

    /// Counts a request that the host failed.
    pub fn host_failed(&self, host: &impl Host) {
        // Where counting fails too, there is nobody left to tell.
        let _ = self.host_error.map(|counter| host.increment(counter));
    }
}

/// Counts a refused configuration.
pub fn rejected(host: &impl Host) {
    let counted = host
        .counter(REJECTED)
        .and_then(|counter| host.increment(counter));
    defined(host, counted);
}

/// The name of a variant's counter.
#[must_use]
pub fn assignment(experiment: &str, variant: &str) -> String {
    format!("watershed.assignment.experiment.{experiment}.variant.{variant}")
}

fn defined<T>(host: &impl Host, result: Result<T, HostError>) -> Option<T> {
    result
        .inspect_err(|error| {
            let line = format!("watershed: a counter is lost: {error}");
            host.log(Level::Error, &line);
        })
        .ok()
}
