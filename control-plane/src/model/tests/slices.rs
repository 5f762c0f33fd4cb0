//! Slices of fleets that experiments name: what is refused, and that they may change at any time.

use super::rich::{found, with};
use super::*;
use crate::model::fleet_slice::{MAX_NAMED, MAX_OF_FLEET};
use crate::model::integrity::Conflict;

fn on(slices: &[String]) -> ExperimentSpec {
    ExperimentSpec {
        slices: slices.to_vec(),
        ..stamping(100)
    }
}

fn made(changes: &[Change]) -> Model {
    changes
        .iter()
        .fold(world(), |model, change| apply(&model, change))
}

fn names(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|n| format!("slice-{n}")).collect()
}

#[test]
fn a_bad_slice_is_named_with_its_place() {
    assert_eq!(
        found(&with("slices: [canary, 'no key', canary]")),
        [
            "/slices/1: `no key` is not a key",
            "/slices/2: `canary` is listed twice"
        ]
    );
    let many = format!("slices: {:?}", names(0, MAX_NAMED + 1));
    assert_eq!(found(&with(&many)), ["/slices: has 9 entries"]);
}

#[test]
fn the_slices_of_an_experiment_change_while_it_runs_and_its_units_stay() {
    let start = made(&[experiment("x", on(&names(0, 1))), act("x", Action::Start)]);
    for slices in [names(1, 2), Vec::new()] {
        let next = apply(&start, &experiment("x", on(&slices)));
        let [before, after] = [&start, &next].map(|model| get(model, "x"));
        assert_eq!(after.placement, before.placement);
        assert_eq!(after.design.slices.len(), slices.len());
    }
}

#[test]
fn a_fleet_has_so_many_slices_and_no_more_and_only_of_what_is_served() {
    let mut changes = Vec::new();
    for n in 0..3 {
        let name = format!("x{n}");
        changes.push(experiment(&name, on(&names(n * MAX_NAMED, MAX_NAMED))));
    }
    changes.push(act("x0", Action::Start));
    changes.push(act("x1", Action::Start));
    let full = made(&changes);
    assert_eq!(full.slices_of(&key("default")).len(), MAX_OF_FLEET);
    match refusal(&full, &act("x2", Action::Start)) {
        ModelError::Conflict(conflict) => {
            assert!(matches!(*conflict, Conflict::Slices { count: 24, .. }));
        }
        other => panic!("{other}"),
    }
}
