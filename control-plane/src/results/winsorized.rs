//! Where the evidence clipped units, as the statistics tell it on. Pure.

use crate::model::metric::MetricDesign;
use watershed_evidence::store::Sufficient;
use watershed_evidence::winsorize::Limits;
use watershed_stats::results::{Clip, Limit, Winsorized};

/// The limits of a metric's sums; nothing where it is not winsorised.
pub(super) fn limits(design: &MetricDesign, sums: &Sufficient) -> Option<Winsorized> {
    let (asked, clipping) = (design.winsorize?, sums.clipping?);
    let clip = |found: Limits| {
        let limit = |quantile, at: Option<f64>| at.map(|at| Limit { quantile, at });
        Clip {
            lower: limit(asked.lower.get(), found.lower),
            upper: limit(asked.upper.get(), found.upper),
        }
    };
    Some(Winsorized {
        value: clip(clipping.x),
        denominator: clipping.y.map(clip),
        ignore_zeros: asked.ignore_zeros,
    })
}
