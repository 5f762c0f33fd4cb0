//! Tests of the audit and of the keys on both kinds of store.

use super::*;
use crate::auth::key::{NewKey, RANDOM_BYTES};
use crate::auth::{KeyRecord, Role};
use crate::model::change::{self, Applied, Change, Precondition, Spec};
use crate::model::{Key, Kind, Model};
use crate::store::Origin;
use crate::store::testing::{TestDatabase, on_both_stores};
use serde_json::json;

on_both_stores!(
    a_change_is_told_with_who_where_why_and_both_documents,
    records_are_found_by_each_of_their_parts_and_by_all_of_them,
    pages_follow_one_another_without_a_gap,
    a_record_that_is_garbage_is_named,
    changes_from_before_the_audit_are_in_it,
    a_key_and_its_record_are_kept_together_and_a_name_once,
    a_key_that_is_garbage_is_named,
);

fn author(actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        reason: Some("because".to_owned()),
        origin: Origin {
            peer: Some("10.0.0.7".to_owned()),
            user_agent: Some("curl/8".to_owned()),
        },
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn name(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn layer(layer: &str) -> Change {
    let spec = serde_saphyr::from_str("{}").unwrap();
    Change::Put(name(layer), Spec::Layer(spec))
}

async fn commit(store: &Store, model: &Model, change: &Change, now: Timestamp) -> Model {
    let Applied { model, edit } = change::apply(model, change, Precondition::None, now).unwrap();
    store
        .commit(&edit.unwrap(), &author("key:a"), None)
        .await
        .unwrap();
    model
}

fn event(second: i64, action: &str, tail: u64) -> Event {
    Event {
        at: at(second),
        author: author("key:b"),
        action: action.to_owned(),
        kind: "api_key".to_owned(),
        key: "ci".to_owned(),
        revision: None,
        at_revision: 0,
        detail: Some(json!({"role": "editor"})),
        tail,
    }
}

fn key(byte: u8, called: &str) -> KeyRecord {
    let made = NewKey::from_random(&[byte; RANDOM_BYTES]);
    KeyRecord {
        id: made.id,
        name: name(called),
        role: Role::Editor,
        hash: made.hash,
        created_at: at(0),
        created_by: "key:b".to_owned(),
        expires_at: Some(at(1_000)),
        revoked_at: None,
    }
}

/// The newest ten, as `action key`.
async fn told(store: &Store, filter: Filter) -> Vec<String> {
    let filter = Filter {
        limit: 10,
        ..filter
    };
    let records = store.audit(&filter).await.unwrap();
    let line = |record: &Record| format!("{} {}", record.event.action, record.event.key);
    records.iter().map(line).collect()
}

async fn a_change_is_told_with_who_where_why_and_both_documents(database: &TestDatabase) {
    let store = database.open().await;
    let model = commit(&store, &Model::default(), &layer("a"), at(0)).await;
    commit(
        &store,
        &model,
        &Change::Delete(Kind::Layer, name("a")),
        at(1),
    )
    .await;
    let all = Filter {
        limit: 10,
        ..Filter::default()
    };
    let records = store.audit(&all).await.unwrap();
    let [deleted, created] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(created.event.author, author("key:a"));
    assert_eq!(created.event.at, at(0));
    assert_eq!(
        (created.event.revision, created.revision_before),
        (Some(1), None)
    );
    assert_eq!(
        (deleted.event.revision, deleted.revision_before),
        (Some(2), Some(1))
    );
    assert_eq!(created.before, None);
    assert_eq!(created.after, deleted.before);
    assert_eq!(created.after.as_ref().unwrap()["spec"]["salt"], "a");
}

async fn records_are_found_by_each_of_their_parts_and_by_all_of_them(database: &TestDatabase) {
    let store = database.open().await;
    let model = commit(&store, &Model::default(), &layer("a"), at(0)).await;
    commit(&store, &model, &layer("b"), at(10)).await;
    store.record(&event(20, "create", 2)).await.unwrap();
    store.record(&event(20, "revoke", 3)).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (
            Filter::default(),
            vec!["revoke ci", "create ci", "create b", "create a"],
        ),
        (
            Filter {
                actor: some("key:a"),
                ..Filter::default()
            },
            vec!["create b", "create a"],
        ),
        (
            Filter {
                action: some("revoke"),
                ..Filter::default()
            },
            vec!["revoke ci"],
        ),
        (
            Filter {
                kind: some("layer"),
                key: some("b"),
                ..Filter::default()
            },
            vec!["create b"],
        ),
        (
            Filter {
                since: Some(at(10)),
                until: Some(at(20)),
                ..Filter::default()
            },
            vec!["create b"],
        ),
        (
            Filter {
                actor: some("' OR 1 = 1 --"),
                ..Filter::default()
            },
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(told(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn pages_follow_one_another_without_a_gap(database: &TestDatabase) {
    let store = database.open().await;
    for tail in 0..7 {
        store.record(&event(0, "create", tail)).await.unwrap();
    }
    let mut filter = Filter {
        limit: 3,
        ..Filter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = store.audit(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before_id = Some(last.id.clone());
        seen.extend(page.into_iter().map(|record| record.id));
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
}

async fn a_record_that_is_garbage_is_named(database: &TestDatabase) {
    let store = database.open().await;
    for (assignment, reason) in [
        ("at = 'noon'", "a time cannot be read"),
        ("detail = '{'", "a text is not JSON"),
        ("revision = -1", "the revision is negative"),
    ] {
        store.record(&event(0, "create", 1)).await.unwrap();
        let sql = format!("UPDATE audit SET {assignment}");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&store.pool)
            .await
            .unwrap();
        let filter = Filter {
            limit: 1,
            ..Filter::default()
        };
        let fault = store.audit(&filter).await.unwrap_err().to_string();
        assert!(fault.starts_with("table audit, row id=2027"), "{fault}");
        assert!(fault.contains(reason), "{fault}");
        sqlx::query("DELETE FROM audit")
            .execute(&store.pool)
            .await
            .unwrap();
    }
}

async fn changes_from_before_the_audit_are_in_it(database: &TestDatabase) {
    let store = database.open().await;
    let model = commit(&store, &Model::default(), &layer("a"), at(0)).await;
    commit(&store, &model, &layer("b"), at(1)).await;
    let told_then = told(&store, Filter::default()).await;
    // What the migration does, anew.
    let migration = include_str!("../../../migrations/0002_keys_audit_receipts.sql");
    let (_, backfill) = migration.split_once("INSERT INTO audit").unwrap();
    let (backfill, _) = backfill.split_once(';').unwrap();
    sqlx::query("DELETE FROM audit")
        .execute(&store.pool)
        .await
        .unwrap();
    let sql = format!("INSERT INTO audit{backfill}");
    sqlx::query(AssertSqlSafe(sql))
        .execute(&store.pool)
        .await
        .unwrap();
    assert_eq!(told(&store, Filter::default()).await, told_then);
    let since = Filter {
        since: Some(at(1)),
        ..Filter::default()
    };
    assert_eq!(told(&store, since).await, ["create b"]);
}

async fn a_key_and_its_record_are_kept_together_and_a_name_once(database: &TestDatabase) {
    let store = database.open().await;
    let ci = key(1, "ci");
    store.add_key(&ci, &event(0, "create", 1)).await.unwrap();
    assert_eq!(store.keys().await.unwrap(), std::slice::from_ref(&ci));
    let again = store.add_key(&key(2, "ci"), &event(1, "create", 2)).await;
    assert!(matches!(again, Err(StoreError::Raced)), "{again:?}");
    assert_eq!(told(&store, Filter::default()).await, ["create ci"]);
    let other = key(3, "other");
    store.add_key(&other, &event(2, "create", 3)).await.unwrap();
    assert!(
        store
            .revoke_key(&ci.id, &event(3, "revoke", 4))
            .await
            .unwrap()
    );
    assert!(
        !store
            .revoke_key(&ci.id, &event(4, "revoke", 5))
            .await
            .unwrap()
    );
    assert!(
        !store
            .revoke_key("nobody", &event(4, "revoke", 6))
            .await
            .unwrap()
    );
    let revoked = KeyRecord {
        revoked_at: Some(at(3)),
        ..ci
    };
    assert_eq!(store.keys().await.unwrap(), [revoked, other]);
    assert_eq!(told(&store, Filter::default()).await.len(), 3);
}

async fn a_key_that_is_garbage_is_named(database: &TestDatabase) {
    let store = database.open().await;
    store
        .add_key(&key(1, "ci"), &event(0, "create", 1))
        .await
        .unwrap();
    let cases = [
        ("hash = 'x'", "the hash is not 64"),
        ("role = 'root'", "there is no such role"),
        ("name = 'A B'", "the name is not a key"),
        ("created_at = ''", "a time cannot be read"),
    ];
    for (tail, (assignment, reason)) in (2..).zip(cases) {
        let sql = format!("UPDATE api_keys SET {assignment}");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&store.pool)
            .await
            .unwrap();
        let fault = store.keys().await.unwrap_err().to_string();
        assert!(fault.starts_with("table api_keys, row id=0101"), "{fault}");
        assert!(fault.contains(reason), "{fault}");
        sqlx::query("DELETE FROM api_keys")
            .execute(&store.pool)
            .await
            .unwrap();
        store
            .add_key(&key(1, "ci"), &event(0, "create", tail))
            .await
            .unwrap();
    }
}
