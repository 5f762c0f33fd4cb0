//! What segments, requirements, holdouts, settings and kill switches mean for a model as a whole.

use super::*;
use crate::model::settings;
use crate::model::switch::Switch;

fn put(name: &str, spec: Spec) -> Change {
    Change::Put(key(name), spec)
}

fn segment(name: &str, rule: &str) -> Change {
    put(name, Spec::Segment(yaml(&format!("rule: {rule}"))))
}

fn requiring(other: &str) -> ExperimentSpec {
    let mut spec = stamping(1);
    spec.requires = yaml(other);
    spec
}

fn signing(keys: &str) -> Change {
    put(settings::KEY, Spec::Settings(yaml(keys)))
}

const KEYS: &str = "signing_keys: [{id: k1, secret: 0123456789abcdef0123456789abcdef}]";

#[test]
fn segments_must_exist_wherever_they_are_named() {
    let mut spec = stamping(1);
    spec.audience = Some(yaml("{all: [{not: {segment: gone}}]}"));
    let chat = "{default_cluster: stable-a, routing_rules: [{key: r, when: {any: [{segment: gone}]}, cluster: lost}]}";
    for (change, places) in [
        (
            experiment("x", spec),
            &["/audience/all/0/not/segment"] as &[_],
        ),
        (segment("s", "{segment: gone}"), &["/rule/segment"]),
        (
            service("chat", chat),
            &[
                "/routing_rules/0/when/any/0/segment",
                "/routing_rules/0/cluster",
            ],
        ),
    ] {
        let found = faults(&world(), &change);
        let found: Vec<&str> = found.iter().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(found, places);
    }
}

#[test]
fn what_uses_a_segment_layer_or_experiment_keeps_it() {
    let mut spec = stamping(1);
    spec.audience = Some(yaml("{segment: s}"));
    let chat = "{default_cluster: stable-a, routing_rules: [{key: r, when: {segment: s}, cluster: candidate-b}]}";
    let held = put("h", Spec::Holdout(yaml("{traffic: 1, layer: prompts}")));
    let changes = [
        segment("s", "{header: a, present: true}"),
        segment("t", "{not: {segment: s}}"),
        experiment("x", spec),
        experiment("y", requiring("[{experiment: x}]")),
        service("chat", chat),
        held,
    ];
    let model = changes
        .iter()
        .fold(world(), |model, change| apply(&model, change));
    for (kind, name, users) in [
        (
            Kind::Segment,
            "s",
            "segment `t`, service `chat`, experiment `x`",
        ),
        (Kind::Experiment, "x", "experiment `y`"),
        (Kind::Layer, "prompts", "holdout `h`"),
        (Kind::Cluster, "candidate-b", "service `chat`"),
    ] {
        let refused = refusal(&model, &Change::Delete(kind, key(name)));
        assert_eq!(
            refused.to_string(),
            format!("{kind} `{name}` is used by {users}")
        );
    }
    apply(&model, &Change::Delete(Kind::Segment, key("t")));
}

#[test]
fn a_requirement_names_an_experiment_and_variants_that_exist() {
    let model = apply(&world(), &experiment("x", stamping(1)));
    assert_eq!(
        faults(&model, &experiment("y", requiring("[{experiment: gone}]"))),
        [
            "/requires/0/experiment: there is no experiment `gone` (expected an experiment that exists: x)"
        ]
    );
    assert_eq!(
        faults(
            &model,
            &experiment(
                "y",
                requiring("[{experiment: x, variants: [control, lost]}]")
            )
        ),
        [
            "/requires/0/variants/1: experiment `x` has no variant `lost` (expected one of control, candidate)"
        ]
    );
    let model = apply(
        &model,
        &experiment("y", requiring("[{experiment: x, variants: [candidate]}]")),
    );
    let mut without = stamping(1);
    without.variants = yaml("[{key: control, weight: 10000}]");
    assert_eq!(
        refusal(&model, &experiment("x", without)).to_string(),
        "experiment `y` refers to what does not exist: /requires/0/variants/0: experiment `x` has no variant `candidate` (expected one of control)"
    );
}

