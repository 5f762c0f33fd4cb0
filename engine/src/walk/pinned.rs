//! What a request brings along: variants that a token forces, an earlier hop gave or a cookie keeps, in
//! the order in which they win over each other.

use super::{Candidate, Walk};
use crate::assign::{Decision, Verdict, Visitor};
use crate::attribute::Subject;
use crate::pin::PinnedBy;
use crate::plan::{ExperimentId, LayerId};

impl<'p, 's, S: Subject, V: Visitor> Walk<'p, 's, '_, S, V> {
    /// What the request brings along for an experiment of the layer that is in scope, or that is
    /// `also` asked for. Pins are few: a scan for each kind is the shortest way to their order.
    #[cold]
    pub(super) fn pinned(
        &mut self,
        layer: LayerId,
        also: Option<ExperimentId>,
    ) -> Option<Decision<'p, 's>> {
        self.pinned_by(layer, also, |by| by == PinnedBy::Forced)
            .or_else(|| self.pinned_by(layer, also, |by| by == PinnedBy::Inherited))
            .or_else(|| self.pinned_by(layer, also, |by| matches!(by, PinnedBy::Stuck { .. })))
    }

    fn pinned_by(
        &mut self,
        layer: LayerId,
        also: Option<ExperimentId>,
        is_kind: fn(PinnedBy) -> bool,
    ) -> Option<Decision<'p, 's>> {
        let pins = self.pins.iter().filter(|pin| is_kind(pin.by));
        for pin in pins {
            let Some(experiment) = self.plan.at(pin.experiment) else {
                continue;
            };
            let is_here = Some(pin.experiment) == also || experiment.is_in(self.service.place);
            if experiment.layer != layer || !is_here {
                continue;
            }
            let layer = self.plan.layer(layer)?;
            let unit = self.unit(experiment.unit);
            let bucket = unit.map(|unit| layer.bucketer.bucket(unit));
            let given = self.consider(Candidate {
                experiment,
                layer,
                unit,
                bucket,
                owns: true,
                pin: Some(*pin),
            });
            if given.is_some() {
                return given;
            }
        }
        None
    }
}

/// Whether a sticky cookie speaks of another unit.
pub(super) fn stuck_elsewhere(candidate: &Candidate<'_, '_>) -> Verdict {
    let by = candidate.pin.map(|pin| pin.by);
    let (Some(PinnedBy::Stuck { unit: known }), Some(unit)) = (by, candidate.unit) else {
        return Verdict::Assigned;
    };
    let sticky = candidate.experiment.sticky();
    let is_it = sticky.is_some_and(|sticky| sticky.fingerprint(unit) == known);
    Verdict::refuse_if(!is_it, Verdict::AnotherUnit)
}
