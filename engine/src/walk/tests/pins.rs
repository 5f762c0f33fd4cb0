//! What a request brings along, and what it wins over.

use super::*;

#[test]
fn forced_wins_over_all_but_switches_and_holdouts() {
    let forced = [("e", "b", PinnedBy::Forced)];
    let nobody = json!({"any": {"rules": []}});
    for changes in [
        json!({"allocation": []}),
        json!({"endMs": "1"}),
        json!({"mode": "FALLBACK"}),
        json!({"audience": nobody}),
        json!({"strategy": {"random": {}}}),
    ] {
        let plan = compile(config(&[experiment("e", "l", &changes)]));
        assert_eq!(pinned(&plan, &forced), ["e=b Forced"], "{changes}");
    }
    let off = compile(config(&[experiment("e", "l", &json!({"disabled": true}))]));
    assert!(pinned(&off, &forced).is_empty());
    let mut held_out = config(&[experiment("e", "l", &json!({}))]);
    held_out["holdouts"] = json!([{"key": "h", "buckets": [{"start": 0, "end": 9999}]}]);
    assert!(pinned(&compile(held_out), &forced).is_empty());
}

#[test]
fn a_layer_gives_one_variant_whatever_is_forced() {
    let halves = [
        experiment(
            "e",
            "l",
            &json!({"allocation": [{"start": 0, "end": 4999}]}),
        ),
        experiment(
            "f",
            "l",
            &json!({"allocation": [{"start": 5000, "end": 9999}]}),
        ),
    ];
    let plan = compile(config(&halves));
    for experiment in ["e", "f"] {
        let forced = [(experiment, "a", PinnedBy::Forced)];
        assert_eq!(pinned(&plan, &forced), [format!("{experiment}=a Forced")]);
    }
    let both = [
        ("f", "a", PinnedBy::Inherited),
        ("e", "a", PinnedBy::Forced),
    ];
    assert_eq!(pinned(&plan, &both), ["e=a Forced"]);
}

#[test]
fn inherited_is_kept_without_a_unit_and_not_through_a_rollback() {
    let inherited = |changes: Value, headers: &[(&str, &str)]| {
        let plan = compile(config(&[experiment("e", "l", &changes)]));
        let pins = plan
            .pin("e", "b", PinnedBy::Inherited)
            .into_iter()
            .collect();
        walk(&plan, headers, &Around { pins, chance: 0 }).0
    };
    assert_eq!(inherited(json!({"allocation": []}), &[]), ["e=b Inherited"]);
    assert_eq!(
        inherited(json!({"mode": "FALLBACK"}), &[USER]),
        ["e=a RolledBack"]
    );
    assert!(inherited(json!({"disabled": true}), &[USER]).is_empty());
}

#[test]
fn stuck_replaces_the_buckets_and_nothing_else() {
    let sticky = json!({"cookie": "s"});
    let with = |changes: Value, by| {
        let mut experiment = experiment("e", "l", &changes);
        experiment["sticky"] = sticky.clone();
        pinned(&compile(config(&[experiment])), &[("e", "a", by)])
    };
    assert_eq!(with(json!({}), stuck()), ["e=a Stuck"]);
    assert_eq!(with(json!({"allocation": []}), stuck()), ["e=a Stuck"]);
    assert_eq!(
        with(json!({"strategy": {"random": {}}}), stuck()),
        ["e=a Stuck"]
    );
    let other = stuck_by("", "v");
    assert_eq!(with(json!({}), other), ["e=b Hashed"]);
    assert_eq!(
        with(json!({"mode": "FALLBACK"}), stuck()),
        ["e=a RolledBack"]
    );
    assert!(with(json!({"endMs": "1"}), stuck()).is_empty());
    assert!(with(json!({"audience": {"any": {"rules": []}}}), stuck()).is_empty());
}

#[test]
fn a_new_salt_lets_go_of_whoever_was_stuck() {
    let with = |salt, by| {
        let changes = json!({"salt": salt, "sticky": {"cookie": "s"}});
        let plan = compile(config(&[experiment("e", "l", &changes)]));
        pinned(&plan, &[("e", "a", by)])
    };
    assert_eq!(with("1", stuck_by("1", "u")), ["e=a Stuck"]);
    assert_eq!(with("2", stuck_by("1", "u")), ["e=b Hashed"]);
}

#[test]
fn a_pin_needs_what_it_names() {
    let plan = compile(config(&[experiment("e", "l", &json!({}))]));
    assert!(plan.pin("e", "b", PinnedBy::Forced).is_some());
    assert!(plan.pin("e", "c", PinnedBy::Forced).is_none());
    assert!(plan.pin("x", "b", PinnedBy::Forced).is_none());
    assert!(
        plan.pin("e", "b", stuck()).is_none(),
        "not a sticky experiment"
    );
}

#[test]
fn what_was_given_to_a_unit_sticks() {
    let sticks = |changes: Value, pins: &[(&str, &str, PinnedBy)]| {
        let plan = compile(config(&[experiment("e", "l", &changes)]));
        let pins = pins.iter().filter_map(|(e, v, by)| plan.pin(e, v, *by));
        let around = Around {
            pins: pins.collect(),
            ..Around::default()
        };
        let pairs: [(&[u8], &[u8]); 1] = [(b"x-user", b"u")];
        let request = Request::within(Headers::new(&pairs), plan.attributes(), &around);
        let mut noop = Noop;
        let mut given = plan.assign(&plan.services()[0], &request, 0, &mut noop);
        given.next().unwrap().sticks()
    };
    let sticky = json!({"sticky": {"cookie": "s"}});
    assert!(sticks(sticky.clone(), &[]));
    assert!(sticks(sticky.clone(), &[("e", "a", stuck())]));
    assert!(!sticks(sticky.clone(), &[("e", "a", PinnedBy::Forced)]));
    assert!(!sticks(sticky, &[("e", "a", PinnedBy::Inherited)]));
    let rolled_back = json!({"sticky": {"cookie": "s"}, "mode": "FALLBACK"});
    assert!(!sticks(rolled_back, &[]));
    assert!(!sticks(json!({}), &[]));
}
