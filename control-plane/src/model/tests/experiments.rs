//! Experiments in a model: their life, their buckets, and what may still change about them.

use super::*;
use crate::model::layer_buckets::LayerBuckets;
use crate::model::lifecycle::State;
use watershed_engine::Ranges;

fn ranges(pairs: &[(u16, u16)]) -> Ranges {
    Ranges::try_new(pairs.iter().copied()).unwrap()
}

#[test]
fn a_new_experiment_is_a_draft_with_buckets() {
    let model = apply(&world(), &experiment("x", stamping(2_500)));
    let x = get(&model, "x");
    assert_eq!(x.state, State::Draft);
    assert_eq!(x.allocation().size(), 2_500);
    let sizes: Vec<u32> = x.variants().map(|v| v.ranges.size()).collect();
    assert_eq!(sizes, [5_000, 5_000]);
}

#[test]
fn experiments_of_a_layer_own_different_buckets_and_of_two_layers_the_same() {
    let model = apply(&world(), &experiment("x", stamping(6_000)));
    let model = apply(&model, &experiment("y", stamping(4_000)));
    assert!(
        !get(&model, "x")
            .allocation()
            .intersects(get(&model, "y").allocation())
    );
    let mut spec = stamping(10_000);
    spec.layer = "prompts".to_owned();
    let model = apply(&model, &experiment("z", spec));
    assert_eq!(*get(&model, "z").allocation(), Ranges::full());
}

#[test]
fn a_full_layer_says_who_holds_what() {
    let model = apply(&world(), &experiment("x", stamping(6_000)));
    let model = apply(&model, &experiment("y", stamping(1_000)));
    let refused = refusal(&model, &experiment("z", stamping(3_001)));
    assert_eq!(
        refused.to_string(),
        "layer `models` has 3000 free buckets of 10000, 3001 are asked for; held: `x` 6000, `y` 1000"
    );
    let freed = apply(&model, &Change::Delete(Kind::Experiment, key("x")));
    apply(&freed, &experiment("z", stamping(9_000)));
}

/// A layer with the buckets 0..=999 and 3000..=9999 free.
fn with_a_gap() -> Model {
    let model = apply(&world(), &experiment("x", stamping(1_000)));
    let model = apply(&model, &experiment("y", stamping(2_000)));
    apply(&model, &Change::Delete(Kind::Experiment, key("x")))
}

#[test]
fn free_buckets_are_taken_where_they_fit_best() {
    for (traffic, expected) in [
        (500, &[(0, 499)][..]),
        (1_000, &[(0, 999)]),
        (2_000, &[(3_000, 4_999)]),
        (7_000, &[(3_000, 9_999)]),
        (7_500, &[(0, 999), (3_000, 9_499)]),
    ] {
        let model = apply(&with_a_gap(), &experiment("z", stamping(traffic)));
        assert_eq!(
            *get(&model, "z").allocation(),
            ranges(expected),
            "{traffic}"
        );
    }
}

#[test]
fn nobody_is_moved_to_make_room_in_one_piece() {
    let model = with_a_gap();
    let before = get(&model, "y").allocation().clone();
    let model = apply(&model, &experiment("z", stamping(8_000)));
    assert_eq!(*get(&model, "y").allocation(), before);
    assert_eq!(get(&model, "z").allocation().iter().count(), 2);
}

#[test]
fn a_layer_shows_what_is_free_and_who_holds_the_rest() {
    let model = apply(&with_a_gap(), &act("y", Action::Start));
    let shown = LayerBuckets::of(&model, &key("models")).unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(shown).unwrap(),
        serde_json::json!({
            "layer": "models",
            "buckets": 10_000,
            "free": {"size": 8_000, "ranges": [[0, 999], [3_000, 9_999]]},
            "holders": [
                {"experiment": "y", "state": "running", "size": 2_000, "ranges": [[1_000, 2_999]]},
            ],
        })
    );
    assert_eq!(LayerBuckets::of(&model, &key("nowhere")), Ok(None));
}

#[test]
fn traffic_grows_from_what_it_has() {
    let model = apply(&world(), &experiment("x", stamping(1_000)));
    let model = apply(&model, &experiment("y", stamping(1_000)));
    let model = apply(&model, &act("x", Action::Start));
    let before = get(&model, "x").allocation().clone();
    let model = apply(&model, &experiment("x", stamping(9_000)));
    let after = get(&model, "x").allocation();
    assert_eq!(before.difference(after), Ranges::default());
    assert_eq!(after.size(), 9_000);
    let refused = refusal(&model, &experiment("x", stamping(9_001)));
    assert!(
        refused.to_string().contains("has 9000 free buckets"),
        "{refused}"
    );
}

#[test]
fn another_layer_gives_a_draft_other_buckets() {
    let model = apply(&world(), &experiment("y", stamping(5_000)));
    let mut elsewhere = stamping(5_000);
    elsewhere.layer = "prompts".to_owned();
    let model = apply(&model, &experiment("x", elsewhere));
    let model = apply(&model, &experiment("x", stamping(5_000)));
    assert_eq!(*get(&model, "x").allocation(), ranges(&[(5_000, 9_999)]));
}

