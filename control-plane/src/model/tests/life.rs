//! The life of an experiment: what each step asks for, what it keeps, and what becomes of buckets,
//! stages and decisions.

use super::*;
use crate::auth::Role;
use crate::model::decision::DecisionSpec;
use crate::model::lifecycle::State;
use crate::model::role;
use watershed_engine::Ranges;

fn decide(name: &str, variant: &str) -> Change {
    let variant = variant.to_owned();
    Change::Decide(key(name), DecisionSpec { variant })
}

fn staged(traffic: u64, canary: u64) -> ExperimentSpec {
    let mut spec = stamping(traffic);
    spec.canary_traffic = Some(canary);
    spec.internal = Some(yaml("{header: x-email, suffix: '@example.com'}"));
    spec
}

fn lived(spec: ExperimentSpec, actions: &[Action]) -> Model {
    let model = apply(&world(), &experiment("x", spec));
    let acts = actions.iter().map(|action| act("x", *action));
    acts.fold(model, |model, change| apply(&model, &change))
}

#[test]
fn a_draft_without_owner_or_decision_date_stays_one() {
    let mut spec = staged(1_000, 10);
    spec.start = Some("2026-02-01T00:00:00Z".to_owned());
    (spec.owner, spec.decision_date) = (None, None);
    let model = lived(spec, &[]);
    for action in [
        Action::Schedule,
        Action::Internal,
        Action::Canary,
        Action::Start,
    ] {
        let found = faults(&model, &act("x", action));
        assert_eq!(
            found[..2],
            [
                "/owner: is missing (expected who answers for the experiment: a person or a team)",
                "/decision_date: is missing (expected the day by which it is decided, as `2027-03-31`)",
            ]
        );
    }
}

#[test]
fn owner_and_decision_date_may_change_but_not_go() {
    let model = lived(stamping(1_000), &[Action::Start]);
    let mut spec = stamping(1_000);
    spec.owner = Some("somebody else".to_owned());
    spec.decision_date = Some("2025-01-01".to_owned());
    let model = apply(&model, &experiment("x", spec.clone()));
    assert!(get(&model, "x").is_overdue(now()));
    spec.decision_date = None;
    let found = faults(&model, &experiment("x", spec));
    assert!(
        found[0].starts_with("/decision_date: is missing"),
        "{found:?}"
    );
}

#[test]
fn one_from_before_owners_were_asked_for_goes_on_without() {
    let mut model = lived(stamping(1_000), &[Action::Start]);
    let mut old = get(&model, "x").clone();
    (old.design.owner, old.design.decision_date) = (None, None);
    model.insert(crate::model::entry::Entry::Experiment(old.into()));
    let mut spec = stamping(2_000);
    (spec.owner, spec.decision_date) = (None, None);
    let model = apply(&model, &experiment("x", spec));
    apply(&model, &act("x", Action::Pause));
}

#[test]
fn a_decision_date_that_is_past_keeps_nobody_from_anything() {
    let mut spec = stamping(1_000);
    spec.decision_date = Some("2020-02-29".to_owned());
    let draft = lived(spec.clone(), &[]);
    assert!(!get(&draft, "x").is_overdue(now()));
    let model = apply(&draft, &act("x", Action::Start));
    assert!(get(&model, "x").is_overdue(now()));
    let model = apply(&model, &decide("x", "control"));
    assert!(!get(&model, "x").is_overdue(now()));
    spec.decision_date = Some("2026-01-31".to_owned());
    let today = lived(spec, &[Action::Start]);
    assert!(
        !get(&today, "x").is_overdue(now()),
        "the day itself is in time"
    );
}

#[test]
fn a_canary_has_some_of_the_buckets_and_keeps_them() {
    let model = lived(staged(5_000, 100), &[Action::Canary]);
    let canary = get(&model, "x").served_allocation().clone();
    assert_eq!(canary.size(), 100);
    let other = apply(&model, &experiment("y", stamping(5_000)));
    let grown = apply(&other, &experiment("x", staged(5_000, 1_000)));
    let more = get(&grown, "x").served_allocation().clone();
    assert_eq!(
        (more.size(), canary.difference(&more)),
        (1_000, Ranges::default())
    );
    let full = apply(&grown, &act("x", Action::Start));
    let x = get(&full, "x");
    assert_eq!(x.served_allocation(), x.allocation());
    assert_eq!(more.difference(x.allocation()), Ranges::default());
    let split: Vec<_> = get(&model, "x").placement.split().to_vec();
    assert_eq!(
        x.placement.split(),
        split,
        "a unit of the canary stays in its variant"
    );
}

