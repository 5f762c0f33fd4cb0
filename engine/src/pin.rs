//! Variants that a request brings along: forced by a token, inherited from a hop in front, or kept
//! by a sticky cookie. What lives here: what such a [`Pin`] is. What does not: how it travels (see
//! [`token`](crate::token)) and when it counts (see [`assign`](crate::assign)).

use crate::hash::murmur3_x86_32;
use crate::plan::{ExperimentId, Plan};

/// One experiment's variant that a request brings along.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin {
    pub(crate) experiment: ExperimentId,
    pub(crate) variant: u16,
    pub(crate) by: PinnedBy,
}

impl Pin {
    /// Why it is there.
    #[must_use]
    pub fn by(&self) -> PinnedBy {
        self.by
    }
}

/// Why a request brings a variant along, in the order in which they win over each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum PinnedBy {
    /// A force token: testing.
    Forced,
    /// A trusted hop in front decided.
    Inherited,
    /// A sticky cookie keeps what this unit was given.
    Stuck {
        /// The [`Stickiness::fingerprint`](crate::Stickiness::fingerprint) of the unit that it was
        /// given to.
        unit: u32,
    },
}

/// What a sticky cookie remembers of a unit, so that it sticks to no other one: behind what the
/// experiment is salted with, so that a reshuffle lets go of everybody.
#[must_use]
pub(crate) fn fingerprint(salt: u32, unit: &[u8]) -> u32 {
    murmur3_x86_32(unit, salt)
}

/// The salt of an experiment's fingerprints.
pub(crate) fn fingerprint_salt(experiment: &str, salt: &str) -> u32 {
    // Apart from every salt of a bucket, so that a fingerprint says nothing about those.
    const SEED: u32 = 0x7374_6b79;
    murmur3_x86_32(format!("{experiment}:{salt}").as_bytes(), SEED)
}

impl Plan {
    /// A pin by the names that travel. `None` where the plan has no such experiment or variant, and
    /// for a sticky one where the experiment doesn't stick.
    #[must_use]
    pub fn pin(&self, experiment: &str, variant: &str, by: PinnedBy) -> Option<Pin> {
        let id = self.experiment_id(experiment)?;
        let experiment = self.experiments.get(id.0 as usize)?;
        if matches!(by, PinnedBy::Stuck { .. }) {
            experiment.sticky()?;
        }
        let variants = experiment.variants().iter();
        let variant = variants
            .map(crate::experiment::Variant::key)
            .position(|key| key == variant)?;
        Some(Pin {
            experiment: id,
            variant: u16::try_from(variant).ok()?,
            by,
        })
    }
}
