//! A store of evidence in memory, for tests of who asks one: it keeps outcomes, and answers what a test
//! gave it.

use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use watershed_evidence::pipeline::{Pipeline, PipelineConfig};
use watershed_evidence::store::{
    Appended, Cursor, Folded, Forgotten, Minute, Page, Retained, Retention, Scan, Span, Sufficient,
    Summary, UnitRecord,
};
use watershed_evidence::{
    Batch, EvidenceStore, Execution, Exposure, Measures, Micros, Outcome, Reason, StoreError, Unit,
    UnitKey,
};

/// What a test sees and sets.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    pub(crate) measures: Mutex<Option<Measures>>,
    pub(crate) sums: Mutex<BTreeMap<String, Sufficient>>,
    pub(crate) summary: Mutex<Summary>,
    pub(crate) minutes: Mutex<Vec<Minute>>,
    pub(crate) exposures: Mutex<Vec<Exposure>>,
    pub(crate) bookmarks: Mutex<BTreeMap<String, Cursor>>,
    pub(crate) forgotten: Mutex<Vec<UnitKey>>,
    pub(crate) is_gone: Mutex<bool>,
}

/// One that says little.
pub(crate) fn exposure() -> Exposure {
    Exposure {
        experiment: String::new(),
        variant: String::new(),
        served: None,
        fallback_used: false,
        reason: Reason::of_number(1),
        unit_type: String::new(),
        unit: Unit::default(),
        probability: 0.0,
        mirror: None,
        execution: Arc::new(Execution::default()),
    }
}

/// A pipeline into such a store, and what would run it.
pub(crate) fn pipeline() -> (Pipeline, impl Future<Output = ()> + Send) {
    let store = Arc::new(Kept::default());
    Pipeline::new(store, PipelineConfig::default(), 1, std::future::pending())
}

impl Kept {
    fn answers(&self) -> Result<(), StoreError> {
        match *self.is_gone.lock().unwrap() {
            true => Err(StoreError::Unavailable("gone".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl EvidenceStore for Kept {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        self.answers()?;
        let mut kept = self.outcomes.lock().unwrap();
        let known = kept.iter().filter_map(|it| it.idempotency_key.clone());
        let mut known: BTreeSet<String> = known.collect();
        let mut duplicate_outcomes = Vec::new();
        for (index, outcome) in batch.outcomes.iter().enumerate() {
            let key = outcome.idempotency_key.clone();
            match key.is_none_or(|key| known.insert(key)) {
                true => kept.push(outcome.clone()),
                false => duplicate_outcomes.push(index),
            }
        }
        Ok(Appended {
            repeated: false,
            duplicate_outcomes,
        })
    }

    async fn define(&self, measures: &Measures) -> Result<(), StoreError> {
        *self.measures.lock().unwrap() = Some(measures.clone());
        self.answers()
    }

    async fn fold(&self) -> Result<Folded, StoreError> {
        self.answers()?;
        Ok(Folded::default())
    }

    async fn sufficient(&self, _: &str, measure: &str) -> Result<Sufficient, StoreError> {
        let sums = self.sums.lock().unwrap();
        let unknown = || StoreError::UnknownMeasure(measure.to_owned());
        sums.get(measure).cloned().ok_or_else(unknown)
    }

    async fn summary(&self, _: &str) -> Result<Summary, StoreError> {
        Ok(self.summary.lock().unwrap().clone())
    }

    async fn timeline(&self, _: &str, span: Span) -> Result<Vec<Minute>, StoreError> {
        let minutes = self.minutes.lock().unwrap();
        let within = |it: &&Minute| span.from <= it.at && it.at < span.to;
        Ok(minutes.iter().filter(within).cloned().collect())
    }

    async fn exposures(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.answers()?;
        let all = self.exposures.lock().unwrap();
        let seen = usize::try_from(scan.after.0).unwrap().min(all.len());
        Ok(Page {
            exposures: all[seen..].to_vec(),
            next: Cursor(i64::try_from(all.len()).unwrap()),
            more: false,
        })
    }

    async fn bookmark(&self, reader: &str) -> Result<Cursor, StoreError> {
        self.answers()?;
        let bookmarks = self.bookmarks.lock().unwrap();
        Ok(bookmarks.get(reader).copied().unwrap_or_default())
    }

    async fn keep_bookmark(&self, reader: &str, place: Cursor) -> Result<(), StoreError> {
        self.answers()?;
        let mut bookmarks = self.bookmarks.lock().unwrap();
        let kept = bookmarks.entry(reader.to_owned()).or_default();
        *kept = place.max(*kept);
        Ok(())
    }

    async fn unit(&self, _: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn forget(&self, key: UnitKey) -> Result<Forgotten, StoreError> {
        self.answers()?;
        self.forgotten.lock().unwrap().push(key);
        Ok(Forgotten {
            exposures: 2,
            outcomes: 1,
            experiments: 1,
        })
    }

    async fn retain(&self, _: &Retention, _: Micros) -> Result<Retained, StoreError> {
        Ok(Retained::default())
    }

    async fn secret(&self, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        Ok(candidate)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answers()
    }
}
