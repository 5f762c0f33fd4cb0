//! Which replica does timed work. What lives here: the loop that takes and keeps the leader's lock.
//! What does not: the lock itself ([`crate::store`]), and the work; whoever does that watches whether
//! we lead.
//!
//! Two leaders at once do no harm to the model, as a change has one revision and the second writer
//! loses, but would do work twice; a leader that cannot be sure of its lock therefore stops leading
//! before another can start.

use crate::metrics::Metrics;
use crate::store::{LEASE, LeaderSession, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often the lock is tried or renewed.
const BEAT: Duration = Duration::from_millis(500);
/// How long the database may take to answer before the lock counts as lost.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How much earlier than the database we hold our lease to be over.
const MARGIN: Duration = Duration::from_secs(2);

/// How replicas agree on a leader.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum LeaderLock {
    /// A lock of a database session.
    Advisory,
    /// A row with an expiry.
    Lease,
}

/// One replica's candidacy.
pub struct Candidate {
    /// The database that the replicas share.
    pub store: Store,
    /// How they agree.
    pub lock: LeaderLock,
    /// What tells this replica from others: chance.
    pub holder: String,
    /// Where it is shown who leads.
    pub metrics: Arc<Metrics>,
}

impl Candidate {
    /// Stands for leader until `stop`, and says at every moment whether it is. Alone on its database,
    /// it always is.
    #[must_use]
    pub fn stand(self, stop: CancellationToken) -> watch::Receiver<bool> {
        let shared = self.store.is_shared();
        let (sender, receiver) = watch::channel(!shared);
        self.metrics.leader(!shared);
        if shared {
            tokio::spawn(async move {
                stop.run_until_cancelled(self.keep_standing(&sender)).await;
                self.tell(&sender, false);
            });
        } else {
            // Whoever watches waits for the end.
            tokio::spawn(async move {
                stop.cancelled().await;
                drop(sender);
            });
        }
        receiver
    }

    async fn keep_standing(&self, leading: &watch::Sender<bool>) {
        match self.lock {
            LeaderLock::Advisory => self.hold_session(leading).await,
            LeaderLock::Lease => self.hold_lease(leading).await,
        }
    }

    fn tell(&self, leading: &watch::Sender<bool>, leads: bool) {
        let changed = leading.send_if_modified(|it| std::mem::replace(it, leads) != leads);
        if changed {
            self.metrics.leader(leads);
            tracing::info!(leads, "leadership");
        }
    }

    async fn hold_session(&self, leading: &watch::Sender<bool>) {
        let mut session: Option<LeaderSession> = None;
        loop {
            let beat = self.beat(&mut session, *leading.borrow());
            match timeout(PATIENCE, beat).await {
                Ok(Ok(leads)) => self.tell(leading, leads),
                Ok(Err(fault)) => {
                    self.lost(leading, &fault);
                    session = None;
                }
                Err(_) => {
                    self.lost(leading, &StoreError::Timeout);
                    session = None;
                }
            }
            sleep(BEAT).await;
        }
    }

    /// Whether the session has the lock.
    async fn beat(
        &self,
        session: &mut Option<LeaderSession>,
        leads: bool,
    ) -> Result<bool, StoreError> {
        match session {
            // A second lock of the same session would have to be given back twice.
            Some(session) if leads => session.ping().await.map(|()| true),
            Some(session) => session.try_lock().await,
            None => {
                *session = self.store.leader_session().await?;
                match session {
                    Some(session) => session.try_lock().await,
                    None => Ok(true),
                }
            }
        }
    }

    async fn hold_lease(&self, leading: &watch::Sender<bool>) {
        let mut over = Instant::now();
        loop {
            // From before the question: the database counts from when it answers.
            let asked = Instant::now();
            match timeout(PATIENCE, self.store.take_lease(&self.holder)).await {
                Ok(Ok(true)) => {
                    over = asked + LEASE - MARGIN;
                    self.tell(leading, true);
                }
                Ok(Ok(false)) => self.tell(leading, false),
                Ok(Err(fault)) if Instant::now() >= over => self.lost(leading, &fault),
                Err(_) if Instant::now() >= over => self.lost(leading, &StoreError::Timeout),
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(BEAT).await;
        }
    }

    fn lost(&self, leading: &watch::Sender<bool>, fault: &StoreError) {
        if *leading.borrow() {
            tracing::warn!(%fault, "the leader's lock is lost");
        }
        self.tell(leading, false);
    }
}

#[cfg(test)]
mod tests;
