use super::*;
use crate::measure::Measures;
use crate::outcome::Value;
use crate::sqlite::SqliteStore;
use crate::store::laws::{exposure, units};
use crate::store::{
    Appended, Cursor, Folded, Forgotten, Minute, Page, Retained, Retention, Scan, Span, Sufficient,
    Summary, UnitRecord,
};
use crate::unit::UnitKey;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A store whose database may be gone.
#[derive(Debug)]
struct Gate {
    store: SqliteStore,
    gone: AtomicBool,
}

impl Gate {
    fn through(&self) -> Result<&SqliteStore, StoreError> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("gone".to_owned())),
            false => Ok(&self.store),
        }
    }
}

#[async_trait]
impl EvidenceStore for Gate {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        self.through()?.append(batch).await
    }
    async fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        self.through()?.define(measures).await
    }
    async fn fold(&self) -> Result<Folded, StoreError> {
        self.through()?.fold().await
    }
    async fn sufficient(&self, experiment: &str, measure: &str) -> Result<Sufficient, StoreError> {
        self.through()?.sufficient(experiment, measure).await
    }
    async fn summary(&self, experiment: &str) -> Result<Summary, StoreError> {
        self.through()?.summary(experiment).await
    }
    async fn timeline(&self, experiment: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        self.through()?.timeline(experiment, span).await
    }
    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.through()?.exposures(scan).await
    }
    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError> {
        self.through()?.bookmark(reader).await
    }
    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError> {
        self.through()?.keep_bookmark(reader, place).await
    }
    async fn unit(&self, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        self.through()?.unit(key).await
    }
    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        self.through()?.forget(key).await
    }
    async fn retain(&self, retention: &Retention, now: i64) -> Result<Retained, StoreError> {
        self.through()?.retain(retention, now).await
    }
    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.through()?.secret(candidate).await
    }
    async fn account(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.through()?.account().await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.through()?.ping().await
    }
}

struct Running {
    pipeline: Pipeline,
    gate: Arc<Gate>,
    stop: CancellationToken,
    driver: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

fn running(max_bytes: usize) -> Running {
    running_with(PipelineConfig {
        flush: Duration::from_millis(5),
        max_bytes,
        ..PipelineConfig::default()
    })
}

fn running_with(config: PipelineConfig) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate {
        store: SqliteStore::open(&folder.path().join("evidence.db")).unwrap(),
        gone: AtomicBool::new(false),
    });
    let stop = CancellationToken::new();
    let store: Arc<dyn EvidenceStore> = gate.clone();
    let (pipeline, driver) = Pipeline::new(store, config, 7, stop.clone().cancelled_owned());
    Running {
        pipeline,
        gate,
        stop,
        driver: tokio::spawn(driver),
        _folder: folder,
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn outcome(key: &str) -> Outcome {
    Outcome {
        experiment: Some("chat".to_owned()),
        unit_type: "user".to_owned(),
        unit: units().unit("user", "u-1"),
        metric: "revenue".to_owned(),
        value: Value::new(2.0).unwrap(),
        time: 9,
        idempotency_key: Some(key.to_owned()),
    }
}

#[tokio::test]
async fn what_goes_in_is_kept_once_and_folded() {
    let it = running(1 << 20);
    it.pipeline.exposures(
        &[
            exposure("u-1", "a", 5),
            exposure("u-1", "a", 5),
            exposure("u-2", "b", 6),
        ],
        |_| {},
    );
    assert_eq!(
        it.pipeline
            .outcomes(vec![outcome("x"), outcome("y"), outcome("x")])
            .await,
        Ok(1)
    );
    until(async || it.gate.summary("chat").await.unwrap().counts.attributed == 2).await;
    assert_eq!(it.gate.summary("chat").await.unwrap().counts.exposures, 2);
    let counters = it.pipeline.counters();
    assert_eq!(counters.duplicates(), 1);
    assert_eq!(counters.taken(), 2);
    assert!(counters.all_dropped().is_empty());
}

#[tokio::test]
async fn while_the_database_is_gone_evidence_waits_up_to_its_bound_and_what_is_dropped_is_counted()
{
    let it = running(64 << 10);
    it.gate.gone.store(true, Ordering::SeqCst);
    let dropped = || {
        it.pipeline
            .counters()
            .all_dropped()
            .get("chat")
            .copied()
            .unwrap_or(0)
    };
    let mut sent = 0_u64;
    while dropped() < 100 {
        it.pipeline.exposures(
            &[exposure("u-1", "a", i64::try_from(sent).unwrap())],
            |_| {},
        );
        sent += 1;
        if sent.is_multiple_of(50) {
            tokio::task::yield_now().await;
        }
    }
    until(async || it.pipeline.counters().failures() > 0).await;
    assert!(it.pipeline.outcomes(vec![outcome("x")]).await.is_err());
    it.gate.gone.store(false, Ordering::SeqCst);
    let expected = sent - dropped();
    until(async || {
        it.gate
            .summary("chat")
            .await
            .is_ok_and(|all| all.counts.exposures == expected)
    })
    .await;
    until(async || it.pipeline.counters().lag() == Lag::default()).await;
    assert_eq!(it.pipeline.outcomes(vec![outcome("x")]).await, Ok(0));
}

#[tokio::test]
async fn outcomes_that_cannot_be_kept_are_refused_and_may_be_sent_again() {
    let it = running(1 << 20);
    it.gate.gone.store(true, Ordering::SeqCst);
    let refused = it.pipeline.outcomes(vec![outcome("x")]).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the evidence database does not answer; send it again"
    );
    it.gate.gone.store(false, Ordering::SeqCst);
    assert_eq!(it.pipeline.outcomes(vec![outcome("x")]).await, Ok(0));
    let many = vec![outcome("z"); 10_000];
    assert_eq!(it.pipeline.outcomes(many).await, Err(Refused::Busy));
}

