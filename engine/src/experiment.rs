//! One experiment: who is in it, and which variant they get. What does not live here: how it is
//! decided (see [`walk`](crate::walk)) and how a variant is chosen (see
//! [`strategy`](crate::strategy)).

use crate::audience::Rule;
use crate::bucketer::Bucketer;
use crate::hash::State;
use crate::pin::fingerprint;
use crate::plan::{ExperimentId, Layer, LayerId, UnitId};
use crate::ranges::Ranges;
use crate::strategy::Strategy;
use std::sync::Arc;

/// One experiment. What every decision reads comes first and lies together: between two requests a
/// proxy's own work empties the caches, and each line of memory less is a wait less.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Experiment {
    pub(crate) bucketer: Bucketer,
    /// The first of `shares`; with two variants that is all of them.
    pub(crate) near: [Share; NEAR],
    pub(crate) layer: LayerId,
    /// The place of its audience among [`Plan::checks`](crate::plan::Plan); [`u32::MAX`] where it is not
    /// there.
    pub(crate) checks: u32,
    /// Experiments with the same audience have the same number; [`u32::MAX`] where nobody has the same.
    pub(crate) audience_number: u32,
    pub(crate) fallback: u16,
    /// See [`Experiment::mark_plain`].
    pub(crate) is_plain: bool,
    pub(crate) rolled_back: bool,
    /// One of the kill switches is thrown: its own, its layer's or the global one.
    pub(crate) is_off: bool,
    pub(crate) variants: Box<[Variant]>,
    pub(crate) audience: Option<Rule>,
    pub(crate) unit: UnitId,
    pub(crate) key: Box<str>,
    pub(crate) unit_type: Arc<str>,
    /// The places of the services that it names, ascending; `None` for all.
    pub(crate) services: Option<Box<[u32]>>,
    pub(crate) window: Option<Box<Window>>,
    pub(crate) allocation: Ranges,
    pub(crate) requires: Box<[Requirement]>,
    /// Ascending, and together every bucket.
    pub(crate) shares: Box<[Share]>,
    pub(crate) strategy: Strategy,
    pub(crate) stickiness: Option<Box<Stickiness>>,
}

/// How many shares lie in the experiment itself.
const NEAR: usize = 2;

impl Experiment {
    /// The experiment's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is randomised, in the configuration's own word.
    #[must_use]
    pub fn unit_type(&self) -> &str {
        &self.unit_type
    }

    /// The buckets of its layer that the experiment owns.
    #[must_use]
    pub fn allocation(&self) -> &Ranges {
        &self.allocation
    }

    /// The variants, in the order of the configuration.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// Whether everybody gets the fallback variant.
    #[must_use]
    pub fn is_rolled_back(&self) -> bool {
        self.rolled_back
    }

    /// Whether a kill switch keeps everybody out.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// Notes whether nothing but the buckets and the audience decides: no switch, holdout, window,
    /// requirement or rollback, and the variant by its hash. Most experiments are like that, and
    /// for them the walk asks this one thing in place of each of the others. To be called last.
    pub(crate) fn mark_plain(&mut self, layer: &Layer) {
        self.is_plain = !self.is_off
            && !self.rolled_back
            && self.window.is_none()
            && self.requires.is_empty()
            && self.strategy == Strategy::Deterministic
            && layer.holdouts.is_empty();
    }

    /// What the hash for the variants has absorbed, where it decides and is `MURMUR3_V1`.
    #[inline]
    pub(crate) fn plain_state(&self) -> Option<&State> {
        self.bucketer.state().filter(|_| self.is_plain)
    }

    /// The variant that takes everybody in a rollback.
    #[must_use]
    pub fn fallback(&self) -> Option<&Variant> {
        self.variants.get(usize::from(self.fallback))
    }

    /// How a unit keeps its variant where ranges change, if it does.
    #[must_use]
    pub fn sticky(&self) -> Option<&Stickiness> {
        self.stickiness.as_deref()
    }

    /// The variant that owns `bucket` of the variant hash.
    #[must_use]
    #[inline]
    pub fn variant(&self, bucket: u16) -> Option<&Variant> {
        let near = self.near.iter().find(|share| bucket <= share.end);
        let share = near.or_else(|| self.far_share(bucket))?;
        self.variants.get(usize::from(share.variant))
    }

