//! What changes do to a model as a whole: references, conflicts, revisions and preconditions.

use super::*;
use crate::model::entry::Entry;
use crate::model::integrity::{self, Conflict};

#[test]
fn each_change_has_the_next_revision_and_the_thing_carries_it() {
    let model = world();
    assert_eq!(model.revision, 5);
    let change = service("chat", "{default_cluster: candidate-b}");
    let Applied { model, edit } = try_apply(&model, &change).unwrap();
    let edit = edit.unwrap();
    assert_eq!(
        (model.revision, edit.revision, edit.action),
        (6, 6, "update")
    );
    assert_eq!(edit.before.unwrap().meta().revision, 5);
    assert_eq!(model.services[&key("chat")].meta.revision, 6);
}

#[test]
fn asking_for_what_is_so_already_changes_nothing() {
    let model = world();
    for change in [
        cluster("stable-a"),
        layer("models"),
        service("chat", "default_cluster: stable-a"),
    ] {
        let applied = try_apply(&model, &change).unwrap();
        assert_eq!(
            applied,
            Applied {
                model: model.clone(),
                edit: None
            }
        );
    }
}

#[test]
fn a_thing_keeps_the_time_it_was_made_at() {
    let later = "2026-02-01T09:00:00Z".parse().unwrap();
    let change = service("chat", "{default_cluster: candidate-b}");
    let model = change::apply(&world(), &change, Precondition::None, later)
        .unwrap()
        .model;
    let meta = model.services[&key("chat")].meta;
    assert_eq!((meta.created_at, meta.updated_at), (now(), later));
}

#[test]
fn what_is_named_must_exist() {
    let change = service("s", "default_cluster: nowhere");
    assert_eq!(
        faults(&world(), &change),
        [
            "/default_cluster: there is no cluster `nowhere` (expected a cluster that exists: candidate-b, stable-a)"
        ]
    );
    let mut spec = routing("nowhere", 1);
    spec.services = vec!["gone".to_owned()];
    spec.variants[1].cluster = Some("lost".to_owned());
    let found = faults(&Model::default(), &experiment("x", spec));
    let places: Vec<&str> = found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/layer",
            "/services/0",
            "/variants/0/cluster",
            "/variants/1/cluster"
        ]
    );
    assert!(found[0].ends_with("(expected a layer that exists; there is none yet)"));
}

#[test]
fn faults_within_and_references_are_told_together() {
    let mut spec = stamping(0);
    spec.layer = "nowhere".to_owned();
    assert_eq!(faults(&world(), &experiment("x", spec)).len(), 2);
}

#[test]
fn what_is_used_cannot_be_deleted_and_says_by_whom() {
    let model = apply(&world(), &experiment("x", routing("models", 1)));
    for (kind, name, users) in [
        (Kind::Cluster, "stable-a", "service `chat`, experiment `x`"),
        (Kind::Cluster, "candidate-b", "experiment `x`"),
        (Kind::Layer, "models", "experiment `x`"),
        (Kind::Service, "chat", "experiment `x`"),
    ] {
        let refused = refusal(&model, &Change::Delete(kind, key(name)));
        assert_eq!(
            refused.to_string(),
            format!("{kind} `{name}` is used by {users}")
        );
    }
    let free = apply(&model, &Change::Delete(Kind::Experiment, key("x")));
    let free = apply(&free, &Change::Delete(Kind::Layer, key("models")));
    assert!(!free.layers.contains_key("models"));
}

#[test]
fn what_is_not_there_cannot_be_deleted_or_acted_on() {
    let model = world();
    for change in [
        Change::Delete(Kind::Cluster, key("x")),
        act("x", Action::Start),
        weights("x", 5_000, 5_000),
    ] {
        assert!(matches!(
            refusal(&model, &change),
            ModelError::Unknown { .. }
        ));
    }
}

