//! Detours: where a variant's requests go beside or after its own cluster. A mirror gets copies whose
//! answers nobody sees; a fallback answers where the variant's cluster failed.

use super::check;
use super::experiment_spec::WHOLE;
use super::fault::Faults;
use super::key::Key;
use super::retry::{FAILED, Outcome, outcomes};
use super::variant::VariantSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most mirrors of a variant.
const MAX_MIRRORS: usize = 4;

/// A mirror as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorSpec {
    /// The cluster that gets copies of requests.
    pub cluster: String,
    /// The share of the variant's requests that are copied, in basis points; all where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u64>,
}

/// A fallback as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FallbackSpec {
    /// The cluster that answers where the variant's has failed.
    pub cluster: String,
    /// After which outcomes; `connect_failure`, `refused_stream`, `gateway_error` and `reset` where
    /// not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Outcome>,
}

/// Where a variant's requests go beside or after its cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Detours {
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
    /// Who answers where the variant's cluster has failed.
    pub fallback: Option<Fallback>,
}

/// A validated mirror.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mirror {
    /// The cluster that gets copies of requests.
    pub cluster: Key,
    /// The share of the variant's requests that are copied, in basis points.
    pub share: u32,
}

/// A validated fallback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fallback {
    /// The cluster that answers where the variant's has failed.
    pub cluster: Key,
    /// After which outcomes.
    pub on: Vec<Outcome>,
}

impl Detours {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mirrors.is_empty() && self.fallback.is_none()
    }

    /// The clusters that they lead to.
    pub fn clusters(&self) -> impl Iterator<Item = &Key> {
        let mirrors = self.mirrors.iter().map(|mirror| &mirror.cluster);
        mirrors.chain(self.fallback.iter().map(|fallback| &fallback.cluster))
    }

    /// Reads those of `variant`, noting every fault below the JSON pointer `at`.
    pub(super) fn read(variant: &VariantSpec, at: &str, faults: &mut Faults) -> Option<Self> {
        let has_some = !variant.mirrors.is_empty() || variant.fallback.is_some();
        if has_some && variant.cluster.is_none() {
            let message = "is missing, though the variant mirrors or falls back";
            faults.add(
                format!("{at}/cluster"),
                message,
                "the variant's own cluster",
            );
            return None;
        }
        let mirrors = mirrors(&variant.mirrors, &format!("{at}/mirrors"), faults);
        let fallback = match &variant.fallback {
            Some(fallback) => {
                let own = variant.cluster.as_ref();
                fallback
                    .validate(own, &format!("{at}/fallback"), faults)
                    .map(Some)
            }
            None => Some(None),
        };
        Some(Self {
            mirrors: mirrors?,
            fallback: fallback?,
        })
    }
}

fn mirrors(specs: &[MirrorSpec], at: &str, faults: &mut Faults) -> Option<Vec<Mirror>> {
    check::length(specs.len(), &(0..=MAX_MIRRORS), at, faults)?;
    let read: Vec<Option<Mirror>> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| {
            let place = format!("{at}/{index}");
            let cluster = check::key(&spec.cluster, &format!("{place}/cluster"), faults);
            let share = spec.share.unwrap_or(WHOLE.into());
            let bounds = 1..=u64::from(WHOLE);
            let share = check::number(share, &bounds, &format!("{place}/share"), faults);
            Some(Mirror {
                cluster: cluster?,
                share: share?,
            })
        })
        .collect();
    read.into_iter().collect()
}

impl FallbackSpec {
    fn validate(&self, own: Option<&String>, at: &str, faults: &mut Faults) -> Option<Fallback> {
        let cluster = check::key(&self.cluster, &format!("{at}/cluster"), faults);
        if own == Some(&self.cluster) {
            let message = "is the variant's own cluster";
            faults.add(format!("{at}/cluster"), message, "another cluster");
            return None;
        }
        let on = outcomes(&self.on, &FAILED, &format!("{at}/on"), faults);
        Some(Fallback {
            cluster: cluster?,
            on: on?,
        })
    }
}

/// Notes a fault for each variant whose detours differ from those of an earlier one with the same
/// cluster: a request's route is found by experiment and cluster.
pub(super) fn agree(variants: &[VariantSpec], faults: &mut Faults) {
    for (index, variant) in variants.iter().enumerate() {
        let mut earlier = variants.iter().take(index);
        let differs = |other: &&VariantSpec| {
            other.cluster == variant.cluster
                && (&other.mirrors, &other.fallback) != (&variant.mirrors, &variant.fallback)
        };
        if variant.cluster.is_some()
            && let Some(other) = earlier.find(differs)
        {
            let shown: String = other.key.escape_debug().take(64).collect();
            faults.add(
                format!("/variants/{index}"),
                format!("shares its cluster with `{shown}`, but mirrors or falls back otherwise"),
                "the same `mirrors` and `fallback`, or a cluster of its own",
            );
        }
    }
}

impl From<&Mirror> for MirrorSpec {
    fn from(mirror: &Mirror) -> Self {
        Self {
            cluster: mirror.cluster.to_string(),
            share: Some(mirror.share.into()),
        }
    }
}

impl From<&Fallback> for FallbackSpec {
    fn from(fallback: &Fallback) -> Self {
        Self {
            cluster: fallback.cluster.to_string(),
            on: fallback.on.clone(),
        }
    }
}
