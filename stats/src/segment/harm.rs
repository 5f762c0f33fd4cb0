//! Whether the treatment harms a segment: a one-sided confidence sequence in each, so that it may be looked at any time,
//! with the error shared out over the segments (Bonferroni).

use crate::sequential::boundary::Sides;
use crate::sequential::confidence_sequence::{ConfidenceSequence, Observed};
use crate::{Result, Summary, check};

/// One segment's arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentArms {
    /// Its control.
    pub control: Summary,
    /// Its treatment.
    pub treatment: Summary,
    /// How many of its units are planned, to tune to.
    pub planned: f64,
}

/// Which direction of the metric is harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// A lower mean.
    Lower,
    /// A higher one.
    Higher,
}

/// What is known of the harm to a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Harm {
    /// By how much the treatment is worse; negative where it is better.
    pub worse_by: f64,
    /// At least by this much, at all times and for all segments together with probability 1 - α.
    pub at_least: f64,
    /// The logarithm of the always-valid p-value, corrected for the number of segments.
    pub log_p: f64,
    /// Whether the harm is more than `margin`.
    pub harmed: bool,
}

/// Watches each segment for harm of more than `margin`.
///
/// # Errors
/// What is wrong with a segment's arms, its plan, `alpha` (in (0, 0.5)) or `margin` (not negative).
pub fn segment_harm(
    segments: &[SegmentArms],
    worse: Worse,
    margin: f64,
    alpha: f64,
) -> Result<Vec<Harm>> {
    check::finite([("margin", margin), ("alpha", alpha)])?;
    check::not_empty("segments", segments)?;
    check::non_negative("margin", margin)?;
    let count = segments.len() as f64;
    let watch = |segment: &SegmentArms| -> Result<Harm> {
        let sequence = ConfidenceSequence::tuned(alpha / count, segment.planned, Sides::Upper)?;
        let difference = Observed::difference(&segment.control, &segment.treatment)?;
        let sign = if worse == Worse::Lower { -1.0 } else { 1.0 };
        let observed = Observed {
            estimate: sign * difference.estimate,
            ..difference
        };
        let at_least = sequence.interval(observed)?.0;
        Ok(Harm {
            worse_by: observed.estimate,
            at_least,
            log_p: (sequence.log_p(observed, margin)? + count.ln()).min(0.0),
            harmed: at_least > margin,
        })
    };
    segments.iter().map(watch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(treatment: f64) -> SegmentArms {
        SegmentArms {
            control: Summary::new(5_000.0, 10.0, 4.0),
            treatment: Summary::new(5_000.0, treatment, 4.0),
            planned: 10_000.0,
        }
    }

    #[test]
    fn only_the_segment_that_lost_is_harmed() {
        let found = segment_harm(
            &[segment(10.1), segment(9.5), segment(9.98)],
            Worse::Lower,
            0.0,
            0.05,
        )
        .unwrap();
        assert_eq!(
            found.iter().map(|harm| harm.harmed).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert!(
            found[1].log_p < 0.05_f64.ln() && found[2].log_p > 0.05_f64.ln(),
            "{found:?}"
        );
    }

    #[test]
    fn a_margin_and_the_other_direction_are_respected() {
        let harmed =
            |worse, margin| segment_harm(&[segment(9.5)], worse, margin, 0.05).unwrap()[0].harmed;
        assert!(harmed(Worse::Lower, 0.3));
        assert!(!harmed(Worse::Lower, 0.5));
        assert!(!harmed(Worse::Higher, 0.0));
    }

    #[test]
    fn the_interval_and_the_p_value_agree() {
        for treatment in [9.80, 9.85, 9.88, 9.9, 9.95] {
            let found = segment_harm(
                &[segment(treatment), segment(10.0)],
                Worse::Lower,
                0.0,
                0.05,
            )
            .unwrap()[0];
            assert_eq!(found.harmed, found.log_p < 0.05_f64.ln(), "{found:?}");
        }
    }
}
