//! Detours: the routes of variants whose requests are copied to mirrors, or answered by a fallback where
//! their cluster fails.
//!
//! The filter names a request's cluster in one header and its experiments in another. Of the
//! experiments of a service only one routes a request, so both together find its route; variants of
//! one experiment with the same cluster have the same detours. A proxy whose routes are not ours
//! sees no difference.
//!
//! A fallback is a composite cluster: the first attempt goes to its first member, the next to its
//! second, and where a member has no healthy endpoint, to the one after it at once.

use super::service::Scope;
use super::wire::{any, millis, uint32};
use crate::model::ExperimentDesign;
use crate::model::detour::{Detours, Mirror};
use crate::model::key::Key;
use crate::model::retry::{Outcome, Retries};
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use envoy_types::pb::envoy::config::route::v3::{HeaderMatcher, RetryPolicy};
use envoy_types::pb::envoy::extensions::clusters::composite::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::clusters::composite::v3::cluster_config::ClusterEntry;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher};
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;
use std::collections::{BTreeMap, BTreeSet};
use watershed_proto::EXPERIMENT_HEADER;

/// How many requests of a proxy may be on their way to a fallback at once: as good as all, where Envoy
/// lets 3 be retried. The member's own circuit breakers bound them.
const FALLBACKS: u32 = 1_000_000;

/// Where the requests of an experiment for one cluster go beside or after it.
#[derive(Clone, Copy)]
pub(super) struct Detour<'a> {
    /// The experiment.
    pub(super) experiment: &'a Key,
    /// The cluster of its variant.
    pub(super) cluster: &'a Key,
    /// Where else they go.
    pub(super) detours: &'a Detours,
}

/// Those of an experiment, each cluster once.
pub(super) fn of<'a>(experiment: &'a Key, design: &'a ExperimentDesign) -> Vec<Detour<'a>> {
    let mut seen = BTreeSet::new();
    let variants = design.variants.iter().filter(|it| !it.detours.is_empty());
    variants
        .filter_map(|variant| {
            let cluster = variant.cluster.as_ref()?;
            seen.insert(cluster).then_some(Detour {
                experiment,
                cluster,
                detours: &variant.detours,
            })
        })
        .collect()
}

impl Detour<'_> {
    /// The composite cluster that its route leads to, where there is a fallback. No key has a `+`.
    pub(super) fn composite(&self) -> Option<String> {
        let fallback = self.detours.fallback.as_ref()?;
        Some(format!("{}+{}", self.cluster, fallback.cluster))
    }

    /// Matches requests of the experiment: a list has one that routes, and maybe others.
    pub(super) fn is_the_experiments(&self) -> HeaderMatcher {
        let key = self.experiment.as_str().replace('.', "\\.");
        let regex = RegexMatcher {
            regex: format!("(.*, *)?{key}( *,.*)?"),
            ..Default::default()
        };
        HeaderMatcher {
            name: EXPERIMENT_HEADER.to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                match_pattern: Some(string_matcher::MatchPattern::SafeRegex(regex)),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    /// Who gets copies.
    pub(super) fn mirrors(&self) -> Vec<RequestMirrorPolicy> {
        self.detours.mirrors.iter().map(mirror).collect()
    }

    /// One further attempt, which is the fallback's.
    pub(super) fn retries(&self) -> Option<RetryPolicy> {
        let fallback = self.detours.fallback.as_ref()?;
        Some(RetryPolicy {
            retry_on: words(&fallback.on).join(","),
            num_retries: uint32(1),
            ..Default::default()
        })
    }
}

fn mirror(mirror: &Mirror) -> RequestMirrorPolicy {
    let share = FractionalPercent {
        numerator: mirror.share,
        denominator: DenominatorType::TenThousand.into(),
    };
    RequestMirrorPolicy {
        cluster: mirror.cluster.to_string(),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(share),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Retries of a service, on the cluster that the request went to.
pub(super) fn retries(retries: &Retries) -> RetryPolicy {
    let mut on = words(&retries.on);
    if !retries.statuses.is_empty() {
        on.push("retriable-status-codes");
    }
    RetryPolicy {
        retry_on: on.join(","),
        num_retries: uint32(retries.attempts),
        retriable_status_codes: retries.statuses.clone(),
        per_try_timeout: retries.attempt_timeout_ms.map(millis),
        per_try_idle_timeout: retries.attempt_idle_timeout_ms.map(millis),
        ..Default::default()
    }
}

/// Envoy's words for outcomes.
fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::ConnectFailure => "connect-failure",
        Outcome::RefusedStream => "refused-stream",
        Outcome::GatewayError => "gateway-error",
        Outcome::ServerError => "5xx",
        Outcome::Reset => "reset",
    };
    outcomes.iter().map(word).collect()
}

/// The composite clusters that any of `scopes` leads to, by name.
pub(super) fn composites(scopes: &[Scope<'_>]) -> BTreeMap<String, Cluster> {
    let detours = scopes.iter().flat_map(|scope| &scope.detours);
    let composites = detours.filter_map(|detour| {
        let name = detour.composite()?;
        let fallback = detour.detours.fallback.as_ref()?;
        let cluster = composite(&name, [detour.cluster, &fallback.cluster]);
        Some((name, cluster))
    });
    composites.collect()
}

fn composite(name: &str, members: [&Key; 2]) -> Cluster {
    let entry = |member: &Key| ClusterEntry {
        name: member.to_string(),
    };
    let config = ClusterConfig {
        clusters: members.into_iter().map(entry).collect(),
    };
    Cluster {
        name: name.to_owned(),
        lb_policy: LbPolicy::ClusterProvided.into(),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                max_retries: uint32(FALLBACKS),
                ..Default::default()
            }],
            ..Default::default()
        }),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.composite".to_owned(),
            typed_config: Some(any(&config)),
        })),
        ..Default::default()
    }
}