#[test]
fn a_canary_keeps_its_units_where_the_experiment_shrinks_around_it() {
    let model = lived(stamping(4_000), &[]);
    // `y` lies behind `x`; once `x` is gone, buckets before `y` are free.
    let model = apply(&model, &experiment("y", staged(2_000, 500)));
    let model = apply(&model, &act("y", Action::Canary));
    let before = get(&model, "y").served_allocation().clone();
    let model = apply(&model, &Change::Delete(Kind::Experiment, key("x")));
    let model = apply(&model, &experiment("y", staged(4_000, 500)));
    assert_ne!(get(&model, "y").allocation().first(), before.first());
    assert_eq!(*get(&model, "y").served_allocation(), before);
    let model = apply(&model, &experiment("y", staged(500, 500)));
    assert_eq!(
        get(&model, "y").served_allocation(),
        get(&model, "y").allocation()
    );
}

#[test]
fn a_canary_says_how_large_it_is() {
    let model = lived(stamping(5_000), &[]);
    assert_eq!(
        faults(&model, &act("x", Action::Canary)),
        [
            "/canary_traffic: is missing (expected how many of the experiment's buckets a canary has)"
        ]
    );
    for (traffic, canary) in [(5_000, 0), (5_000, 5_001)] {
        let found = faults(&world(), &experiment("x", staged(traffic, canary)));
        assert_eq!(
            found,
            [format!(
                "/canary_traffic: {canary} is out of bounds (expected an integer in 1..=5000)"
            )]
        );
    }
}

#[test]
fn it_goes_on_at_the_stage_it_was_stopped_at() {
    for (stage, state) in [
        (Action::Internal, State::Internal),
        (Action::Canary, State::Canary),
        (Action::Start, State::Running),
    ] {
        for stops in [
            &[Action::Pause][..],
            &[Action::Rollback],
            &[Action::Pause, Action::Rollback],
        ] {
            let model = lived(staged(1_000, 10), &[&[stage], stops].concat());
            assert_eq!(get(&model, "x").stage, Some(state));
            let model = apply(&model, &act("x", Action::Resume));
            assert_eq!(
                (get(&model, "x").state, get(&model, "x").stage),
                (state, None)
            );
        }
    }
}

#[test]
fn a_decision_gives_everybody_one_variant_and_can_be_taken_back() {
    let model = lived(stamping(1_000), &[Action::Start]);
    let model = apply(&model, &decide("x", "candidate"));
    let x = get(&model, "x");
    assert_eq!(
        (x.state, x.everybodys()),
        (State::Decided, Some(&key("candidate")))
    );
    assert_eq!(x.decision.as_ref().unwrap().at, now());
    assert_eq!(
        try_apply(&model, &decide("x", "candidate")).unwrap().edit,
        None
    );
    let other = apply(&model, &decide("x", "control"));
    assert_eq!(get(&other, "x").everybodys(), Some(&key("control")));
    let back = apply(&model, &act("x", Action::Resume));
    assert_eq!(
        (get(&back, "x").state, &get(&back, "x").decision),
        (State::Running, &None)
    );
    let rolled = apply(&model, &act("x", Action::Rollback));
    assert_eq!(get(&rolled, "x").everybodys(), Some(&key("control")));
    assert_eq!(get(&rolled, "x").decision, None);
}

#[test]
fn a_decision_names_a_variant_that_then_stays() {
    let model = lived(stamping(1_000), &[Action::Start]);
    assert_eq!(
        faults(&model, &decide("x", "winner")),
        ["/variant: `winner` is not a variant (expected one of control, candidate)"]
    );
    assert_eq!(faults(&model, &decide("x", "No Key")).len(), 1);
    assert_eq!(
        faults(&model, &act("x", Action::Decide)),
        ["/variant: is missing (expected a variant's key)"]
    );
    let model = apply(&model, &decide("x", "candidate"));
    let mut spec = stamping(1_000);
    spec.variants.remove(1);
    spec.variants[0].weight = 10_000;
    let found = faults(&model, &experiment("x", spec));
    assert!(
        found[0].starts_with("/variants: have no `candidate`"),
        "{found:?}"
    );
}

#[test]
fn what_is_archived_has_no_buckets_and_holds_nothing() {
    let model = lived(routing("models", 10_000), &[Action::Start]);
    let model = apply(&model, &decide("x", "candidate"));
    let model = apply(&model, &act("x", Action::Archive));
    let x = get(&model, "x");
    assert!(x.allocation().is_empty());
    assert_eq!(x.decision.as_ref().unwrap().variant, key("candidate"));
    apply(&model, &experiment("y", stamping(10_000)));
    let model = apply(&model, &Change::Delete(Kind::Cluster, key("candidate-b")));
    apply(&model, &Change::Delete(Kind::Layer, key("models")));
}

#[test]
fn what_is_archived_is_a_record() {
    let model = lived(
        stamping(1_000),
        &[Action::Start, Action::Pause, Action::Archive],
    );
    let same = try_apply(&model, &experiment("x", stamping(1_000))).unwrap();
    assert_eq!(same.edit, None);
    for change in [
        experiment("x", stamping(2_000)),
        weights("x", 9_000, 1_000),
        Change::Reshuffle(key("x")),
        Change::Switch(
            Kind::Experiment,
            key("x"),
            crate::model::switch::Switch::Disable,
        ),
    ] {
        let found = faults(&model, &change);
        assert!(found[0].contains("the experiment is archived"), "{found:?}");
    }
    apply(&model, &Change::Delete(Kind::Experiment, key("x")));
}

