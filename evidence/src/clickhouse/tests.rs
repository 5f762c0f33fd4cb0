use super::*;
use crate::outcome::{Outcome, Value};
use crate::store::Cursor;
use crate::store::laws::{self, batch, exposure, fold_all, key, units};
use std::time::Duration;
use watershed_harness::ClickHouse;

/// The options of a store whose server has one writer.
fn options(server: &ClickHouse) -> ClickHouseOptions {
    let options: ClickHouseOptions = server.url().parse().unwrap();
    options.with_settle(Duration::ZERO)
}

async fn open() -> Option<(ClickHouseStore, ClickHouse)> {
    let server = ClickHouse::start()?;
    let store = ClickHouseStore::open(options(&server)).await.unwrap();
    Some((store, server))
}

laws::laws!(open());

fn outcome(unit: &str, value: f64, time: i64) -> Outcome {
    Outcome {
        experiment: None,
        unit_type: "user".to_owned(),
        unit: units().unit("user", unit),
        metric: "it's a \\ metric".to_owned(),
        value: Value::new(value).unwrap(),
        time,
        idempotency_key: Some(unit.to_owned()),
    }
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_there_once_in_the_log_and_in_all_that_follows() {
    let Some((store, server)) = open().await else {
        return;
    };
    let all = [exposure("u-1", "a", 5), exposure("u-2", "b", 6)];
    let first = batch(1, &all, &[outcome("u-1", 2.0, 9)]);
    store.append(&first).await.unwrap();
    // As if it had been cut off before the last view had it.
    server.sql("TRUNCATE TABLE evidence_writers");
    let appended = store.append(&first).await.unwrap();
    assert_eq!(
        appended,
        Appended::default(),
        "it is as new, and no outcome of it is a duplicate"
    );
    let summary = store.summary("chat").await.unwrap();
    assert_eq!(
        (summary.counts.exposures, summary.counts.attributed),
        (2, 1)
    );
    for measure in ["requests", "it's a \\ metric"] {
        let sums = store.sufficient("chat", measure).await.unwrap().variants["a"].sums;
        assert_eq!(
            (sums.n, sums.x),
            (1, if measure == "requests" { 1.0 } else { 2.0 })
        );
    }
    let minutes = store
        .timeline("chat", Span { from: 0, to: 60 })
        .await
        .unwrap();
    assert_eq!(minutes.iter().map(|it| it.requests).sum::<u64>(), 2);
}

#[tokio::test]
async fn what_two_replicas_append_at_the_same_time_is_there_once_and_an_outcome_of_both_counts_once()
 {
    let Some((one, server)) = open().await else {
        return;
    };
    let two = ClickHouseStore::open(options(&server)).await.unwrap();
    let appends = async |store: &ClickHouseStore, writer: i64| {
        for number in 1..=10_i64 {
            let unit = format!("u-{writer}-{number}");
            // An outcome that a reporter sent to both.
            let both = outcome(&format!("both-{number}"), 3.0, 9);
            let exposures = [
                exposure(&unit, "a", number),
                exposure(&format!("both-{number}"), "b", 1),
            ];
            let mut batch = batch(number, &exposures, &[both]);
            batch.writer = writer;
            store.append(&batch).await.unwrap();
        }
    };
    tokio::join!(appends(&one, 1), appends(&two, 2));
    for store in [&one, &two] {
        let summary = store.summary("chat").await.unwrap();
        assert_eq!(
            (
                summary.counts.exposures,
                summary.units["a"],
                summary.units["b"]
            ),
            (40, 20, 10)
        );
        assert_eq!(summary.counts.attributed, 10);
    }
    let mut scan = Scan {
        limit: 7,
        ..Scan::default()
    };
    let mut read = 0;
    loop {
        let page = one.exposures(&scan).await.unwrap();
        read += page.exposures.len();
        scan.after = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(read, 40);
}

#[tokio::test]
async fn raw_exposures_are_shown_when_no_earlier_one_can_come_any_more() {
    let Some((_, server)) = open().await else {
        return;
    };
    let waits: ClickHouseOptions = server.url().parse().unwrap();
    let store = ClickHouseStore::open(waits).await.unwrap();
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    let scan = Scan {
        limit: 9,
        ..Scan::default()
    };
    let page = store.exposures(&scan).await.unwrap();
    assert_eq!(
        (page.exposures.len(), page.next, page.more),
        (0, Cursor(0), false)
    );
    assert_eq!(store.summary("chat").await.unwrap().counts.exposures, 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_to_be_and_what_is_sent_again_is_kept_once() {
    let Some((store, mut server)) = open().await else {
        return;
    };
    let first = batch(1, &[exposure("u-1", "a", 1)], &[]);
    store.append(&first).await.unwrap();
    server.kill();
    let second = batch(2, &[exposure("u-2", "a", 2)], &[]);
    let fault = store.append(&second).await.unwrap_err();
    assert!(fault.is_transient(), "{fault}");
    let told = fault.to_string();
    assert!(
        told.starts_with("the evidence database does not answer: "),
        "{told}"
    );
    server.run();
    store.append(&second).await.unwrap();
    assert!(store.append(&first).await.unwrap().repeated);
    fold_all(&store).await;
    assert_eq!(store.summary("chat").await.unwrap().counts.exposures, 2);
}

#[tokio::test]
async fn whoever_may_not_is_told_so_and_a_newer_schema_is_refused() {
    let Some((store, server)) = open().await else {
        return;
    };
    let nobody: ClickHouseOptions = server.url().replace("secret", "guess").parse().unwrap();
    let fault = ClickHouseStore::open(nobody).await.unwrap_err();
    assert!(
        !fault.is_transient() && fault.to_string().contains("Authentication failed"),
        "{fault}"
    );
    let elsewhere: ClickHouseOptions = server.url().replace("/default", "/none").parse().unwrap();
    let fault = ClickHouseStore::open(elsewhere)
        .await
        .unwrap_err()
        .to_string();
    assert!(fault.contains("UNKNOWN_DATABASE"), "{fault}");
    store.keep_setting("schema", "9").await.unwrap();
    let fault = ClickHouseStore::open(options(&server)).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the evidence database has schema 9; this version knows 1"
    );
}

#[tokio::test]
async fn two_that_draw_a_secret_at_once_have_the_same() {
    let Some((one, server)) = open().await else {
        return;
    };
    let two = ClickHouseStore::open(options(&server)).await.unwrap();
    let (first, second) = tokio::join!(one.secret([1; 32]), two.secret([2; 32]));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(server.sql("SELECT count() FROM evidence_secrets"), "1");
}

#[tokio::test]
async fn the_engine_and_we_put_a_number_into_the_same_bin() {
    let Some((_, server)) = open().await else {
        return;
    };
    let numbers = [
        0.0, 1e-10, 1e-9, 0.001, 0.5, 1.0, 1.02, 10.0, 123.456, 1e6, 1e17, 1e30, -1.0, -250.0,
        -1e-12,
    ];
    let list = numbers.map(|it| format!("toFloat64({it:?})")).join(", ");
    let sql = format!(
        "SELECT {} FROM (SELECT arrayJoin([{list}]) AS it)",
        schema::bin("it")
    );
    let bins: Vec<i32> = server
        .sql(&sql)
        .lines()
        .map(|it| it.parse().unwrap())
        .collect();
    for (number, bin) in numbers.into_iter().zip(bins) {
        let mut ours = crate::sketch::Sketch::default();
        ours.add(number);
        assert_eq!(crate::sketch::Sketch::of_bins([(bin, 1)]), ours, "{number}");
    }
}

#[tokio::test]
async fn tables_let_go_of_raw_evidence_by_themselves_and_keep_units() {
    let Some((_, server)) = open().await else {
        return;
    };
    let short = Retention {
        raw: Duration::from_secs(1),
        ..Retention::default()
    };
    let store = ClickHouseStore::open(options(&server).with_retention(short))
        .await
        .unwrap();
    store
        .append(&batch(1, &[exposure("u-1", "a", 5)], &[]))
        .await
        .unwrap();
    while server.sql("SELECT count() FROM evidence_log") != "0" {
        server.sql("OPTIMIZE TABLE evidence_log FINAL");
    }
    assert_eq!(store.summary("chat").await.unwrap().units["a"], 1);
    assert_eq!(store.unit(key("u-1")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_engine_reads_what_a_cluster_is_asked() {
    let Some((_, server)) = open().await else {
        return;
    };
    let options: ClickHouseOptions = "clickhouse://db/ours?cluster=main".parse().unwrap();
    let tables = Tables::of(&options);
    for statement in tables.schema(Some(Duration::from_secs(9))) {
        server.sql(&format!("EXPLAIN AST {statement}"));
    }
    let shards = tables.on_shards("SELECT unit AS x FROM evidence_units_local");
    server.sql(&format!("EXPLAIN AST SELECT x FROM {shards}"));
}

#[tokio::test]
async fn times_that_no_clock_has_lose_nothing() {
    let Some((store, _server)) = open().await else {
        return;
    };
    let times = [9_000_000_000, 5, -3, i64::MIN, i64::MAX];
    let all = times.map(|time| exposure("u-1", "a", time));
    store.append(&batch(1, &all, &[])).await.unwrap();
    let summary = store.summary("chat").await.unwrap();
    assert_eq!((summary.counts.exposures, summary.units["a"]), (5, 1));
    store.sufficient("chat", "requests").await.unwrap();
}
