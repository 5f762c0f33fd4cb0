//! The second view: only units that nothing but their assigned variant answered. Pure: what strayed units contributed
//! is taken out of what all contributed.

use super::Found;
use std::collections::BTreeMap;
use watershed_evidence::sketch::Sketch;
use watershed_evidence::store::{Arm, Sufficient, Summary};
use watershed_evidence::sums::Sums;

/// What the evidence has without units that strayed; nothing where none did, as both views are the same then. Single
/// values are not kept by unit, and days since first exposure not by whether a unit strayed: there are none of these.
#[must_use]
pub fn served(found: &Found) -> Option<Found> {
    if found.summary.strayed.is_empty() {
        return None;
    }
    let sums = found.sums.iter();
    Some(Found {
        summary: Summary {
            contaminated: BTreeMap::new(),
            ..found.summary.clone()
        },
        sums: sums
            .map(|(key, it)| (key.clone(), without_strayed(it)))
            .collect(),
        telemetry: found.telemetry,
    })
}

fn without_strayed(all: &Sufficient) -> Sufficient {
    let arms = all.variants.iter();
    Sufficient {
        measure: all.measure.clone(),
        clipping: all.clipping,
        variants: arms.map(|(key, arm)| (key.clone(), stayed(arm))).collect(),
        behind: all.behind,
    }
}

fn stayed(arm: &Arm) -> Arm {
    let mut days = arm.days.clone();
    for (day, strayed) in &arm.strayed {
        if let Some(sums) = days.get_mut(day) {
            sums.subtract(strayed);
        }
    }
    // Where nobody is left, neither is what rounding left of their sums.
    days.retain(|_, sums| sums.n > 0);
    let mut sums = Sums::default();
    days.values().for_each(|day| sums.add(day));
    Arm {
        sums,
        days,
        strayed: BTreeMap::new(),
        ages: Vec::new(),
        values: Sketch::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watershed_evidence::{Measure, Source};

    fn found(strayed: &[(i32, Sums)]) -> Found {
        let (one, two) = (Sums::of(2.0, 1.0, 0.0), Sums::of(3.0, 1.0, 0.0));
        let mut both = one;
        both.add(&two);
        let arm = Arm {
            sums: Sums::default(),
            days: [(1, both), (2, one)].into(),
            strayed: strayed.iter().copied().collect(),
            ..Arm::default()
        };
        let sufficient = Sufficient {
            measure: Measure::of(Source::Requests),
            clipping: None,
            variants: [("a".to_owned(), arm)].into(),
            behind: 0,
        };
        let count = u64::try_from(strayed.len()).unwrap();
        let strayed = [("a".to_owned(), count)];
        Found {
            summary: Summary {
                strayed: strayed.into_iter().filter(|(_, n)| *n > 0).collect(),
                ..Summary::default()
            },
            sums: [("requests".to_owned(), sufficient)].into(),
            telemetry: None,
        }
    }

    #[test]
    fn units_that_strayed_are_taken_out_of_their_days() {
        let strayed = [(1, Sums::of(3.0, 1.0, 0.0)), (2, Sums::of(2.0, 1.0, 0.0))];
        let served = served(&found(&strayed)).unwrap();
        let arm = &served.sums["requests"].variants["a"];
        assert_eq!(arm.days, [(1, Sums::of(2.0, 1.0, 0.0))].into());
        assert_eq!(arm.sums, Sums::of(2.0, 1.0, 0.0));
    }

    #[test]
    fn where_none_strayed_there_is_no_second_view() {
        assert!(served(&found(&[])).is_none());
    }
}
