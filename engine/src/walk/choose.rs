//! Which variant a unit gets that is in an experiment.

use super::{Candidate, Walk};
use crate::assign::{Decision, Step, Visitor};
use crate::attribute::Subject;
use crate::experiment::Variant;
use crate::hash::GOLDEN;
use crate::pin::{Pin, PinnedBy};
use crate::strategy::{Contextual, Strategy};
use watershed_proto::filter::v1::Reason;

impl<'p, 's, S: Subject, V: Visitor> Walk<'p, 's, '_, S, V> {
    /// The variant of a candidate that nothing speaks against.
    #[inline(never)]
    pub(super) fn give(&mut self, candidate: &Candidate<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = candidate.experiment;
        let pin = candidate.pin;
        let bucket = match candidate.unit {
            Some(unit) => experiment.bucketer.bucket(unit),
            None => 0,
        };
        match pin {
            Some(pin) if pin.by == PinnedBy::Forced || !experiment.rolled_back => {
                pinned_to(candidate, bucket, pin)
            }
            _ if experiment.rolled_back => {
                let variant = experiment.fallback()?;
                Some(candidate.given(variant, bucket, Reason::RolledBack))
            }
            _ => match &experiment.strategy {
                Strategy::Deterministic => candidate.hashed(),
                Strategy::Random => self.draw(candidate),
                Strategy::Contextual(contextual) => self.ask(candidate, bucket, contextual),
            },
        }
    }

    /// Leaves the variant to chance. Experiments draw apart from each other from the one number
    /// that the request has.
    #[cold]
    fn draw(&mut self, candidate: &Candidate<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = candidate.experiment;
        let subject = self.subject;
        let chance = *self.chance.get_or_insert_with(|| subject.chance());
        let first = experiment.variants.first()?.ordinal;
        let drawn = scatter(chance.wrapping_add(u64::from(first).wrapping_mul(GOLDEN)));
        let buckets = experiment.bucketer.buckets();
        let bucket = (u128::from(drawn).wrapping_mul(buckets.into())).wrapping_shr(64);
        let bucket = u16::try_from(bucket).ok()?;
        let variant = experiment.variant(bucket)?;
        Some(Decision {
            probability: experiment.share(variant.place),
            ..candidate.given(variant, bucket, Reason::Random)
        })
    }

    /// Asks the model, or explores.
    #[cold]
    fn ask(
        &mut self,
        candidate: &Candidate<'p, 's>,
        bucket: u16,
        contextual: &'p Contextual,
    ) -> Option<Decision<'p, 's>> {
        let experiment = candidate.experiment;
        let features = contextual.features(self.subject);
        let best = contextual.best(&features);
        if V::THOROUGH {
            let scores = contextual.scores(&features);
            for (variant, score) in experiment.variants.iter().zip(scores) {
                self.visitor.visit(Step::Score { variant, score });
            }
        }
        let unit = candidate.unit.unwrap_or_default();
        let (variant, reason) = if contextual.explores(unit) {
            (experiment.variant(bucket)?, Reason::Explored)
        } else {
            (experiment.variants.get(usize::from(best))?, Reason::Model)
        };
        let share = experiment.share(variant.place);
        Some(Decision {
            probability: contextual.probability(variant.place == best, share),
            ..candidate.given(variant, bucket, reason)
        })
    }
}

impl<'p, 's> Candidate<'p, 's> {
    /// The variant by its hash.
    fn hashed(&self) -> Option<Decision<'p, 's>> {
        let unit = self.unit.unwrap_or_default();
        let bucket = self.experiment.bucketer.bucket(unit);
        let variant = self.experiment.variant(bucket)?;
        Some(self.given(variant, bucket, Reason::Hashed))
    }

    #[inline]
    fn given(&self, variant: &'p Variant, variant_bucket: u16, reason: Reason) -> Decision<'p, 's> {
        Decision {
            experiment: self.experiment,
            variant,
            unit: self.unit.unwrap_or_default(),
            layer_bucket: self.bucket.unwrap_or(0),
            variant_bucket,
            reason,
            probability: 0.0,
        }
    }
}

#[cold]
fn pinned_to<'p, 's>(
    candidate: &Candidate<'p, 's>,
    bucket: u16,
    pin: Pin,
) -> Option<Decision<'p, 's>> {
    let variants = &candidate.experiment.variants;
    let variant = variants.get(usize::from(pin.variant))?;
    let reason = match pin.by {
        PinnedBy::Forced => Reason::Forced,
        PinnedBy::Inherited => Reason::Inherited,
        PinnedBy::Stuck { .. } => Reason::Stuck,
    };
    Some(candidate.given(variant, bucket, reason))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn scatter(mut word: u64) -> u64 {
    word = (word ^ word.wrapping_shr(30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word.wrapping_shr(27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word.wrapping_shr(31)
}
