//! Tests of the store on real files: what is kept, what is refused at the start, and that neither
//! half a change nor two changes under one revision are ever kept.

use super::{Author, Store, StoreError};
use crate::model::change::{self, Applied, Change, Precondition, Spec};
use crate::model::{Key, Kind, Model};
use jiff::Timestamp;
use sqlx::{AnyConnection, Connection, Executor, Row};
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
async fn filled(path: &Path) -> (Store, Model) {
    let store = Store::open(path).await.unwrap();
    let mut model = Model::default();
    for change in [cluster("a", 80), layer("models"), experiment("x")] {
        model = commit(&store, &model, &change).await;
    }
    (store, model)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watershed.db");
    (folder, path)
}

async fn raw(path: &Path) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    AnyConnection::connect(&url).await.unwrap()
}

#[tokio::test]
async fn a_new_database_holds_the_empty_model() {
    let (_folder, path) = folder();
    let store = Store::open(&path).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.load().await.unwrap(), Model::default());
}

#[tokio::test]
async fn what_was_committed_is_there_when_it_is_opened_again() {
    let (_folder, path) = folder();
    let (store, model) = filled(&path).await;
    let changed = commit(&store, &model, &cluster("a", 81)).await;
    drop(store);
    let again = Store::open(&path).await.unwrap();
    assert_eq!(again.load().await.unwrap(), changed);
}

#[tokio::test]
async fn what_was_deleted_stays_deleted_and_its_revision_is_not_used_again() {
    let (_folder, path) = folder();
    let (store, model) = filled(&path).await;
    let model = commit(&store, &model, &Change::Delete(Kind::Cluster, key("a"))).await;
    drop(store);
    let again = Store::open(&path).await.unwrap();
    let loaded = again.load().await.unwrap();
    assert_eq!((loaded.revision, loaded.clusters.len()), (4, 0));
    assert_eq!(loaded, model);
}

#[tokio::test]
async fn every_change_leaves_a_record() {
    let (_folder, path) = folder();
    let (store, model) = filled(&path).await;
    let model = commit(&store, &model, &cluster("a", 81)).await;
    commit(&store, &model, &Change::Delete(Kind::Cluster, key("a"))).await;
    let rows = raw(&path)
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

#[tokio::test]
async fn two_writers_never_make_the_same_revision_and_the_loser_leaves_nothing() {
    let (_folder, path) = folder();
    let (one, model) = filled(&path).await;
    let two = Store::open(&path).await.unwrap();
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
    let (store, _) = filled(&path).await;
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
    filled(&path).await;
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
    filled(&path).await.0.close().await;
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

#[tokio::test]
async fn a_schema_from_the_future_is_not_touched() {
    let (_folder, path) = folder();
    filled(&path).await.0.close().await;
    raw(&path)
        .await
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9000, 'later', TRUE, x'00', 0)",
        )
        .await
        .unwrap();
    let fault = Store::open(&path).await.unwrap_err();
    assert!(
        matches!(
            fault,
            StoreError::NewerSchema {
                found: 9_000,
                known: 2
            }
        ),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_row_that_is_garbage_is_named() {
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
    for (assignment, reason) in cases {
        let (_folder, path) = folder();
        let (store, _) = filled(&path).await;
        let sql = format!("UPDATE documents SET {assignment} WHERE kind = 'cluster'");
        let mut connection = raw(&path).await;
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

#[tokio::test]
async fn rows_that_do_not_fit_together_are_refused() {
    let (_folder, path) = folder();
    let (store, _) = filled(&path).await;
    let mut connection = raw(&path).await;
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

/// A database that an earlier release wrote, as SQL.
const FIRST_SLICE: &str = include_str!("../../fixtures/first-slice.sql");
/// What that release showed of it.
const FIRST_SLICE_SHOWN: &str = include_str!("../../fixtures/first-slice.json");

#[tokio::test]
async fn a_database_of_the_first_release_is_read_as_it_was() {
    let (_folder, path) = folder();
    raw(&path).await.execute(FIRST_SLICE).await.unwrap();
    let store = Store::open(&path).await.unwrap();
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
