//! What a pipeline counts, for whoever watches it.

use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many experiments are told apart; what is beyond is counted together, as `other`.
const MAX_EXPERIMENTS: usize = 10_000;

/// The counters of a pipeline.
#[derive(Debug, Default)]
pub struct Counters {
    taken: AtomicU64,
    duplicates: AtomicU64,
    kept: AtomicU64,
    exposures_kept: AtomicU64,
    folded: AtomicU64,
    failures: AtomicU64,
    /// Exposures that were taken in and that the database then refused for good.
    refused: AtomicU64,
    waiting: AtomicU64,
    dropped: Mutex<BTreeMap<String, u64>>,
}

/// How far behind the pipeline is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lag {
    /// Entries that were taken in and are not kept.
    pub to_keep: u64,
    /// Entries that are kept and were not folded by this process.
    pub to_fold: u64,
    /// Batches that wait for a database that does not answer.
    pub batches: u64,
}

impl Counters {
    /// Entries that came before and were left out.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// Entries and outcomes that are on disk.
    pub fn entries_kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// How often the database did not do as asked.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How far behind it is.
    pub fn lag(&self) -> Lag {
        let kept = self.entries_kept();
        let dropped = self.refused.load(Ordering::Relaxed);
        let exposures = self.exposures_kept.load(Ordering::Relaxed);
        Lag {
            to_keep: self
                .taken()
                .saturating_sub(exposures.saturating_add(dropped)),
            to_fold: kept.saturating_sub(self.folded.load(Ordering::Relaxed)),
            batches: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Exposures that were taken in. By proxy and experiment they are told to whoever hands them in.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Exposures that were dropped, because there was no room or the database refused them, by experiment.
    pub fn all_dropped(&self) -> BTreeMap<String, u64> {
        lock(&self.dropped).clone()
    }

    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, experiment: &str) {
        self.dropped_many(experiment, 1);
    }

    fn dropped_many(&self, experiment: &str, count: u64) {
        let mut dropped = lock(&self.dropped);
        let known = dropped.len() < MAX_EXPERIMENTS || dropped.contains_key(experiment);
        let experiment = if known { experiment } else { "other" };
        *dropped.entry(experiment.to_owned()).or_default() += count;
    }

    pub(super) fn duplicate(&self) {
        self.duplicates.fetch_add(1, Ordering::Relaxed);
    }

    /// The database refused `count` exposures that were taken in.
    pub(super) fn refused(&self, experiment: &str, count: u64) {
        self.refused.fetch_add(count, Ordering::Relaxed);
        self.dropped_many(experiment, count);
    }

    pub(super) fn kept(&self, entries: u64, outcomes: u64) {
        self.kept.fetch_add(entries, Ordering::Relaxed);
        let exposures = entries.saturating_sub(outcomes);
        self.exposures_kept.fetch_add(exposures, Ordering::Relaxed);
        self.waiting.store(0, Ordering::Relaxed);
    }

    pub(super) fn folded(&self, entries: u64) {
        self.folded.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, fault: &StoreError, batches: usize) {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let batches = u64::try_from(batches).unwrap_or(u64::MAX);
        self.waiting.store(batches, Ordering::Relaxed);
        // Once a minute where it is once a second.
        if before.is_multiple_of(60) {
            tracing::warn!(%fault, batches, "evidence waits for its database");
        }
    }

    pub(super) fn fold_failed(&self, fault: &StoreError) {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(60) {
            tracing::warn!(%fault, "evidence is kept and not folded");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
