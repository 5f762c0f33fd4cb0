//! Hearing of what other replicas wrote. What lives here: the loop that wakes when the database tells
//! of a commit, and from time to time in case that it did not. What does not: reading and publishing
//! what changed; that is [`Control::refresh`].

use crate::control::Control;
use crate::store::{Listener, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Follows the writes of others until `stop`. Returns at once where nobody else can write.
pub async fn follow(control: Arc<Control>, store: Store, poll: Duration, stop: CancellationToken) {
    if !store.is_shared() {
        return;
    }
    let wake = Arc::new(Notify::new());
    let ears = tokio::spawn(listen(Arc::clone(&control), store, poll, Arc::clone(&wake)));
    stop.run_until_cancelled(keep_up(&control, poll, &wake))
        .await;
    ears.abort();
}

async fn keep_up(control: &Control, poll: Duration, wake: &Notify) {
    let mut poll = interval(poll);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = wake.notified() => {}
            _ = poll.tick() => {}
        }
        if let Some(fault) = outage.began(control.refresh().await) {
            tracing::error!(%fault, "changes of other replicas cannot be followed");
        }
    }
}

/// Whether the last of several attempts failed, so that an outage is told once: the log is for people.
#[derive(Debug, Default)]
pub(crate) struct Outage(bool);

/// What there is to tell of an attempt.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum News<E> {
    /// An outage began, with this fault.
    Began(E),
    /// It is over.
    Ended,
}

impl Outage {
    /// The fault with which an outage began, where this attempt is its first.
    pub(crate) fn began<E>(&mut self, attempt: Result<(), E>) -> Option<E> {
        match self.news(attempt) {
            Some(News::Began(fault)) => Some(fault),
            Some(News::Ended) | None => None,
        }
    }

    /// What this attempt brought that the one before it did not.
    pub(crate) fn news<E>(&mut self, attempt: Result<(), E>) -> Option<News<E>> {
        let was_there = std::mem::replace(&mut self.0, attempt.is_err());
        match attempt {
            Err(fault) if !was_there => Some(News::Began(fault)),
            Ok(()) if was_there => Some(News::Ended),
            Err(_) | Ok(()) => None,
        }
    }
}

/// Wakes whenever there is a revision that we do not know, or there may be one.
async fn listen(control: Arc<Control>, store: Store, poll: Duration, wake: Arc<Notify>) {
    let mut listener: Option<Listener> = None;
    loop {
        let heard = match &mut listener {
            Some(listener) => listener.heard().await,
            None => match store.listen().await {
                // Polling is all there is.
                Ok(None) => return,
                Ok(made) => {
                    listener = made;
                    Ok(None)
                }
                Err(fault) => Err(fault),
            },
        };
        match heard {
            Ok(Some(revision)) if revision <= control.model().revision => {}
            Ok(_) => wake.notify_one(),
            Err(fault) => {
                tracing::warn!(%fault, "the database is not heard; it is asked from time to time");
                listener = None;
                sleep(poll).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