#[tokio::test]
async fn what_was_gathered_is_kept_before_it_ends() {
    let it = running(1 << 20);
    it.pipeline.exposures(&[exposure("u-1", "a", 5)], |_| {});
    it.stop.cancel();
    it.driver.await.unwrap();
    assert_eq!(it.pipeline.counters().entries_kept(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_backwards_loses_nothing() {
    let it = running(1 << 20);
    for time in [9_000_000_000, 5, -3, i64::MIN, i64::MAX] {
        it.pipeline.exposures(&[exposure("u-1", "a", time)], |_| {});
    }
    until(async || it.gate.summary("chat").await.unwrap().counts.exposures == 5).await;
    assert_eq!(it.gate.summary("chat").await.unwrap().units["a"], 1);
}

#[tokio::test]
async fn the_account_on_disk_is_of_the_entries_on_disk() {
    let it = running(1 << 20);
    let arrived = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let account = Arc::clone(&arrived);
    it.pipeline
        .accompany(move || account.load(Ordering::SeqCst).to_le_bytes().to_vec());
    for time in 0..500 {
        it.pipeline.exposures(&[exposure("u-1", "a", time)], |_| {
            arrived.fetch_add(1, Ordering::SeqCst);
        });
        if time % 50 == 0 {
            let kept = it.gate.store.account().await.unwrap();
            let kept = kept.map_or(0, |it| u64::from_le_bytes(it.try_into().unwrap()));
            while it.gate.store.fold().await.is_ok_and(|it| it.more) {}
            let counts = it.gate.store.summary("chat").await.unwrap().counts;
            assert!(counts.exposures >= kept, "{kept} of {}", counts.exposures);
        }
    }
    it.stop.cancel();
    it.driver.await.unwrap();
    let kept = it.gate.store.account().await.unwrap().unwrap();
    assert_eq!(kept, 500_u64.to_le_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_gone_for_half_a_minute_costs_nothing_and_is_said_to_be() {
    let it = running_with(PipelineConfig::default());
    it.gate.gone.store(true, Ordering::SeqCst);
    let before = Instant::now();
    for second in 0..30 {
        it.pipeline
            .exposures(&[exposure("u-1", "a", second)], |_| {});
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(before.elapsed() >= Duration::from_secs(30));
    let counters = it.pipeline.counters();
    assert!(counters.failures() >= 29, "it tries again once a second");
    let lag = counters.lag();
    assert_eq!((lag.to_keep, counters.entries_kept()), (30, 0));
    assert!(lag.batches >= 29, "{lag:?}");
    it.gate.gone.store(false, Ordering::SeqCst);
    it.stop.cancel();
    it.driver.await.unwrap();
    assert_eq!(counters.entries_kept(), 30);
    assert_eq!(counters.lag().batches, 0);
    assert!(counters.all_dropped().is_empty());
}

#[tokio::test]
async fn an_outcome_that_was_reported_before_is_not_waited_for() {
    let it = running(1 << 20);
    assert_eq!(it.pipeline.outcomes(vec![outcome("x")]).await, Ok(0));
    assert_eq!(it.pipeline.outcomes(vec![outcome("x")]).await, Ok(1));
    until(async || it.pipeline.counters().lag() == Lag::default()).await;
    assert_eq!(it.pipeline.counters().entries_kept(), 1);
}
