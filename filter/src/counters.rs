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

/// Requests that went on without their body, because it is larger than the limit.
pub const BODY_TOO_LARGE: &str = "watershed.body_too_large";
/// Answers that were not read for their usage, because they are larger than the limit.
pub const USAGE_TOO_LARGE: &str = "watershed.usage_too_large";
/// Requests that went on without their body, because the host did not hand it over in time.
pub const BODY_LATE: &str = "watershed.body_late";
/// Sticky cookies and force tokens that were not believed: tampered with, expired, of an unknown
/// key, garbage.
pub const TOKEN_REFUSED: &str = "watershed.token_refused";
/// Stamps of a trusted hop that made no sense and were not believed.
pub const STAMP_REFUSED: &str = "watershed.stamp_refused";

/// The counters of one plan, defined before its first request. One that could not be defined is
/// not counted: that is no reason to refuse a plan.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    host_error: Option<CounterId>,
    body_too_large: Option<CounterId>,
    body_late: Option<CounterId>,
    usage_too_large: Option<CounterId>,
    token_refused: Option<CounterId>,
    stamp_refused: Option<CounterId>,
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
            body_too_large: defined(host, host.counter(BODY_TOO_LARGE)),
            body_late: defined(host, host.counter(BODY_LATE)),
            usage_too_large: defined(host, host.counter(USAGE_TOO_LARGE)),
            token_refused: defined(host, host.counter(TOKEN_REFUSED)),
            stamp_refused: defined(host, host.counter(STAMP_REFUSED)),
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
        count(host, self.host_error);
    }

    /// Counts a body beyond the limit.
    pub fn body_too_large(&self, host: &impl Host) {
        count(host, self.body_too_large);
    }

    /// Counts a body that was given up.
    pub fn body_late(&self, host: &impl Host) {
        count(host, self.body_late);
    }

    /// Counts an answer beyond the limit.
    pub fn usage_too_large(&self, host: &impl Host) {
        count(host, self.usage_too_large);
    }

    /// Counts a cookie or token that was not believed.
    pub fn token_refused(&self, host: &impl Host) {
        count(host, self.token_refused);
    }

    /// Counts a stamp that was not believed.
    pub fn stamp_refused(&self, host: &impl Host) {
        count(host, self.stamp_refused);
    }
}

fn count(host: &impl Host, counter: Option<CounterId>) {
    // Where counting fails, there is nobody left to tell.
    let _ = counter.map(|counter| host.increment(counter));
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