#[test]
fn a_ramp_keeps_every_unit_of_the_candidate() {
    let mut model = apply(&world(), &experiment("x", stamping(10_000)));
    model = apply(&model, &weights("x", 9_900, 100));
    let mut before = Ranges::default();
    for candidate in [100, 500, 5_000, 10_000] {
        model = apply(&model, &weights("x", 10_000 - candidate, candidate));
        let now = get(&model, "x").variants().nth(1).unwrap().ranges.clone();
        assert_eq!(before.difference(&now), Ranges::default());
        assert_eq!(u64::from(now.size()), candidate);
        before = now;
    }
}

#[test]
fn a_change_of_weights_is_seen_in_the_spec_too() {
    let model = apply(&world(), &experiment("x", stamping(10_000)));
    let model = apply(&model, &weights("x", 9_000, 1_000));
    let shown: Vec<u32> = get(&model, "x")
        .design
        .variants
        .iter()
        .map(|v| v.weight)
        .collect();
    assert_eq!(shown, [9_000, 1_000]);
    let mut same = stamping(10_000);
    same.variants[0].weight = 9_000;
    same.variants[1].weight = 1_000;
    assert_eq!(
        try_apply(&model, &experiment("x", same)).unwrap().edit,
        None
    );
}

#[test]
fn weights_name_each_variant_and_add_up() {
    let model = apply(&world(), &experiment("x", stamping(10_000)));
    let given = WeightsSpec::from_iter([("control", 9_000), ("a/b", 2_000)]);
    let expected = "(expected a weight for each variant and no other: control, candidate)";
    assert_eq!(
        faults(&model, &Change::Weights(key("x"), given)),
        [
            format!("/a~1b: is not a variant {expected}"),
            format!("/candidate: is missing {expected}"),
            ": weights add up to 11000 (expected weights in basis points that add up to 10000)"
                .to_owned(),
        ]
    );
    let huge = WeightsSpec::from_iter([("control", u64::MAX), ("candidate", u64::MAX)]);
    assert_eq!(faults(&model, &Change::Weights(key("x"), huge)).len(), 1);
}

#[test]
fn a_variant_that_is_named_twice_is_refused_while_reading() {
    let twice = serde_json::from_str::<WeightsSpec>(r#"{"a": 1, "a": 9999}"#).unwrap_err();
    assert!(twice.to_string().contains("duplicate key `a`"));
}

#[test]
fn what_places_units_is_frozen_once_it_was_started() {
    let mut other = stamping(10_000);
    other.layer = "prompts".to_owned();
    other.services = vec!["chat".to_owned()];
    other.unit.kind = "account".to_owned();
    other.salt = Some("2".to_owned());
    let model = apply(&world(), &experiment("x", stamping(10_000)));
    apply(&model, &experiment("x", other.clone()));
    let model = apply(&model, &act("x", Action::Start));
    let found = faults(&model, &experiment("x", other));
    let places: Vec<&str> = found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(places, ["/layer", "/services", "/unit", "/salt"]);
    assert!(found[0].contains("cannot change while the experiment is running"));
}

#[test]
fn the_rest_may_change_while_it_runs_and_the_state_stays() {
    let model = apply(&world(), &experiment("x", stamping(10_000)));
    let model = apply(&model, &act("x", Action::Start));
    let mut other = stamping(5_000);
    other.audience = Some(yaml("{header: x-plan, equals: premium}"));
    other.fallback = Some("candidate".to_owned());
    other.end = Some("2027-01-01T00:00:00Z".to_owned());
    other.variants.push(yaml("{key: third, weight: 0}"));
    let model = apply(&model, &experiment("x", other));
    assert_eq!(get(&model, "x").state, State::Running);
    assert_eq!(get(&model, "x").variants().count(), 3);
}

#[test]
fn a_life_is_told_step_by_step() {
    let mut model = apply(&world(), &experiment("x", stamping(1)));
    for (action, state) in [
        (Action::Start, State::Running),
        (Action::Pause, State::Paused),
        (Action::Resume, State::Running),
        (Action::Rollback, State::RolledBack),
        (Action::Resume, State::Running),
    ] {
        let Applied { model: next, edit } = try_apply(&model, &act("x", action)).unwrap();
        assert_eq!(edit.unwrap().action, action.as_str());
        assert_eq!(get(&next, "x").state, state);
        model = next;
    }
    let refused = refusal(&model, &act("x", Action::Start));
    assert_eq!(
        refused.to_string(),
        "cannot start an experiment that is running; it can: canary, pause, rollback, decide"
    );
}

#[test]
fn a_repeated_rollback_is_no_further_change() {
    let model = apply(&world(), &experiment("x", stamping(1)));
    let model = apply(&model, &act("x", Action::Start));
    let model = apply(&model, &act("x", Action::Rollback));
    let again = try_apply(&model, &act("x", Action::Rollback)).unwrap();
    assert_eq!(again.edit, None);
}

#[test]
fn a_life_moves_no_bucket() {
    let model = apply(&world(), &experiment("x", stamping(5_000)));
    let placement = get(&model, "x").placement.clone();
    let model = apply(&model, &act("x", Action::Start));
    let model = apply(&model, &act("x", Action::Rollback));
    assert_eq!(get(&model, "x").placement, placement);
}
