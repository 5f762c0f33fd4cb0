//! The pipeline: from what arrives to the store. It gathers, bounded in bytes; a task keeps what was
//! gathered once a second, tries again where the database does not answer, and folds. What does not fit is
//! dropped and counted, by experiment.

mod counters;
#[cfg(test)]
mod tests;

pub use counters::{Counters, Lag};

use crate::batch::{Batch, BatchBuilder, OUTCOME_BYTES};
use crate::exposure::Exposure;
use crate::outcome::Outcome;
use crate::recent::Recent;
use crate::store::{EvidenceStore, StoreError};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug_span};

/// How a pipeline is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PipelineConfig {
    /// How often what was gathered is kept: at most this much is lost with the process.
    pub flush: Duration,
    /// How many bytes may be gathered or wait for the database.
    pub max_bytes: usize,
    /// How many exposures are remembered to recognise those that come again.
    pub remember: usize,
}

impl Default for PipelineConfig {
    /// Every second, 128 MiB, four million.
    fn default() -> Self {
        Self {
            flush: Duration::from_secs(1),
            max_bytes: 128 << 20,
            remember: 4_000_000,
        }
    }
}

/// How many bytes of accounts are kept a second. Longer ones are kept less often, and what arrived since then
/// counts as missing after a crash.
const ACCOUNT_BYTES: usize = 1 << 20;

/// Why outcomes were not kept.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Refused {
    /// Too much waits for the database. Send them again later.
    #[error("too much evidence waits for the database; send it again later")]
    Busy,
    /// The database did not keep them. Send them again.
    #[error("{0}; send it again")]
    Store(String),
}

/// Where evidence goes in.
#[derive(Clone, Debug)]
pub struct Pipeline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: PipelineConfig,
    counters: Counters,
    gathering: Mutex<Gathering>,
    /// Enough is gathered to keep it before its time.
    enough: Notify,
    account: OnceLock<Account>,
}

/// Tells what arrived up to now.
struct Account(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Gathering {
    exposures: BatchBuilder,
    outcomes: Vec<Outcome>,
    waiting: Vec<Waiting>,
    recent: Recent,
    /// Bytes of batches that wait for the database.
    queued: usize,
}

/// Somebody who waits to hear which of these outcomes were duplicates.
#[derive(Debug)]
struct Waiting {
    from: usize,
    to: usize,
    tell: oneshot::Sender<Result<usize, Refused>>,
}

/// What is to be kept, and who waits for it.
#[derive(Debug)]
struct Sealed {
    batch: Batch,
    bytes: usize,
    waiting: Vec<Waiting>,
}

impl Pipeline {
    /// A pipeline, and what runs it: a future that ends soon after `stop` does, when all that was gathered
    /// is kept or cannot be. `writer` is a number that no other process has.
    pub fn new<S: Future<Output = ()> + Send + 'static>(
        store: Arc<dyn EvidenceStore>,
        config: PipelineConfig,
        writer: i64,
        stop: S,
    ) -> (Self, impl Future<Output = ()> + Send + use<S>) {
        let pipeline = Self(Arc::new(Shared {
            config,
            counters: Counters::default(),
            gathering: Mutex::new(Gathering {
                exposures: BatchBuilder::default(),
                outcomes: Vec::new(),
                waiting: Vec::new(),
                recent: Recent::new(config.remember),
                queued: 0,
            }),
            enough: Notify::new(),
            account: OnceLock::new(),
        }));
        let driver = Driver {
            shared: Arc::clone(&pipeline.0),
            store,
            writer,
            number: 0,
            queue: VecDeque::new(),
            account_due: Instant::now(),
        };
        (pipeline, driver.run(stop))
    }

    /// Has batches accompanied by what `account` tells when one ends: all that was taken in is in this batch
    /// or in one before it. Only the first such call counts.
    pub fn accompany(&self, account: impl Fn() -> Vec<u8> + Send + Sync + 'static) {
        // Whoever was first goes on.
        let _ = self.0.account.set(Account(Box::new(account)));
    }

    /// Takes in what an entry says.
    pub fn exposures(&self, exposures: &[Exposure], mut taken: impl FnMut(&Exposure)) {
        let shared = &self.0;
        let mut gathering = shared.gathering();
        let gathering = &mut *gathering;
        for it in exposures {
            if gathering.bytes() >= shared.config.max_bytes {
                shared.counters.dropped(&it.experiment);
            } else if gathering.exposures.push(it, &mut gathering.recent) {
                shared.counters.take();
                taken(it);
            } else {
                shared.counters.duplicate();
            }
        }
        // A quarter of what may be gathered: the rest is for what comes while that is being kept.
        if gathering.exposures.bytes() >= shared.config.max_bytes / 4 {
            shared.enough.notify_one();
        }
    }

    /// Keeps outcomes, and returns how many of them were reported before.
    ///
    /// # Errors
    /// [`Refused`] where they were not kept.
    pub async fn outcomes(&self, outcomes: Vec<Outcome>) -> Result<usize, Refused> {
        let (tell, told) = oneshot::channel();
        {
            let mut gathering = self.0.gathering();
            let bytes = gathering.bytes() + outcomes.len() * OUTCOME_BYTES;
            if bytes > self.0.config.max_bytes {
                return Err(Refused::Busy);
            }
            let from = gathering.outcomes.len();
            gathering.outcomes.extend(outcomes);
            let to = gathering.outcomes.len();
            gathering.waiting.push(Waiting { from, to, tell });
        }
        let stopped = || Refused::Store("the process is ending".to_owned());
        told.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }
}

