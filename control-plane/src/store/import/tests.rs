//! Tests of importing, on both kinds of store: what comes in is what went out, and all of it or nothing.

use super::*;
use crate::auth::Role;
use crate::auth::key::{NewKey, RANDOM_BYTES};
use crate::model::change::{self, Applied, Change, Precondition, Spec};
use crate::model::export::Export;
use crate::model::lifecycle::Action;
use crate::model::{Key, settings};
use crate::resources::{self, Settings};
use crate::store::audit::Filter;
use crate::store::testing::{TestDatabase, on_both_stores};

on_both_stores!(
    what_is_imported_is_what_was_exported_from_the_other_kind_of_store,
    a_store_that_was_changed_takes_no_import_and_keeps_nothing_of_it,
    every_imported_thing_has_a_record_and_replicas_catch_up,
    keys_come_along_and_those_that_are_here_stay,
);

fn now() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

/// A history with secrets, deletions, moved buckets and a rollback.
fn history() -> Vec<Change> {
    let put = |name: &str, spec: Spec| Change::Put(key(name), spec);
    let experiment = "{layer: models, services: [chat], owner: me, decision_date: 2026-03-31, traffic: 6000, \
        unit: {type: user, sources: [{header: x-user}]}, sticky: {cookie: ws, max_age: 7d}, \
        variants: [{key: a, weight: 5000, cluster: a}, {key: b, weight: 5000, cluster: a}]}";
    let cluster = "endpoints: [{address: 10.0.0.1, port: 80}]";
    let act = |action| Change::Act(key("x"), action);
    let signing = "{signing_keys: [{id: one, secret: 0123456789abcdef0123456789abcdef}]}";
    vec![
        put(settings::KEY, Spec::Settings(yaml(signing))),
        put("a", Spec::Cluster(yaml(cluster))),
        put("gone", Spec::Cluster(yaml(cluster))),
        put("models", Spec::Layer(yaml("{}"))),
        put("chat", Spec::Service(yaml("{default_cluster: a}"))),
        put("x", Spec::Experiment(Box::new(yaml(experiment)))),
        act(Action::Start),
        Change::Weights(key("x"), yaml("{a: 1000, b: 9000}")),
        Change::Weights(key("x"), yaml("{a: 7000, b: 3000}")),
        Change::Reshuffle(key("x")),
        act(Action::Pause),
        act(Action::Resume),
        Change::Delete(Kind::Cluster, key("gone")),
    ]
}

async fn filled(store: &Store) -> Model {
    let mut model = store.load().await.unwrap();
    for change in history() {
        let applied = change::apply(&model, &change, Precondition::None, now());
        let Applied { model: next, edit } = applied.unwrap_or_else(|e| panic!("{change:?}: {e}"));
        store
            .commit(&edit.unwrap(), &Author::default(), None)
            .await
            .unwrap();
        model = next;
    }
    model
}

fn import(model: Model) -> Import {
    Import {
        model,
        keys: Vec::new(),
        author: Author {
            actor: "key:restore".to_owned(),
            ..Author::default()
        },
        at: now(),
    }
}

async fn what_is_imported_is_what_was_exported_from_the_other_kind_of_store(
    database: &TestDatabase,
) {
    let other = TestDatabase::sqlite();
    let lost = filled(&other.open().await).await;
    let text = serde_saphyr::to_string(&Export::of(&lost, now()).unwrap()).unwrap();
    let exported: Export = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(exported.model().unwrap(), lost);

    let store = database.open().await;
    let imported = store
        .import(&import(exported.model().unwrap()))
        .await
        .unwrap();
    assert_eq!(imported.revision, lost.revision + 1);
    let restored = store.load().await.unwrap();
    let moved = Model {
        revision: imported.revision,
        ..lost.clone()
    };
    assert_eq!(restored, moved);
    let settings = Settings {
        wasm_path: "/watershed.wasm".to_owned(),
    };
    let versions = |model: &Model| {
        let snapshots = resources::snapshots(model, &settings, |_| None).unwrap();
        format!("{snapshots:?}")
    };
    assert_eq!(versions(&restored), versions(&lost));
    let again = Export::of(&restored, now()).unwrap();
    assert_eq!(again.documents, exported.documents);
}

async fn a_store_that_was_changed_takes_no_import_and_keeps_nothing_of_it(database: &TestDatabase) {
    let store = database.open().await;
    let model = filled(&store).await;
    let fault = store.import(&import(model.clone())).await.unwrap_err();
    assert!(
        matches!(fault, StoreError::NotEmpty { revision: 13 }),
        "{fault:?}"
    );
    assert_eq!(store.load().await.unwrap(), model);
    let filter = Filter {
        action: Some(ACTION.to_owned()),
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(store.audit(&filter).await.unwrap().len(), 0);
}

async fn every_imported_thing_has_a_record_and_replicas_catch_up(database: &TestDatabase) {
    let lost = filled(&TestDatabase::sqlite().open().await).await;
    let store = database.open().await;
    store.import(&import(lost.clone())).await.unwrap();
    let filter = Filter {
        actor: Some("key:restore".to_owned()),
        action: Some(ACTION.to_owned()),
        limit: 100,
        ..Filter::default()
    };
    let records = store.audit(&filter).await.unwrap();
    let kinds: Vec<&str> = records.iter().map(|it| it.event.kind.as_str()).collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    assert_eq!(kinds[0], "model");
    assert_eq!(records[0].event.detail.as_ref().unwrap()["documents"], 5);
    assert!(records[1].after.is_some());
    let caught_up = store.catch_up(&Model::default()).await.unwrap().unwrap();
    assert_eq!(caught_up, store.load().await.unwrap());
    // It is no museum: changes go on from there.
    let delete = Change::Delete(Kind::Service, key("nothing"));
    assert!(change::apply(&caught_up, &delete, Precondition::None, now()).is_err());
    let layer = Change::Put(key("new"), Spec::Layer(yaml("{}")));
    let next = change::apply(&caught_up, &layer, Precondition::None, now()).unwrap();
    store
        .commit(&next.edit.unwrap(), &Author::default(), None)
        .await
        .unwrap();
    assert_eq!(store.load().await.unwrap(), next.model);
}

async fn keys_come_along_and_those_that_are_here_stay(database: &TestDatabase) {
    let key = |byte: u8, name: &str| {
        let made = NewKey::from_random(&[byte; RANDOM_BYTES]);
        KeyRecord {
            id: made.id,
            name: key(name),
            role: Role::Editor,
            hash: made.hash,
            created_at: now(),
            created_by: "key:a".to_owned(),
            expires_at: None,
            revoked_at: (byte == 3).then(now),
        }
    };
    let store = database.open().await;
    let here = key(1, "bootstrap");
    let event = Event {
        at: now(),
        author: Author::default(),
        action: "create".to_owned(),
        kind: "api_key".to_owned(),
        key: "bootstrap".to_owned(),
        revision: None,
        at_revision: 0,
        detail: None,
        tail: 1,
    };
    store.add_key(&here, &event).await.unwrap();
    let (ci, old) = (key(2, "ci"), key(3, "old"));
    let import = Import {
        keys: vec![key(9, "bootstrap"), ci.clone(), old.clone()],
        ..import(Model::default())
    };
    let imported = store.import(&import).await.unwrap();
    assert_eq!(imported.keys_kept, ["bootstrap"]);
    assert_eq!(store.keys().await.unwrap(), [here, ci, old]);
}
