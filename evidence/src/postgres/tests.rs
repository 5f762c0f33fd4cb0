use super::*;
use crate::store::laws::{self, batch, exposure, fold_all};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use watershed_harness::{Durability, Postgres};

/// What keeps a store's server.
struct Kept {
    server: Postgres,
    options: PgConnectOptions,
}

async fn open() -> Option<(PostgresStore, Kept)> {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = Postgres::start(Durability::None)?;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    let url = server.create(&format!("evidence_{}_{number}", process::id()));
    let options: PgConnectOptions = url.parse().unwrap();
    let store = PostgresStore::open(options.clone()).await.unwrap();
    Some((store, Kept { server, options }))
}

laws::laws!(open());

/// Batches of a replica of its own, of units of its own.
async fn appends(store: PostgresStore, writer: i64) {
    for number in 1..=20_i64 {
        let unit = format!("u-{writer}-{number}");
        let mut batch = batch(number, &[exposure(&unit, "a", writer * 100 + number)], &[]);
        batch.writer = writer;
        store.append(&batch).await.unwrap();
    }
}

#[tokio::test]
async fn what_two_replicas_append_and_fold_at_the_same_time_is_there_once() {
    let Some((one, kept)) = open().await else {
        return;
    };
    let two = PostgresStore::open(kept.options.clone()).await.unwrap();
    let folding = |store: PostgresStore| async move {
        for _ in 0..40 {
            match store.fold().await {
                Ok(_) | Err(StoreError::Raced) => tokio::task::yield_now().await,
                Err(fault) => panic!("{fault}"),
            }
        }
    };
    tokio::join!(
        appends(one.clone(), 1),
        appends(two.clone(), 2),
        folding(one.clone()),
        folding(two.clone()),
    );
    fold_all(&two).await;
    for store in [&one, &two] {
        let summary = store.summary("chat").await.unwrap();
        assert_eq!((summary.counts.exposures, summary.units["a"]), (40, 40));
        assert_eq!(summary.behind, 0);
    }
    // What one numbered, the other takes up.
    let b = batch(21, &[exposure("u-1-1", "b", 9_000)], &[]);
    one.append(&b).await.unwrap();
    fold_all(&one).await;
    let c = batch(22, &[exposure("u-1-2", "c", 9_001)], &[]);
    two.append(&c).await.unwrap();
    fold_all(&two).await;
    assert_eq!(one.summary("chat").await.unwrap().contaminated["a"], 2);
}

#[tokio::test]
async fn replicas_that_start_at_once_make_the_tables_once() {
    let Some((_, kept)) = open().await else {
        return;
    };
    let url = kept.server.create("anew");
    let options: PgConnectOptions = url.parse().unwrap();
    let open = || PostgresStore::open(options.clone());
    let (one, two, three) = tokio::join!(open(), open(), open());
    for store in [one, two, three] {
        store.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_to_be_and_what_is_sent_again_is_kept_once() {
    let Some((store, mut kept)) = open().await else {
        return;
    };
    let first = batch(1, &[exposure("u-1", "a", 1)], &[]);
    store.append(&first).await.unwrap();
    kept.server.stop();
    let second = batch(2, &[exposure("u-2", "a", 2)], &[]);
    let fault = store.append(&second).await.unwrap_err();
    assert!(fault.is_transient(), "{fault}");
    let told = fault.to_string();
    assert!(
        told.starts_with("the evidence database does not answer: "),
        "{told}"
    );
    kept.server.run();
    while store.append(&second).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(store.append(&first).await.unwrap().repeated);
    fold_all(&store).await;
    assert_eq!(store.summary("chat").await.unwrap().counts.exposures, 2);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_what_is_damaged_is_named() {
    let Some((store, kept)) = open().await else {
        return;
    };
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    store
        .pool()
        .execute("UPDATE evidence_log SET data = '\\x00'")
        .await
        .unwrap();
    let fault = store.fold().await.unwrap_err().to_string();
    assert!(
        fault.starts_with("block 1 of the evidence log: it does not decompress"),
        "{fault}"
    );
    store
        .pool()
        .execute("UPDATE evidence_schema SET version = 9")
        .await
        .unwrap();
    let fault = PostgresStore::open(kept.options.clone()).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the evidence database has schema 9; this version knows 2"
    );
}

#[tokio::test]
async fn a_database_of_an_earlier_version_gets_the_table_that_it_does_not_have() {
    let Some((store, kept)) = open().await else {
        return;
    };
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    fold_all(&store).await;
    store
        .pool()
        .execute("DROP TABLE evidence_bookmarks")
        .await
        .unwrap();
    let store = PostgresStore::open(kept.options.clone()).await.unwrap();
    store.keep_bookmark("one", Cursor(1)).await.unwrap();
    let summary = store.summary("chat").await.unwrap();
    assert_eq!((summary.counts.exposures, summary.behind), (1, 0));
}