impl Gathering {
    fn bytes(&self) -> usize {
        self.exposures.bytes() + self.outcomes.len() * OUTCOME_BYTES + self.queued
    }

    fn is_empty(&self) -> bool {
        self.exposures.rows() == 0 && self.outcomes.is_empty() && self.waiting.is_empty()
    }
}

impl Shared {
    fn gathering(&self) -> MutexGuard<'_, Gathering> {
        self.gathering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Driver {
    shared: Arc<Shared>,
    store: Arc<dyn EvidenceStore>,
    writer: i64,
    number: i64,
    queue: VecDeque<Sealed>,
    account_due: Instant,
}

impl Driver {
    async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut ticks = tokio::time::interval(self.shared.config.flush);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (folding, folder) = folder(Arc::clone(&self.store), Arc::clone(&self.shared));
        let folder = tokio::spawn(folder);
        tokio::pin!(stop);
        loop {
            let shared = Arc::clone(&self.shared);
            let stopped = tokio::select! {
                _ = ticks.tick() => false,
                () = shared.enough.notified() => false,
                () = &mut stop => true,
            };
            self.seal();
            self.keep().await;
            folding.notify_one();
            if stopped {
                break;
            }
        }
        folder.abort();
    }

    /// Takes what was gathered.
    fn seal(&mut self) {
        let mut gathering = self.shared.gathering();
        if gathering.is_empty() {
            return;
        }
        let exposures = std::mem::take(&mut gathering.exposures);
        let outcomes = std::mem::take(&mut gathering.outcomes);
        let waiting = std::mem::take(&mut gathering.waiting);
        // While nobody can hand anything in.
        let account = Self::account(&self.shared, &mut self.account_due);
        // Compressing takes a while; nobody waits for it but us. What is being sealed still counts.
        let unsealed = exposures.bytes();
        gathering.queued += unsealed;
        drop(gathering);
        self.number += 1;
        let batch = Batch {
            writer: self.writer,
            number: self.number,
            blocks: exposures.seal(),
            outcomes,
            account,
        };
        let bytes = batch.bytes();
        let mut gathering = self.shared.gathering();
        gathering.queued = gathering
            .queued
            .saturating_sub(unsealed)
            .saturating_add(bytes);
        drop(gathering);
        self.queue.push_back(Sealed {
            batch,
            bytes,
            waiting,
        });
    }