#[test]
fn a_start_that_is_still_to_come_is_for_the_schedule() {
    let mut spec = staged(1_000, 10);
    spec.start = Some("2026-02-01T00:00:00Z".to_owned());
    let model = lived(spec.clone(), &[]);
    for action in [Action::Internal, Action::Canary, Action::Start] {
        let found = faults(&model, &act("x", action));
        assert!(
            found[0].starts_with("/start: is still to come: 2026-02-01"),
            "{found:?}"
        );
    }
    let model = apply(&model, &act("x", Action::Schedule));
    assert_eq!(get(&model, "x").state, State::Scheduled);
    assert!(!get(&model, "x").state.is_served());
    let mut moved = spec.clone();
    moved.layer = "prompts".to_owned();
    let found = faults(&model, &experiment("x", moved));
    assert!(found[0].starts_with("/layer: cannot change"), "{found:?}");
    let mut open = spec.clone();
    open.start = None;
    let found = faults(&model, &experiment("x", open));
    assert!(found[0].starts_with("/start: is missing"), "{found:?}");
    let draft = apply(&model, &act("x", Action::Unschedule));
    assert_eq!(get(&draft, "x").state, State::Draft);
    let later = "2026-02-01T00:00:00Z".parse().unwrap();
    let started = change::apply(&model, &act("x", Action::Start), Precondition::None, later);
    assert_eq!(get(&started.unwrap().model, "x").state, State::Running);
}

#[test]
fn a_schedule_asks_for_a_window_that_is_still_to_come() {
    let model = lived(stamping(1_000), &[]);
    let found = faults(&model, &act("x", Action::Schedule));
    assert!(found[0].starts_with("/start: is missing"), "{found:?}");
    let mut spec = stamping(1_000);
    spec.start = Some("2026-01-31T09:00:00Z".to_owned());
    let found = faults(&lived(spec.clone(), &[]), &act("x", Action::Schedule));
    assert!(found[0].starts_with("/start: is past"), "{found:?}");
    spec.start = None;
    spec.end = Some("2026-01-31T09:00:00Z".to_owned());
    let found = faults(&lived(spec, &[]), &act("x", Action::Start));
    assert!(found[0].starts_with("/end: is past"), "{found:?}");
}

#[test]
fn texts_dates_and_links_are_read_with_care() {
    let mut spec = stamping(1_000);
    spec.owner = Some("  ".to_owned());
    spec.decision_date = Some("2026-02-30".to_owned());
    spec.primary_metric = Some("Latency p99".to_owned());
    spec.guardrails = vec!["error_rate".to_owned(), "error_rate".to_owned()];
    spec.links = yaml(
        "[{name: x, url: 'javascript:alert(1)'}, {name: y, url: 'https://example.com/t/1'}, {name: z, url: /t}]",
    );
    let found = faults(&world(), &experiment("x", spec));
    let places: Vec<&str> = found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/decision_date",
            "/primary_metric",
            "/guardrails/1",
            "/links/0/url",
            "/links/2/url",
            "/owner"
        ]
    );
    for date in ["2026-02-01T00:00:00Z", "tomorrow", "", "2026-2-1"] {
        let mut spec = stamping(1_000);
        spec.decision_date = Some(date.to_owned());
        assert_eq!(faults(&world(), &experiment("x", spec)).len(), 1, "{date}");
    }
}

#[test]
fn who_prepares_is_an_editor_and_who_changes_what_requests_get_an_operator() {
    let model = lived(staged(1_000, 10), &[]);
    let running = apply(&model, &act("x", Action::Start));
    let settings = Change::Put(key("settings"), Spec::Settings(yaml("{}")));
    let kill = |kind, name| Change::Switch(kind, key(name), crate::model::switch::Switch::Disable);
    for (model, change, role) in [
        (&model, experiment("new", stamping(1)), Role::Editor),
        (&model, experiment("x", stamping(1)), Role::Editor),
        (&running, experiment("x", stamping(1)), Role::Operator),
        (&model, weights("x", 1, 9_999), Role::Editor),
        (&running, weights("x", 1, 9_999), Role::Operator),
        (
            &running,
            Change::Delete(Kind::Experiment, key("x")),
            Role::Operator,
        ),
        (&model, act("x", Action::Start), Role::Operator),
        (&running, act("x", Action::Rollback), Role::Editor),
        (&running, decide("x", "control"), Role::Operator),
        (&running, kill(Kind::Experiment, "x"), Role::Editor),
        (&running, kill(Kind::Layer, "models"), Role::Operator),
        (&model, cluster("new"), Role::Editor),
        (&model, cluster("stable-a"), Role::Operator),
        (
            &model,
            service("new", "default_cluster: stable-a"),
            Role::Operator,
        ),
        (&model, settings, Role::Admin),
    ] {
        assert_eq!(role::needed(model, &change), role, "{change:?}");
    }
}
