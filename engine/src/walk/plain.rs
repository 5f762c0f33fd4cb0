//! What a plain experiment gives, of which nothing but buckets and audience decides (see
//! [`Experiment::mark_plain`]). What does not live here: the ways that lead to it (see
//! [`walk`](super) and [`straight`](super::straight)).

use crate::assign::{Decision, Step, Verdict, Visitor};
use crate::bucketer::of_ten_thousand;
use crate::experiment::Experiment;
use crate::plan::Plan;
use watershed_proto::filter::v1::Reason;

/// Tells the visitor of the owner of the unit's bucket.
#[inline(always)]
pub(super) fn turn_to<V: Visitor>(
    plan: &Plan,
    experiment: &Experiment,
    unit: &[u8],
    bucket: u16,
    visitor: &mut V,
) {
    if let Some(layer) = plan.layer(experiment.layer) {
        visitor.visit(Step::Experiment {
            experiment,
            layer,
            unit: Some(unit),
            bucket: Some(bucket),
            pin: None,
        });
    }
}

/// What an experiment gives of which nothing but buckets and audience decides.
#[inline(always)]
pub(super) fn give_plain<'p, 's, V: Visitor>(
    experiment: &'p Experiment,
    unit: &'s [u8],
    bucket: u16,
    variant_bucket: Option<u16>,
    takes: bool,
    visitor: &mut V,
) -> Option<Decision<'p, 's>> {
    let verdict = Verdict::refuse_if(!takes, Verdict::NotEligible);
    visitor.visit(Step::Verdict {
        experiment,
        verdict,
    });
    if verdict != Verdict::Assigned {
        return None;
    }
    let variant_bucket = match variant_bucket {
        Some(bucket) if experiment.plain_state().is_some() => bucket,
        _ => match experiment.bucketer.state() {
            Some(state) => of_ten_thousand(state.finish_with(unit)),
            None => experiment.bucketer.bucket(unit),
        },
    };
    let given = Decision {
        experiment,
        variant: experiment.variant(variant_bucket)?,
        unit,
        layer_bucket: bucket,
        variant_bucket,
        reason: Reason::Hashed,
        probability: 0.0,
    };
    visitor.visit(Step::Given(given));
    Some(given)
}