#[test]
fn two_services_cannot_take_the_same_requests() {
    let also = "{default_cluster: stable-a, hosts: ['*'], path_prefixes: [/], listeners: [{address: 0.0.0.0, port: 1}]}";
    let refused = refusal(&world(), &service("more", also));
    assert_eq!(
        refused.to_string(),
        "services `chat` and `more` both take host `*` with path prefix `/` in fleet `default`"
    );
    for other in [
        "{default_cluster: stable-a, path_prefixes: [/v2]}",
        "{default_cluster: stable-a, hosts: [a.example.com]}",
        "{default_cluster: stable-a, fleets: [other]}",
    ] {
        apply(&world(), &service("more", other));
    }
}

#[test]
fn served_experiments_that_route_one_service_share_a_layer() {
    let model = apply(&world(), &experiment("one", routing("models", 5_000)));
    let model = apply(&model, &experiment("two", routing("models", 5_000)));
    let model = apply(&model, &experiment("other", routing("prompts", 5_000)));
    let model = apply(&model, &act("one", Action::Start));
    let model = apply(&model, &act("two", Action::Start));
    let refused = refusal(&model, &act("other", Action::Start));
    assert!(
        matches!(&refused, ModelError::Conflict(conflict) if matches!(**conflict, Conflict::Routes { .. })),
        "{refused}"
    );
    let model = apply(&model, &act("one", Action::Pause));
    let model = apply(&model, &act("two", Action::Pause));
    let model = apply(&model, &act("other", Action::Start));
    assert!(matches!(
        refusal(&model, &act("one", Action::Resume)),
        ModelError::Conflict(_)
    ));
}

#[test]
fn served_experiments_of_one_layer_and_service_hash_the_same_unit() {
    let mut session = stamping(5_000);
    session.unit.sources = vec![yaml("cookie: session")];
    let model = apply(&world(), &experiment("one", stamping(5_000)));
    let model = apply(&model, &experiment("two", session));
    let model = apply(&model, &act("one", Action::Start));
    assert_eq!(
        refusal(&model, &act("two", Action::Start)).to_string(),
        "experiments `one` and `two` share layer `models` and service `chat` but read their unit \
         from different sources; give one of them another layer"
    );
    let model = apply(&model, &act("one", Action::Pause));
    apply(&model, &act("two", Action::Start));
}

#[test]
fn a_layers_salt_changes_only_while_all_in_it_are_drafts() {
    let salted = Change::Put(key("models"), Spec::Layer(yaml("salt: other")));
    let model = apply(&world(), &experiment("x", stamping(1)));
    apply(&model, &salted);
    let model = apply(&model, &act("x", Action::Start));
    assert_eq!(
        faults(&model, &salted),
        ["/salt: cannot change while experiment `x` is not a draft (expected the salt as it is)"]
    );
    apply(&model, &layer("models"));
}

#[test]
fn a_precondition_names_the_revision_that_there_is() {
    let model = world();
    let change = service("chat", "{default_cluster: candidate-b}");
    let with = |precondition| change::apply(&model, &change, precondition, now());
    assert!(with(Precondition::Revision(5)).is_ok());
    assert!(with(Precondition::Exists).is_ok());
    let stale = with(Precondition::Revision(4)).unwrap_err();
    assert_eq!(stale.to_string(), "service `chat` is at revision 5");
    let absent = change::apply(&model, &cluster("x"), Precondition::Exists, now()).unwrap_err();
    assert_eq!(absent.to_string(), "cluster `x` does not exist");
}

#[test]
fn a_thing_that_is_made_again_has_no_revision_of_its_past() {
    let model = apply(&world(), &cluster("x"));
    let first = model.clusters["x"].meta.revision;
    let model = apply(&model, &Change::Delete(Kind::Cluster, key("x")));
    let model = apply(&model, &cluster("x"));
    assert!(model.clusters["x"].meta.revision > first);
}

#[test]
fn a_model_in_which_two_experiments_own_one_bucket_is_found_out() {
    let mut model = apply(&world(), &experiment("x", stamping(5_000)));
    assert_eq!(integrity::check(&model), Ok(()));
    let mut twin = get(&model, "x").clone();
    twin.key = key("y");
    model.insert(Entry::Experiment(twin.into()));
    assert_eq!(
        integrity::check(&model).unwrap_err().to_string(),
        "experiments `x` and `y` both own bucket 0 of layer `models`"
    );
}
