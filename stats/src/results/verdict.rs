//! From numbers to what to do, with the reasons in words. A verdict needs trust first, then the correction over the
//! family; what is not significant is ruled out by the interval or goes on.

use super::answer::{EffectInterval, Numbers, Verdict};
use super::describe::short;
use super::input::{Direction, MinimumEffect, Role};

/// Below this many units in an arm, tests that hold asymptotically are not trusted with a verdict.
pub(super) const FEWEST_UNITS: f64 = 50.0;

/// What a verdict rests on, besides the numbers.
#[derive(Clone, Copy)]
pub(super) struct Grounds<'a> {
    pub alpha: f64,
    pub role: Role,
    pub direction: Direction,
    pub minimum_effect: Option<MinimumEffect>,
    /// A fixed test is read once: before its units are in there is no verdict.
    pub premature: bool,
    /// Whether the test holds only for many units, and the smaller arm's units.
    pub asymptotic: bool,
    pub smaller_arm: f64,
    /// Why the data can't be believed.
    pub distrust: &'a [String],
}

/// The verdict and its reasons.
pub(super) fn of(numbers: &Numbers, grounds: &Grounds<'_>) -> (Verdict, Vec<String>) {
    if !grounds.distrust.is_empty() {
        return (Verdict::Invalid, grounds.distrust.to_vec());
    }
    if grounds.premature {
        return (
            Verdict::KeepRunning,
            vec!["a test of fixed size is read once, when its planned units are in".into()],
        );
    }
    if grounds.asymptotic && grounds.smaller_arm < FEWEST_UNITS {
        return (
            Verdict::KeepRunning,
            vec![format!("an arm has fewer than {FEWEST_UNITS} units")],
        );
    }
    if numbers.p_adjusted <= grounds.alpha && numbers.absolute.estimate != 0.0 {
        let better = numbers.absolute.estimate * grounds.direction.sign() > 0.0;
        let (verdict, word) = if better {
            (Verdict::Winner, "better")
        } else {
            (Verdict::Loser, "worse")
        };
        let mut reasons = vec![format!(
            "it is {word}: adjusted p {} is at most {}",
            short(numbers.p_adjusted),
            grounds.alpha
        )];
        if ruled_out(numbers, grounds, true) == Some(true) {
            reasons.push("the effect is smaller than the smallest that matters".into());
        }
        return (verdict, reasons);
    }
    let both_sides = grounds.role != Role::Guardrail;
    match ruled_out(numbers, grounds, both_sides) {
        Some(true) if both_sides => (
            Verdict::NoDifferenceBeyondMde,
            vec!["the interval holds no effect as large as the smallest that matters".into()],
        ),
        Some(true) => (
            Verdict::NoDifferenceBeyondMde,
            vec!["the interval holds no harm as large as the one that is put up with".into()],
        ),
        Some(false) => (
            Verdict::KeepRunning,
            vec![format!(
                "adjusted p {:.3} is above {}, and the interval holds effects that matter",
                numbers.p_adjusted, grounds.alpha
            )],
        ),
        None => (
            Verdict::KeepRunning,
            vec![format!(
                "adjusted p {:.3} is above {}; without a smallest effect that matters, none can be ruled out",
                numbers.p_adjusted, grounds.alpha
            )],
        ),
    }
}

/// Whether the interval lies within the smallest effect that matters: on both sides, or on the side of harm. Unknown
/// without such an effect, or without a relative interval where it is relative.
fn ruled_out(numbers: &Numbers, grounds: &Grounds<'_>, both_sides: bool) -> Option<bool> {
    let (interval, margin): (EffectInterval, f64) = match grounds.minimum_effect? {
        MinimumEffect::Absolute(margin) => (numbers.absolute, margin),
        MinimumEffect::Relative(margin) => (numbers.relative?, margin),
    };
    let (harm, gain) = match grounds.direction {
        Direction::Increase => (-interval.lower, interval.upper),
        Direction::Decrease => (interval.upper, -interval.lower),
    };
    Some(harm < margin && (!both_sides || gain < margin))
}