    /// What arrived up to now, where there is an account and it is due.
    fn account(shared: &Shared, due: &mut Instant) -> Option<Vec<u8>> {
        let account = shared.account.get()?;
        let now = Instant::now();
        if now < *due {
            return None;
        }
        let account = account.0();
        let seconds = u64::try_from(account.len() / ACCOUNT_BYTES).unwrap_or(0);
        *due = now + Duration::from_secs(seconds);
        Some(account)
    }

    /// Keeps what waits, in order, as far as the database does.
    async fn keep(&mut self) {
        while let Some(sealed) = self.queue.front() {
            let kept = self.store.append(&sealed.batch);
            let kept = kept.instrument(keeping(&sealed.batch)).await;
            if let Err(fault) = &kept
                && fault.is_transient()
            {
                self.shared.counters.failed(fault, self.queue.len());
                self.refuse_outcomes();
                return;
            }
            if let Some(sealed) = self.queue.pop_front() {
                self.finish(sealed, kept);
            }
        }
    }

    fn finish(&self, sealed: Sealed, kept: Result<crate::store::Appended, StoreError>) {
        let mut gathering = self.shared.gathering();
        gathering.queued = gathering.queued.saturating_sub(sealed.bytes);
        drop(gathering);
        let counters = &self.shared.counters;
        match kept {
            Ok(appended) => {
                let count = |many: usize| u64::try_from(many).unwrap_or(0);
                let outcomes = count(sealed.batch.outcomes.len());
                let again = count(appended.duplicate_outcomes.len()).min(outcomes);
                counters.kept(sealed.batch.entries() - again, outcomes - again);
                for it in sealed.waiting {
                    let range = it.from..it.to;
                    let duplicates = appended.duplicate_outcomes.iter();
                    let duplicates = duplicates.filter(|index| range.contains(index)).count();
                    // Whoever waited may have gone.
                    let _ = it.tell.send(Ok(duplicates));
                }
            }
            Err(fault) => {
                tracing::error!(%fault, entries = sealed.batch.entries(), "evidence was not kept");
                for block in &sealed.batch.blocks {
                    counters.refused(&block.experiment, block.rows.into());
                }
                for it in sealed.waiting {
                    let _ = it.tell.send(Err(Refused::Store(fault.to_string())));
                }
            }
        }
    }

    /// Whoever reports outcomes can send them again, and is told to: they are taken out of what waits.
    /// Where a database kept a batch and could not say so, an outcome without an idempotency key may then
    /// count twice; the log's exposures never do.
    fn refuse_outcomes(&mut self) {
        let mut freed = 0;
        for sealed in self.queue.iter_mut().filter(|it| !it.waiting.is_empty()) {
            let before = sealed.batch.bytes();
            sealed.batch.outcomes.clear();
            let less = before - sealed.batch.bytes();
            sealed.bytes = sealed.bytes.saturating_sub(less);
            freed += less;
            for it in sealed.waiting.drain(..) {
                let fault = "the evidence database does not answer".to_owned();
                let _ = it.tell.send(Err(Refused::Store(fault)));
            }
        }
        let mut gathering = self.shared.gathering();
        gathering.queued = gathering.queued.saturating_sub(freed);
    }
}

/// The keeping of a batch as a span: how much there is of it, and nothing of what.
fn keeping(batch: &Batch) -> Span {
    let entries = batch.entries();
    debug_span!(target: crate::TRACE_TARGET, "keep evidence", "watershed.entries" = entries)
}

/// Folds whenever something was kept, until nothing is left to fold.
fn folder(
    store: Arc<dyn EvidenceStore>,
    shared: Arc<Shared>,
) -> (Arc<Notify>, impl Future<Output = ()>) {
    let notify = Arc::new(Notify::new());
    let kept = Arc::clone(&notify);
    let work = async move {
        loop {
            kept.notified().await;
            loop {
                match store.fold().await {
                    Ok(folded) => {
                        shared.counters.folded(folded.entries);
                        if !folded.more {
                            break;
                        }
                    }
                    Err(StoreError::Raced) => break,
                    Err(fault) => {
                        shared.counters.fold_failed(&fault);
                        break;
                    }
                }
            }
        }
    };
    (notify, work)
}
