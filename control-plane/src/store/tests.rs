//! Tests of the store on real files: what is kept, what is refused at the start, and that neither
//! half a change nor two changes under one revision are ever kept.

mod migrations;

use super::testing::{TestDatabase, on_both_stores};
use super::{Author, Store, StoreError};
use crate::model::change::{self, Applied, Change, Precondition, Spec};
use crate::model::{Key, Kind, Model};
use jiff::Timestamp;
use sqlx::{AnyConnection, Executor, Row};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn now() -> Timestamp {
    "2026-01-31T09:00:00.123Z".parse().unwrap()
}

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn cluster(name: &str, port: u16) -> Change {
    let spec = format!("endpoints: [{{address: 10.0.0.1, port: {port}}}]");
    Change::Put(
        key(name),
        Spec::Cluster(serde_saphyr::from_str(&spec).unwrap()),
    )
}

fn layer(name: &str) -> Change {
    Change::Put(
        key(name),
        Spec::Layer(serde_saphyr::from_str("{}").unwrap()),
    )
}

fn experiment(name: &str) -> Change {
    let spec = "{layer: models, owner: me, decision_date: 2026-03-31, unit: {type: user, sources: [{header: x-user}]}, \
                variants: [{key: a, weight: 1}, {key: b, weight: 9999}]}";
    let spec = Box::new(serde_saphyr::from_str(spec).unwrap());
    Change::Put(key(name), Spec::Experiment(spec))
}

fn author() -> Author {
    Author {
        actor: "somebody".to_owned(),
        reason: Some("to try it out".to_owned()),
        ..Author::default()
    }
}

fn apply(model: &Model, change: &Change) -> Applied {
    change::apply(model, change, Precondition::None, now()).unwrap()
}

async fn commit(store: &Store, model: &Model, change: &Change) -> Model {
    let Applied { model, edit } = apply(model, change);
    store.commit(&edit.unwrap(), &author(), None).await.unwrap();
    model
}

/// A store with a cluster, a layer and an experiment, and the model that it holds.
async fn filled(database: &TestDatabase) -> (Store, Model) {
    fill(database.open().await).await
}

async fn fill(store: Store) -> (Store, Model) {
    let mut model = Model::default();
    for change in [cluster("a", 80), layer("models"), experiment("x")] {
        model = commit(&store, &model, &change).await;
    }
    (store, model)
}

async fn empty(connection: &mut AnyConnection) {
    for table in ["documents", "changes", "audit"] {
        let sql = format!("DELETE FROM {table}");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watershed.db");
    (folder, path)
}

on_both_stores!(
    a_new_database_holds_the_empty_model,
    what_was_committed_is_there_when_it_is_opened_again,
    what_was_deleted_stays_deleted_and_its_revision_is_not_used_again,
    every_change_leaves_a_record,
    two_writers_never_make_the_same_revision_and_the_loser_leaves_nothing,
    a_schema_from_the_future_is_not_touched,
    a_row_that_is_garbage_is_named,
    rows_that_do_not_fit_together_are_refused,
    what_others_changed_is_caught_up_with,
    a_change_of_others_that_is_garbage_is_named,
);

async fn a_new_database_holds_the_empty_model(database: &TestDatabase) {
    let store = database.open().await;
    store.ping().await.unwrap();
    assert_eq!(store.load().await.unwrap(), Model::default());
}

async fn what_was_committed_is_there_when_it_is_opened_again(database: &TestDatabase) {
    let (store, model) = filled(database).await;
    let changed = commit(&store, &model, &cluster("a", 81)).await;
    drop(store);
    let again = database.open().await;
    assert_eq!(again.load().await.unwrap(), changed);
}

async fn what_was_deleted_stays_deleted_and_its_revision_is_not_used_again(
    database: &TestDatabase,
) {
    let (store, model) = filled(database).await;
    let model = commit(&store, &model, &Change::Delete(Kind::Cluster, key("a"))).await;
    drop(store);
    let again = database.open().await;
    let loaded = again.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.clusters.len()), (4, 0));
    assert_eq!(loaded, model);
}

async fn every_change_leaves_a_record(database: &TestDatabase) {
    let (store, model) = filled(database).await;
    let model = commit(&store, &model, &cluster("a", 81)).await;
    commit(&store, &model, &Change::Delete(Kind::Cluster, key("a"))).await;
    let rows = database
        .raw()
        .await
        .fetch_all("SELECT * FROM changes WHERE kind = 'cluster' ORDER BY revision")
        .await
        .unwrap();
    let text = |row: usize, column: &str| rows[row].get::<Option<String>, _>(column);
    let number = |row: usize, column: &str| rows[row].get::<Option<i64>, _>(column);
    let actions: Vec<_> = (0..3).map(|row| text(row, "action").unwrap()).collect();
    assert_eq!(actions, ["create", "update", "delete"]);
    assert_eq!(number(0, "revision_before"), None);
    assert_eq!(number(1, "revision_before"), Some(1));
    assert_eq!(number(2, "revision_before"), Some(4));
    assert_eq!(text(0, "body_before"), None);
    assert_eq!(text(0, "body_after"), text(1, "body_before"));
    assert!(text(1, "body_after").unwrap().contains("\"port\":81"));
    assert_eq!(text(2, "body_after"), None);
    assert_eq!(text(2, "actor").unwrap(), "somebody");
    assert_eq!(text(2, "reason").unwrap(), "to try it out");
    assert_eq!(text(2, "at").unwrap(), "2026-01-31T09:00:00.123Z");
}

