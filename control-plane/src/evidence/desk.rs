//! The desk: where the API hands evidence over and asks for it. It holds the store, how units are known,
//! and what the store was last told to measure. What is asked and shown is the API's.

use super::measures;
use crate::model::Model;
use std::sync::Arc;
use tokio::sync::Mutex;
use watershed_evidence::store::{Appended, Folded};
use watershed_evidence::{Batch, EvidenceStore, Measures, Outcome, StoreError, UnitHasher};

/// The most folds that one question waits for.
const MOST_FOLDS: usize = 64;

/// Where evidence is kept, for the API.
#[derive(Debug)]
pub struct Desk {
    /// The store.
    pub store: Arc<dyn EvidenceStore>,
    /// How units are known.
    pub units: UnitHasher,
    writer: i64,
    /// The number of our last batch. Batches are kept one after the other: a store may recognise a
    /// repeated one by its number alone.
    last: Mutex<i64>,
    defined: Mutex<Option<Measures>>,
}

impl Desk {
    /// A desk over a store. `writer` is a number that no other writer of the store has.
    #[must_use]
    pub fn new(store: Arc<dyn EvidenceStore>, units: UnitHasher, writer: i64) -> Self {
        Self {
            store,
            units,
            writer,
            last: Mutex::new(0),
            defined: Mutex::new(None),
        }
    }

    /// Keeps outcomes; they are on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] where they could not be kept: none was, and they may be sent again.
    pub async fn keep(&self, outcomes: Vec<Outcome>) -> Result<Appended, StoreError> {
        if outcomes.is_empty() {
            return Ok(Appended::default());
        }
        let mut last = self.last.lock().await;
        *last = last.saturating_add(1);
        let batch = Batch {
            writer: self.writer,
            number: *last,
            blocks: Vec::new(),
            outcomes,
            account: None,
        };
        self.store.append(&batch).await
    }

    /// Brings units and sums up to what was kept, by the metrics of `model`; gives up where that takes
    /// long, and answers then say how far behind they are.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn catch_up(&self, model: &Model) -> Result<(), StoreError> {
        let wanted = measures::of(model);
        let mut defined = self.defined.lock().await;
        if defined.as_ref() != Some(&wanted) {
            self.store.define(&wanted).await?;
            *defined = Some(wanted);
        }
        drop(defined);
        for _ in 0..MOST_FOLDS {
            match self.store.fold().await {
                Ok(Folded { more: false, .. }) => break,
                // Somebody else did that part.
                Ok(_) | Err(StoreError::Raced) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