    #[cold]
    fn far_share(&self, bucket: u16) -> Option<&Share> {
        let following = self.shares.partition_point(|share| share.end < bucket);
        self.shares.get(following)
    }

    /// The share of the variant hash's buckets that `variant` owns, 0 to 1.
    pub(crate) fn share(&self, variant: u16) -> f64 {
        let mut next = 0_u16;
        let mut owned = 0_u32;
        for share in &self.shares {
            let size = share.end.saturating_add(1).saturating_sub(next);
            next = share.end.saturating_add(1);
            if share.variant == variant {
                owned = owned.saturating_add(size.into());
            }
        }
        f64::from(owned) / f64::from(self.bucketer.buckets())
    }

    /// Whether requests of the service at `place` are in the experiment.
    pub(crate) fn is_in(&self, place: u32) -> bool {
        let named = self.services.as_deref();
        named.is_none_or(|places| places.binary_search(&place).is_ok())
    }
}

/// Up to bucket `end` (and from the end of the share before), the variant's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Share {
    pub(crate) end: u16,
    pub(crate) variant: u16,
}

impl Share {
    /// Nobody's: no bucket is up to its end but 0, which belongs to the first share there is.
    const NONE: Self = Self {
        end: 0,
        variant: u16::MAX,
    };

    /// The first of these.
    pub(crate) fn near(shares: &[Self]) -> [Self; NEAR] {
        let mut near = [Self::NONE; NEAR];
        for (place, share) in near.iter_mut().zip(shares) {
            *place = *share;
        }
        near
    }
}

/// One arm of an experiment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variant {
    pub(crate) key: Box<str>,
    pub(crate) cluster: Option<Box<str>>,
    pub(crate) ordinal: u32,
    pub(crate) place: u16,
    pub(crate) headers: Option<Box<Headers>>,
}

/// What a variant writes beyond its name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Headers {
    pub(crate) request: Box<[Header]>,
    pub(crate) response: Box<[Header]>,
    pub(crate) baggage: Box<[Header]>,
}

/// A name and a value: a header, or an entry of W3C baggage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// A header's in lower case, a baggage entry's as written.
    pub name: Box<str>,
    /// Printable ASCII.
    pub value: Box<str>,
}

impl Variant {
    /// The variant's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The cluster that serves it, where the experiment routes.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// The variant's place among all variants of the plan: those of the first experiment, then
    /// those of the second, and so on.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        self.ordinal as usize
    }

    /// Headers for the upstream.
    #[must_use]
    pub fn request_headers(&self) -> &[Header] {
        self.headers
            .as_ref()
            .map_or(&[], |headers| &headers.request)
    }

    /// Headers for the client.
    #[must_use]
    pub fn response_headers(&self) -> &[Header] {
        self.headers
            .as_ref()
            .map_or(&[], |headers| &headers.response)
    }

    /// Entries of W3C baggage for the upstream and what is behind it.
    #[must_use]
    pub fn baggage(&self) -> &[Header] {
        self.headers
            .as_ref()
            .map_or(&[], |headers| &headers.baggage)
    }
}

/// How a unit keeps its variant where ranges change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stickiness {
    /// The signed cookie; one may serve several experiments.
    pub cookie: Box<str>,
    /// How long it counts.
    pub max_age_seconds: u32,
    /// See [`fingerprint_salt`](crate::pin::fingerprint_salt).
    pub(crate) salt: u32,
}

impl Stickiness {
    /// What the cookie remembers of a unit.
    #[must_use]
    pub fn fingerprint(&self, unit: &[u8]) -> u32 {
        fingerprint(self.salt, unit)
    }
}

/// What the request must get, or must not get, of another experiment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    pub(crate) experiment: ExperimentId,
    /// The places of the variants that count; empty for any.
    pub(crate) variants: Box<[u16]>,
    pub(crate) not: bool,
}

/// When an experiment is active: `[start, end)` in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
}

impl Window {
    pub(crate) fn has_started(self, now_ms: i64) -> bool {
        self.start.is_none_or(|start| start <= now_ms)
    }

    pub(crate) fn has_ended(self, now_ms: i64) -> bool {
        self.end.is_some_and(|end| end <= now_ms)
    }
}
