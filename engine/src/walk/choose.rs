//! Which variant a unit gets that is in an experiment.

use super::{Candidate, Walk};
use crate::assign::{Decision, Step, Visitor};
use crate::attribute::Subject;
use crate::pin::{Pin, PinnedBy};
use crate::strategy::{Contextual, Strategy};
use watershed_proto::filter::v1::Reason;

impl<'p, 's, S: Subject, V: Visitor> Walk<'p, 's, '_, S, V> {
    /// The variant of a candidate that nothing speaks against.
    #[inline]
    pub(super) fn give(&mut self, candidate: &Candidate<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = candidate.experiment;
        let unit = candidate.unit.unwrap_or_default();
        let bucket = candidate
            .unit
            .map_or(0, |unit| experiment.bucketer.bucket(unit.as_bytes()));
        let given = Decision {
            experiment,
            variant: experiment.fallback()?,
            unit,
            layer_bucket: candidate.bucket.unwrap_or(0),
            variant_bucket: bucket,
            reason: Reason::RolledBack,
            probability: 0.0,
        };
        match candidate.pin {
            Some(pin) if pin.by == PinnedBy::Forced || !experiment.rolled_back => {
                pinned_to(given, pin)
            }
            _ if experiment.rolled_back => Some(given),
            _ => self.choose(given),
        }
    }

    /// What the experiment's strategy gives.
    #[inline]
    fn choose(&mut self, given: Decision<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = given.experiment;
        match &experiment.strategy {
            Strategy::Deterministic => Some(Decision {
                variant: experiment.variant(given.variant_bucket)?,
                reason: Reason::Hashed,
                ..given
            }),
            Strategy::Random => self.draw(given),
            Strategy::Contextual(contextual) => self.ask(given, contextual),
        }
    }

    /// Leaves the variant to chance. Experiments draw apart from each other from the one number
    /// that the request has.
    #[cold]
    fn draw(&mut self, given: Decision<'p, 's>) -> Option<Decision<'p, 's>> {
        let experiment = given.experiment;
        let subject = self.subject;
        let chance = *self.chance.get_or_insert_with(|| subject.chance());
        let first = experiment.variants.first()?.ordinal;
        let drawn = scatter(chance.wrapping_add(u64::from(first).wrapping_mul(GOLDEN)));
        let buckets = experiment.bucketer.buckets();
        let bucket = (u128::from(drawn).wrapping_mul(buckets.into())).wrapping_shr(64);
        let bucket = u16::try_from(bucket).ok()?;
        let variant = experiment.variant(bucket)?;
        Some(Decision {
            variant,
            variant_bucket: bucket,
            reason: Reason::Random,
            probability: experiment.share(variant.place),
            ..given
        })
    }

    /// Asks the model, or explores.
    #[cold]
    fn ask(
        &mut self,
        given: Decision<'p, 's>,
        contextual: &'p Contextual,
    ) -> Option<Decision<'p, 's>> {
        let experiment = given.experiment;
        let features = contextual.features(self.subject);
        let best = contextual.best(&features);
        if V::THOROUGH {
            let scores = contextual.scores(&features);
            for (variant, score) in experiment.variants.iter().zip(scores) {
                self.visitor.visit(Step::Score { variant, score });
            }
        }
        let (variant, reason) = if contextual.explores(given.unit) {
            (experiment.variant(given.variant_bucket)?, Reason::Explored)
        } else {
            (experiment.variants.get(usize::from(best))?, Reason::Model)
        };
        let share = experiment.share(variant.place);
        Some(Decision {
            variant,
            reason,
            probability: contextual.probability(variant.place == best, share),
            ..given
        })
    }
}

fn pinned_to<'p, 's>(given: Decision<'p, 's>, pin: Pin) -> Option<Decision<'p, 's>> {
    Some(Decision {
        variant: given.experiment.variants.get(usize::from(pin.variant))?,
        reason: match pin.by {
            PinnedBy::Forced => Reason::Forced,
            PinnedBy::Inherited => Reason::Inherited,
            PinnedBy::Stuck { .. } => Reason::Stuck,
        },
        ..given
    })
}

/// 2^64 over the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn scatter(mut word: u64) -> u64 {
    word = (word ^ word.wrapping_shr(30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word.wrapping_shr(27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word.wrapping_shr(31)
}
