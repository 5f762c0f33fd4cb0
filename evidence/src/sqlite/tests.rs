use super::*;
use crate::store::laws::{self, batch, exposure, fold_all};
use tempfile::TempDir;

async fn open() -> Option<(SqliteStore, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("evidence.db")).unwrap();
    Some((store, folder))
}

laws::laws!(open());

#[tokio::test]
async fn what_was_kept_and_numbered_is_there_after_opening_again() {
    let (store, folder) = open().await.unwrap();
    let path = folder.path().join("evidence.db");
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    fold_all(&store).await;
    store
        .append(&batch(2, &[exposure("u-1", "a", 6)], &[]))
        .await
        .unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert!(
        store
            .append(&batch(2, &[exposure("u-1", "a", 6)], &[]))
            .await
            .unwrap()
            .repeated
    );
    fold_all(&store).await;
    let summary = store.summary("chat").await.unwrap();
    assert_eq!(
        (summary.counts.exposures, summary.units["a"], summary.behind),
        (2, 1, 0)
    );
}

#[tokio::test]
async fn an_account_is_that_of_the_last_batch_that_was_kept_and_had_one() {
    let (store, folder) = open().await.unwrap();
    assert_eq!(store.account().await.unwrap(), None);
    let with = |number, account: Option<&[u8]>| Batch {
        account: account.map(<[u8]>::to_vec),
        ..batch(number, &[exposure("u-1", "a", number)], &[])
    };
    store.append(&with(1, Some(b"one"))).await.unwrap();
    store.append(&with(2, Some(b"two"))).await.unwrap();
    store.append(&with(3, None)).await.unwrap();
    store.append(&with(1, Some(b"one"))).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&folder.path().join("evidence.db")).unwrap();
    assert_eq!(store.account().await.unwrap().as_deref(), Some(&b"two"[..]));
}

#[tokio::test]
async fn the_bytes_of_a_forgotten_unit_are_in_no_file() {
    let (store, folder) = open().await.unwrap();
    let exposures: Vec<_> = (0..50)
        .map(|i| exposure(&format!("u-{i}"), "a", i))
        .collect();
    store.append(&batch(1, &exposures, &[])).await.unwrap();
    fold_all(&store).await;
    let key = laws::key("u-7");
    let found = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let holds = |bytes: &[u8]| bytes.windows(16).any(|it| it == key.0);
        files
            .filter(|it| holds(&std::fs::read(it.as_ref().unwrap().path()).unwrap()))
            .count()
    };
    assert!(found() > 0);
    store.forget(key).await.unwrap();
    assert_eq!(found(), 0);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_one_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA user_version = 9")
        .unwrap();
    let fault = SqliteStore::open(&path).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the evidence database has schema 9; this version knows 1"
    );
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "a".repeat(5_000)).unwrap();
    let fault = SqliteStore::open(&text).unwrap_err().to_string();
    assert!(
        fault.contains("notes.txt") && fault.contains("not a database"),
        "{fault}"
    );
}

#[tokio::test]
async fn what_an_older_version_folded_is_folded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.db");
    let store = SqliteStore::open(&path).unwrap();
    let exposures = [exposure("u-1", "a", 5)];
    store.append(&batch(1, &exposures, &[])).await.unwrap();
    fold_all(&store).await;
    drop(store);
    Connection::open(units_path(&path))
        .unwrap()
        .execute_batch("UPDATE sums SET x = 99; PRAGMA user_version = 1")
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.summary("chat").await.unwrap().behind, 1);
    fold_all(&store).await;
    let requests = store.sufficient("chat", "requests").await.unwrap();
    assert_eq!(requests.variants["a"].sums.x, 1.0);
}

#[tokio::test]
async fn a_full_disk_is_said_to_be_full_and_goes_on_when_there_is_room() {
    let (store, _folder) = open().await.unwrap();
    let many: Vec<_> = (0..5_000)
        .map(|i| exposure(&format!("u-{i}"), "a", i))
        .collect();
    hold(&store.0.log)
        .execute_batch("PRAGMA max_page_count = 12")
        .unwrap();
    let fault = store.append(&batch(1, &many, &[])).await.unwrap_err();
    assert!(
        matches!(fault, StoreError::Full(_)) && fault.is_transient(),
        "{fault}"
    );
    assert!(fault.to_string().starts_with("no room left for evidence: "));
    hold(&store.0.log)
        .execute_batch("PRAGMA max_page_count = 1000000")
        .unwrap();
    assert!(!store.append(&batch(1, &many, &[])).await.unwrap().repeated);
}

#[tokio::test]
async fn a_block_that_cannot_be_read_is_named() {
    let (store, _folder) = open().await.unwrap();
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    hold(&store.0.log)
        .execute_batch("UPDATE log SET data = x'00'")
        .unwrap();
    let fault = store.fold().await.unwrap_err().to_string();
    assert!(
        fault.starts_with("block 1 of the evidence log: it does not decompress"),
        "{fault}"
    );
}
