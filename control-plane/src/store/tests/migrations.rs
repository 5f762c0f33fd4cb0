//! From every earlier schema to the newest, with rows in every table that the earlier one had, on both
//! databases.

use super::*;
use crate::store::audit::Filter;
use crate::store::open::MIGRATIONS;
use crate::store::receipts::Effect;
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use std::borrow::Cow;

on_both_stores!(
    a_database_of_schema_1_goes_on_with_what_it_had,
    a_database_of_schema_2_goes_on_with_what_it_had,
    a_database_of_schema_3_goes_on_with_what_it_had,
);

/// What schema 2 added, as a server of that time wrote it, a second after what schema 1 had.
const OF_SCHEMA_2: [&str; 3] = [
    "INSERT INTO api_keys (id, name, role, hash, created_at, created_by) VALUES ('k1', 'ci', 'operator', \
     '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '2026-11-21T13:21:27Z', 'demo')",
    "INSERT INTO audit (id, at, actor, peer, action, kind, key, detail) VALUES \
     ('20261121T132127000-0000000000000017-00000000000000ff', '2026-11-21T13:21:27Z', 'demo', '10.0.0.1', \
     'create', 'api_key', 'ci', '{\"role\":\"operator\"}')",
    "INSERT INTO receipts (actor, idempotency_key, fingerprint, at, status, revision, document_created_at) \
     VALUES ('demo', 'once', 'abc', '2026-11-21T13:21:27Z', 201, 16, '2026-11-21T13:21:26.359Z')",
];

/// The documents and changes of a database of schema 1, one statement each.
fn of_schema_1() -> impl Iterator<Item = &'static str> {
    let rows = |line: &&str| {
        line.starts_with("INSERT INTO \"changes\"") || line.starts_with("INSERT INTO \"documents\"")
    };
    FIRST_SLICE.lines().filter(rows)
}

/// What [`of_schema_1`] has.
const CHANGES: usize = 17;
const DOCUMENTS: usize = 11;

/// Brings the schema to a version, as a server of that time did.
async fn migrate(database: &TestDatabase, version: i64) {
    let then = MIGRATIONS.iter().filter(|it| it.version <= version);
    let migrator = Migrator {
        migrations: Cow::Owned(then.cloned().collect()),
        ..Migrator::DEFAULT
    };
    migrator.run(&mut database.raw().await).await.unwrap();
}

async fn write(database: &TestDatabase, statements: impl Iterator<Item = &str>) {
    let mut connection = database.raw().await;
    for statement in statements {
        let statement = AssertSqlSafe(statement.to_owned());
        connection.execute(statement).await.unwrap();
    }
}

/// Opens it as the newest server does: documents and records are there, and changes go on from there.
async fn goes_on(database: &TestDatabase) -> Store {
    let store = database.open().await;
    let model = store.load().await.unwrap();
    let kinds = Kind::ALL.into_iter();
    let documents: usize = kinds.map(|kind| model.entries(kind).len()).sum();
    assert_eq!((documents, model.revision), (DOCUMENTS, CHANGES as u64));
    let next = commit(&store, &model, &layer("new")).await;
    assert_eq!(store.load().await.unwrap(), next);
    store
}

/// Who did what, the oldest first, without what the test itself did.
async fn audit(store: &Store) -> Vec<String> {
    let filter = Filter {
        limit: 1_000,
        ..Filter::default()
    };
    let mut records = store.audit(&filter).await.unwrap();
    records.retain(|it| it.event.key != "new");
    let said = records.iter().rev().map(|it| {
        let event = &it.event;
        format!("{} {} {}", event.action, event.kind, event.key)
    });
    said.collect()
}

async fn a_database_of_schema_1_goes_on_with_what_it_had(database: &TestDatabase) {
    migrate(database, 1).await;
    write(database, of_schema_1()).await;
    let store = goes_on(database).await;
    let audit = audit(&store).await;
    assert_eq!(audit.len(), CHANGES);
    assert_eq!(audit.first().unwrap(), "create cluster stable-a");
    assert_eq!(audit.last().unwrap(), "delete layer gone");
}

async fn a_database_of_schema_2_goes_on_with_what_it_had(database: &TestDatabase) {
    migrate(database, 1).await;
    write(database, of_schema_1()).await;
    migrate(database, 2).await;
    write(database, OF_SCHEMA_2.into_iter()).await;
    has_what_schema_2_had(database).await;
}

async fn a_database_of_schema_3_goes_on_with_what_it_had(database: &TestDatabase) {
    migrate(database, 1).await;
    write(database, of_schema_1()).await;
    migrate(database, 2).await;
    write(database, OF_SCHEMA_2.into_iter()).await;
    // It added an index and leases, of which none outlives its time.
    migrate(database, 3).await;
    has_what_schema_2_had(database).await;
}

async fn has_what_schema_2_had(database: &TestDatabase) {
    let store = goes_on(database).await;
    let audit = audit(&store).await;
    assert_eq!(audit.len(), CHANGES + 1);
    assert_eq!(audit.last().unwrap(), "create api_key ci");
    let keys = store.keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].name.to_string(), "ci");
    let later = "2026-11-21T14:00:00Z".parse().unwrap();
    let kept = store.receipt("demo", "once", later).await.unwrap().unwrap();
    assert_eq!(
        (kept.fingerprint.as_str(), kept.effect),
        ("abc", Effect::Created)
    );
    assert_eq!(kept.document.unwrap().key, "gone");
}

#[test]
fn every_earlier_schema_has_its_test() {
    let versions: Vec<i64> = MIGRATIONS.iter().map(|it| it.version).collect();
    assert_eq!(
        versions,
        [1, 2, 3, 4],
        "a new schema: write a test here that begins at the one before it"
    );
}