async fn two_writers_never_make_the_same_revision_and_the_loser_leaves_nothing(
    database: &TestDatabase,
) {
    let (one, model) = filled(database).await;
    let two = database.open().await;
    let first = apply(&model, &cluster("first", 80)).edit.unwrap();
    let second = apply(&model, &cluster("second", 80)).edit.unwrap();
    let (first, second) =
        tokio::join!(async { one.commit(&first, &author(), None).await }, async {
            two.commit(&second, &author(), None).await
        },);
    let raced = [first, second]
        .into_iter()
        .filter(|outcome| matches!(outcome, Err(StoreError::Raced)))
        .count();
    assert_eq!(raced, 1);
    let loaded = one.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.clusters.len()), (4, 2));
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_and_readers_do_not_wait_for_it() {
    let (_folder, path) = folder();
    let (store, _) = fill(Store::open(&path).await.unwrap()).await;
    let pragma = async |name: &str| {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA {name}"));
        sqlx::query(sql).fetch_one(&store.pool).await.unwrap()
    };
    assert_eq!(pragma("journal_mode").await.get::<String, _>(0), "wal");
    assert_eq!(pragma("synchronous").await.get::<i64, _>(0), 2);
}

#[tokio::test]
async fn a_path_may_have_any_character() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ä b?mode=ro#%41.db");
    fill(Store::open(&path).await.unwrap()).await;
    assert!(path.is_file());
    let again = Store::open(&path).await.unwrap();
    assert_eq!(again.load().await.unwrap().revision, 3);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let (_folder, path) = folder();
    std::fs::write(&path, "garbage ".repeat(1_000)).unwrap();
    let fault = Store::open(&path).await.unwrap_err();
    assert!(matches!(fault, StoreError::Damaged { .. }), "{fault:?}");
    let text = fault.to_string();
    assert!(
        text.contains("watershed.db is not a database of ours or is damaged"),
        "{text}"
    );
}