#[test]
fn a_circle_is_refused_and_named() {
    let own = refusal(&world(), &experiment("x", requiring("[{experiment: x}]")));
    assert_eq!(
        own.to_string(),
        "experiments lead back to themselves: `x` → `x`"
    );
    let model = apply(&world(), &experiment("x", stamping(1)));
    let model = apply(
        &model,
        &experiment("y", requiring("[{experiment: x, not: true}]")),
    );
    let model = apply(&model, &experiment("z", requiring("[{experiment: y}]")));
    assert_eq!(
        refusal(&model, &experiment("x", requiring("[{experiment: z}]"))).to_string(),
        "experiments lead back to themselves: `x` → `z` → `y` → `x`"
    );
    let model = apply(&model, &segment("a", "{header: a, present: true}"));
    let model = apply(&model, &segment("b", "{segment: a}"));
    assert_eq!(
        refusal(&model, &segment("a", "{any: [{segment: b}]}")).to_string(),
        "segments lead back to themselves: `a` → `b` → `a`"
    );
}

#[test]
fn a_kill_switch_stays_as_it_is_where_a_document_says_nothing() {
    let model = apply(&world(), &experiment("x", stamping(1)));
    let off = |kind, name| Change::Switch(kind, key(name), Switch::Disable);
    let model = apply(&model, &off(Kind::Experiment, "x"));
    let model = apply(&model, &off(Kind::Layer, "models"));
    let model = apply(&model, &off(Kind::Settings, settings::KEY));
    let model = apply(&model, &experiment("x", stamping(2)));
    let model = apply(&model, &layer("models"));
    let model = apply(&model, &signing("trust: mesh"));
    let are_off = |model: &Model| {
        [
            get(model, "x").design.disabled,
            model.layers["models"].design.disabled,
            model.settings().disabled,
        ]
    };
    assert_eq!(are_off(&model), [true; 3]);
    let again = try_apply(&model, &off(Kind::Experiment, "x")).unwrap();
    assert_eq!(again.edit, None, "it is off already");
    let on = |kind, name| Change::Switch(kind, key(name), Switch::Enable);
    let model = apply(&model, &on(Kind::Experiment, "x"));
    let model = apply(&model, &signing("disabled: false"));
    assert_eq!(are_off(&model), [false, true, false]);
    for (kind, name) in [(Kind::Experiment, "gone"), (Kind::Cluster, "stable-a")] {
        assert!(matches!(
            refusal(&model, &off(kind, name)),
            ModelError::Unknown { .. }
        ));
    }
}

#[test]
fn a_reshuffle_changes_the_salt_and_no_bucket() {
    let model = apply(&world(), &experiment("x", stamping(5_000)));
    let model = apply(&model, &act("x", Action::Start));
    let before = get(&model, "x").clone();
    let Applied { model, edit } = try_apply(&model, &Change::Reshuffle(key("x"))).unwrap();
    assert_eq!(edit.unwrap().action, "reshuffle");
    let after = get(&model, "x");
    assert_eq!(after.design.salt, format!("r{}", model.revision));
    assert_eq!(
        (&after.placement, after.state),
        (&before.placement, before.state)
    );
    let again = apply(&model, &Change::Reshuffle(key("x")));
    assert_ne!(get(&again, "x").design.salt, after.design.salt);
    // A file that is applied again must not undo it by chance.
    assert!(matches!(
        refusal(&model, &experiment("x", stamping(5_000))),
        ModelError::Frozen { .. }
    ));
}

