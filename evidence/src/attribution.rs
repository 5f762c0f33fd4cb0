//! To what an outcome counts: to the variant that its unit was first exposed to, within the metric's
//! window. Pure. What is not within is kept apart, by why.

use crate::Micros;

/// Where an outcome belongs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Attribution {
    /// It came about in the window that begins with the first exposure.
    Within,
    /// It came about before the first exposure. It counts to no variant, and is the unit's covariate.
    Early,
    /// It came about after the window.
    Late,
    /// The unit was not exposed, or not yet.
    Orphan,
}

/// Where an outcome of `time` belongs, for a unit that was first exposed at `first_exposure`; `window`
/// is the metric's, in microseconds, and nothing is without end.
#[must_use]
pub fn attribute(
    time: Micros,
    first_exposure: Option<Micros>,
    window: Option<Micros>,
) -> Attribution {
    let Some(first) = first_exposure else {
        return Attribution::Orphan;
    };
    if time < first {
        return Attribution::Early;
    }
    match window {
        Some(window) if time.saturating_sub(first) >= window => Attribution::Late,
        _ => Attribution::Within,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_begins_with_the_first_exposure_and_its_end_is_outside() {
        let at = |time| attribute(time, Some(100), Some(50));
        assert_eq!(at(99), Attribution::Early);
        assert_eq!(at(100), Attribution::Within);
        assert_eq!(at(149), Attribution::Within);
        assert_eq!(at(150), Attribution::Late);
    }

    #[test]
    fn without_a_window_nothing_is_late_and_without_an_exposure_all_is_orphaned() {
        assert_eq!(
            attribute(Micros::MAX, Some(Micros::MIN), None),
            Attribution::Within
        );
        assert_eq!(
            attribute(Micros::MAX, Some(Micros::MIN), Some(1)),
            Attribution::Late
        );
        assert_eq!(attribute(5, None, Some(1)), Attribution::Orphan);
    }
}
