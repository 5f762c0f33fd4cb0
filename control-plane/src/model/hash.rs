//! Hashes: how a unit becomes a bucket. Ours is the default; the others are for units that must keep
//! what another system gave them. The formulas are the engine's.

use super::check;
use super::experiment_spec::WHOLE;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a unit becomes a bucket. A name never changes its meaning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// Ours.
    #[default]
    Murmur3V1,
    /// flagd, since 2026.
    FlagdV2,
    /// Unleash's rollouts.
    Unleash,
    /// Unleash's variants.
    UnleashVariant,
    /// GrowthBook's hash version 2.
    GrowthbookV2,
    /// GrowthBook's hash version 1, and its namespaces.
    GrowthbookV1,
}

/// A hash together with the number of buckets that it is folded into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hashing {
    /// The hash.
    pub hash: Hash,
    /// The buckets, 1..=10000.
    pub buckets: u32,
}

impl Default for Hashing {
    fn default() -> Self {
        let hash = Hash::default();
        let buckets = hash.buckets();
        Self { hash, buckets }
    }
}

impl Hash {
    /// The buckets where nothing else is said.
    #[must_use]
    pub fn buckets(self) -> u32 {
        match self {
            Self::GrowthbookV1 => 1_000,
            Self::Murmur3V1
            | Self::FlagdV2
            | Self::Unleash
            | Self::UnleashVariant
            | Self::GrowthbookV2 => WHOLE,
        }
    }

    /// Whether its number of buckets is free.
    fn is_foldable(self) -> bool {
        matches!(self, Self::FlagdV2 | Self::Unleash | Self::UnleashVariant)
    }
}

impl Hashing {
    /// Reads `hash` and `buckets` of one document, noting a fault at `/buckets`.
    pub(super) fn validate(
        hash: Option<Hash>,
        buckets: Option<u64>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let hash = hash.unwrap_or_default();
        let named = hash.buckets();
        let buckets = buckets.unwrap_or(named.into());
        if !hash.is_foldable() && buckets != u64::from(named) {
            faults.add(
                "/buckets",
                format!("is {buckets}, and this hash has {named}"),
                format!(
                    "{named}, or a hash that says no number: flagd_v2, unleash, unleash_variant"
                ),
            );
            return None;
        }
        let buckets = check::number(buckets, &(1..=WHOLE.into()), "/buckets", faults)?;
        Some(Self { hash, buckets })
    }

    /// As it is written: nothing where it is ours.
    pub(super) fn written(self) -> (Option<Hash>, Option<u64>) {
        let hash = (self.hash != Hash::default()).then_some(self.hash);
        let buckets = (self.buckets != self.hash.buckets()).then_some(self.buckets.into());
        (hash, buckets)
    }
}