#[test]
fn what_decides_a_units_place_is_frozen_once_it_runs() {
    let model = apply(&world(), &experiment("x", stamping(1)));
    let hold = |spec: &str| put("h", Spec::Holdout(yaml(spec)));
    let model = apply(&model, &hold("{traffic: 100}"));
    let model = apply(&model, &act("x", Action::Start));
    let mut other = stamping(1);
    other.strategy = Some(yaml("random"));
    other.hash = Some(yaml("growthbook_v2"));
    other.salt = Some("2".to_owned());
    let found = faults(&model, &experiment("x", other));
    let found: Vec<&str> = found.iter().map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(found, ["/salt", "/hash", "/strategy"]);
    let hashed = put("models", Spec::Layer(yaml("{hash: growthbook_v2}")));
    assert_eq!(faults(&model, &hashed).len(), 1);
    let found = faults(&model, &hold("{traffic: 100, salt: other, layer: prompts}"));
    let found: Vec<&str> = found.iter().map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(found, ["/salt", "/layer"]);
    apply(&model, &hold("{traffic: 200}"));
}

#[test]
fn a_sticky_experiment_needs_a_key_that_signs() {
    let mut spec = stamping(1);
    spec.sticky = Some(yaml("{cookie: s}"));
    let sticky = experiment("x", spec);
    assert_eq!(
        refusal(&world(), &sticky).to_string(),
        "experiment `x` is sticky, and its cookie is signed; the settings have no signing key"
    );
    let model = apply(&apply(&world(), &signing(KEYS)), &sticky);
    assert!(matches!(
        refusal(&model, &signing("{}")),
        ModelError::Conflict(_)
    ));
}

#[test]
fn a_known_key_keeps_its_secret_and_gets_no_other() {
    let model = apply(&world(), &signing(KEYS));
    let again = try_apply(&model, &signing("signing_keys: [{id: k1}]")).unwrap();
    assert_eq!(again.edit, None);
    let other = KEYS.replace("0123", "3210");
    let refused = faults(&model, &signing(&other));
    assert!(refused[0].starts_with("/signing_keys/0/secret: cannot change under the same id"));
    let rotated = "signing_keys: [{id: k2, secret: fedcba9876543210fedcba9876543210}, {id: k1}]";
    let model = apply(&model, &signing(rotated));
    let secrets = model
        .settings()
        .signing_keys
        .iter()
        .map(|key| key.secret.reveal());
    assert_eq!(
        secrets.collect::<Vec<_>>(),
        [
            "fedcba9876543210fedcba9876543210",
            "0123456789abcdef0123456789abcdef"
        ]
    );
}

#[test]
fn a_secret_is_kept_and_shown_nowhere() {
    let model = apply(&world(), &signing(KEYS));
    let entry = model.entry(Kind::Settings, &key(settings::KEY)).unwrap();
    let secret = "0123456789abcdef";
    assert!(entry.kept().unwrap().contains(secret));
    let shown = serde_json::to_string(&entry.document()).unwrap();
    for text in [
        shown,
        format!("{entry:?}"),
        format!("{model:?}"),
        format!("{:?}", signing(KEYS)),
    ] {
        assert!(!text.contains(secret) && text.contains("k1"), "{text}");
    }
}

#[test]
fn services_of_a_fleet_do_not_listen_on_overlapping_addresses() {
    let on = |address: &str, fleet: &str| {
        let spec = format!(
            "{{default_cluster: stable-a, fleets: [{fleet}], hosts: [{fleet}.example.com], listeners: [{{address: '{address}', port: 10000}}]}}"
        );
        service("more", &spec)
    };
    assert_eq!(
        refusal(&world(), &on("127.0.0.1", "default")).to_string(),
        "services `chat` (0.0.0.0:10000) and `more` (127.0.0.1:10000) listen on overlapping addresses in fleet `default`"
    );
    for (address, fleet) in [
        ("0.0.0.0", "default"),
        ("127.0.0.1", "edge"),
        ("::1", "default"),
        ("::", "default"),
    ] {
        apply(&world(), &on(address, fleet));
    }
    let both = "{default_cluster: stable-a, listeners: [{address: '::', port: 1}, {address: '::1', port: 1}]}";
    let refused = refusal(&world(), &service("chat", both)).to_string();
    assert!(
        refused.contains("services `chat` ([::]:1) and `chat` ([::1]:1)"),
        "{refused}"
    );
}