#[tokio::test]
async fn a_damaged_database_is_found_at_the_start() {
    let (_folder, path) = folder();
    fill(Store::open(&path).await.unwrap())
        .await
        .0
        .close()
        .await;
    let mut bytes = std::fs::read(&path).unwrap();
    // The first page holds header and schema; everything behind it becomes noise.
    bytes[4_096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let fault = Store::open(&path).await.unwrap_err();
    assert!(matches!(fault, StoreError::Damaged { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_place_where_nothing_can_be_written_is_named() {
    let (folder, _) = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [
        folder.path().join("no/such/folder/w.db"),
        file.join("w.db"),
        folder.path().to_owned(),
        PathBuf::from("/proc/watershed.db"),
    ] {
        let fault = Store::open(&path).await.unwrap_err();
        assert!(matches!(fault, StoreError::Open { .. }), "{fault:?}");
        assert!(
            fault.to_string().contains(&path.display().to_string()),
            "{fault}"
        );
    }
    let empty = Store::open(Path::new("")).await.unwrap_err();
    assert!(matches!(empty, StoreError::Path { .. }), "{empty:?}");
}

async fn a_schema_from_the_future_is_not_touched(database: &TestDatabase) {
    filled(database).await.0.close().await;
    let bytes = match database {
        TestDatabase::Sqlite(_) => "x'00'",
        TestDatabase::Postgres { .. } => "'\\x00'",
    };
    let sql = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'later', TRUE, {bytes}, 0)"
    );
    let mut connection = database.raw().await;
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let fault = Store::connect(&database.target()).await.unwrap_err();
    assert!(
        matches!(
            fault,
            StoreError::NewerSchema {
                found: 9_000,
                known: 4
            }
        ),
        "{fault:?}"
    );
}

async fn a_row_that_is_garbage_is_named(database: &TestDatabase) {
    let cases = [
        ("body = 'x'", "the body cannot be read"),
        ("body = x'ff00'", "mismatched types"),
        ("body = ''", "the body cannot be read"),
        (
            "body = '{\"spec\": {\"endpoints\": []}}'",
            "the spec is not valid: /endpoints",
        ),
        ("kind = 'widget'", "there is no such kind"),
        ("key = 'A/B'", "is not a key"),
        ("revision = -1", "the revision is negative"),
        ("created_at = 'noon'", "a time cannot be read"),
    ];
    let mut connection = database.raw().await;
    let store = database.open().await;
    for (assignment, reason) in cases {
        if assignment.contains("x'") && matches!(database, TestDatabase::Postgres { .. }) {
            continue; // It keeps texts where texts belong.
        }
        empty(&mut connection).await;
        fill(store.clone()).await;
        let sql = format!("UPDATE documents SET {assignment} WHERE kind = 'cluster'");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        let fault = store.load().await.unwrap_err();
        assert!(
            matches!(fault, StoreError::Row { .. }),
            "{assignment}: {fault:?}"
        );
        let text = fault.to_string();
        assert!(text.starts_with("table documents, row kind="), "{text}");
        assert!(text.contains(reason), "{assignment}: {text}");
    }
}

async fn rows_that_do_not_fit_together_are_refused(database: &TestDatabase) {
    let (store, _) = filled(database).await;
    let mut connection = database.raw().await;
    connection
        .execute("DELETE FROM documents WHERE kind = 'layer'")
        .await
        .unwrap();
    let fault = store.load().await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the stored model contradicts itself: experiment `x` refers to what does not exist: \
         /layer: there is no layer `models` (expected a layer that exists; there is none yet)"
    );
}

async fn what_others_changed_is_caught_up_with(database: &TestDatabase) {
    let (ours, known) = filled(database).await;
    assert_eq!(ours.catch_up(&known).await.unwrap(), None);
    let theirs = database.open().await;
    let mut model = known.clone();
    for change in [
        cluster("b", 80),
        cluster("c", 80),
        Change::Delete(Kind::Cluster, key("b")),
        cluster("a", 81),
        Change::Delete(Kind::Cluster, key("c")),
        cluster("c", 82),
        Change::Delete(Kind::Experiment, key("x")),
    ] {
        model = commit(&theirs, &model, &change).await;
        let caught_up = ours.catch_up(&known).await.unwrap();
        assert_eq!(caught_up.as_ref(), Some(&model), "{change:?}");
    }
    // Who was further than the database is now, reads all of it.
    let further = Model {
        revision: 99,
        ..known
    };
    assert_eq!(ours.catch_up(&further).await.unwrap(), Some(model));
}

async fn a_change_of_others_that_is_garbage_is_named(database: &TestDatabase) {
    for (assignment, reason) in [
        (
            "kind = 'widget'",
            "kind=widget key=a: there is no such kind",
        ),
        ("key = 'A/B'", "key=A/B: the name is not a key"),
    ] {
        let mut connection = database.raw().await;
        let store = database.open().await;
        empty(&mut connection).await;
        let (_, known) = fill(store.clone()).await;
        commit(&store, &known, &Change::Delete(Kind::Cluster, key("a"))).await;
        let sql = format!("UPDATE changes SET {assignment} WHERE revision = 4");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        let fault = store.catch_up(&known).await.unwrap_err().to_string();
        assert!(fault.starts_with("table changes, row "), "{fault}");
        assert!(fault.contains(reason), "{fault}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let port = watershed_harness::Port::reserve();
    let url = format!(
        "postgres://me:hunter2@{}/ours?sslmode=disable",
        port.address()
    );
    let database = super::Database::Postgres {
        url: url.parse().unwrap(),
        locks: true,
    };
    let fault = Store::connect(&database).await.unwrap_err();
    assert!(matches!(fault, StoreError::Unreachable { .. }), "{fault:?}");
    let said = fault.to_string();
    assert!(said.contains(&port.address().to_string()), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// A database that an earlier release wrote, as SQL.
const FIRST_SLICE: &str = include_str!("../../fixtures/first-slice.sql");
/// What that release showed of it.
const FIRST_SLICE_SHOWN: &str = include_str!("../../fixtures/first-slice.json");

#[tokio::test]
async fn a_database_of_the_first_release_is_read_as_it_was() {
    let database = TestDatabase::sqlite();
    database.raw().await.execute(FIRST_SLICE).await.unwrap();
    let store = database.open().await;
    let model = store.load().await.unwrap();
    let shown: serde_json::Value = serde_json::from_str(FIRST_SLICE_SHOWN).unwrap();
    for (collection, kind) in [
        ("clusters", Kind::Cluster),
        ("services", Kind::Service),
        ("layers", Kind::Layer),
        ("experiments", Kind::Experiment),
    ] {
        let now: Vec<_> = model
            .entries(kind)
            .iter()
            .map(crate::model::entry::Entry::document)
            .collect();
        assert_eq!(serde_json::to_value(now).unwrap(), shown[collection]);
    }
    // It is no museum: changes go on from there.
    let next = commit(&store, &model, &layer("new")).await;
    assert_eq!(next.revision, model.revision + 1);
    assert_eq!(store.load().await.unwrap(), next);
}
