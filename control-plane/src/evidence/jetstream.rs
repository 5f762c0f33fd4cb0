//! Publishes raw exposures to a stream of NATS JetStream ([`stream`]): follows the log as whoever follows
//! `/v1/exposures` does, and keeps in the store how far it came.
//!
//! A page's place is kept once JetStream has all of it, so whoever comes after a crash never leaves one out. What
//! of a page is there already is seen at the stream's end; what of it comes again all the same has its id
//! ([`message`]), by which JetStream leaves it out. Taking evidence in knows nothing of this: while NATS is away,
//! exposures wait in the store, as long as that keeps them.

mod message;
mod servers;
mod stream;
#[cfg(test)]
mod tests;

pub use message::{BadName, StreamName, Subject};
pub use servers::{BadNatsUrl, NatsServers};
pub use stream::{StreamFault, Target};

use super::lines;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::replicas::{News, Outage};
use message::Message;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use watershed_evidence::store::{Cursor, Scan};
use watershed_evidence::{EvidenceStore, Micros, StoreError};

/// About how many exposures are read at once; all of them are in memory.
const PAGE: usize = 1_000;
/// How many messages may wait for their acknowledgement.
const UNDERWAY: usize = 256;
/// How often the store is looked at for more.
const PAUSE: Duration = Duration::from_millis(500);
/// How long after a failure it is tried again, first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Publishes what a store has.
#[derive(Debug)]
pub struct Publisher {
    /// The store.
    pub store: Arc<dyn EvidenceStore>,
    /// Where to.
    pub target: Target,
    /// Where it is shown how far it is.
    pub metrics: Arc<Metrics>,
    /// Tells how old is what waits.
    pub clock: Clock,
}

/// Why it does not go on.
#[derive(Debug, Error)]
enum Fault {
    #[error("{0}")]
    Stream(#[from] StreamFault),
    #[error("the evidence cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// How far it is.
#[derive(Debug, Default)]
struct Progress {
    /// Up to where all is published; nothing where only the store knows.
    place: Option<Cursor>,
    /// Where to; nothing where that is to be opened.
    stream: Option<Stream>,
}

/// What is to be published next.
#[derive(Debug)]
struct Reading {
    /// Each with when its request began.
    messages: Vec<(Micros, Message)>,
    /// Where the log goes on after it.
    next: Cursor,
    /// Whether there may be more at once.
    more: bool,
}

impl Publisher {
    /// Publishes until `stop`, while `leads` says that it is this replica that does.
    pub async fn run(self, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
        let mut until = leads.clone();
        let publishing = async {
            // An error says that nobody will lead any more: the process ends.
            while leads.wait_for(|it| *it).await.is_ok() {
                tokio::select! {
                    () = self.publish() => {}
                    _ = until.wait_for(|it| !*it) => {}
                }
                self.metrics.exposures().behind(Duration::ZERO);
            }
        };
        stop.run_until_cancelled(publishing).await;
    }

    async fn publish(&self) {
        let (mut progress, mut outage) = (Progress::default(), Outage::default());
        let mut back_off = BACK_OFF.0;
        loop {
            let step = self.step(&mut progress).await;
            let rest = match &step {
                Ok(true) => Duration::ZERO,
                Ok(false) => PAUSE,
                Err(_) => back_off,
            };
            back_off = match &step {
                Ok(_) => BACK_OFF.0,
                Err(_) => (back_off * 2).min(BACK_OFF.1),
            };
            if let Err(fault) = &step {
                self.metrics.exposures().failed();
                if matches!(fault, Fault::Stream(_)) {
                    progress.stream = None;
                }
            }
            self.tell(outage.news(step.map(|_| ())));
            sleep(rest).await;
        }
    }

    fn tell(&self, news: Option<News<Fault>>) {
        let stream = &self.target.stream;
        match news {
            Some(News::Began(fault)) => {
                tracing::warn!(%stream, %fault, "exposures are not published; they wait in the store");
            }
            Some(News::Ended) => tracing::info!(%stream, "exposures are published again"),
            None => {}
        }
    }

    /// Publishes what there is after the last page. Whether there may be more at once.
    async fn step(&self, progress: &mut Progress) -> Result<bool, Fault> {
        let reader = format!("jetstream {}", self.target.stream);
        let place = match progress.place {
            Some(place) => place,
            None => self.store.bookmark(&reader).await?,
        };
        progress.place = Some(place);
        // Anew after a failure: a unit may have been forgotten meanwhile.
        let mut reading = self.read(place).await?;
        self.show(&reading.messages);
        let stream = match &mut progress.stream {
            Some(stream) => stream,
            none => {
                let stream = Stream::open(&self.target).await?;
                reading.leave_out(&stream).await;
                none.insert(stream)
            }
        };
        stream.check()?;
        let mut left = reading.messages.as_slice();
        while !left.is_empty() {
            let (part, others) = left.split_at(left.len().min(UNDERWAY));
            let new = stream.publish(part.iter().map(|(_, it)| it)).await?;
            left = others;
            self.metrics.exposures().published(new);
            self.show(left);
        }
        if reading.next > place {
            self.store.keep_bookmark(&reader, reading.next).await?;
            progress.place = Some(reading.next);
        }
        Ok(reading.more)
    }

    async fn read(&self, place: Cursor) -> Result<Reading, StoreError> {
        let scan = Scan {
            experiment: None,
            after: place,
            limit: PAGE,
        };
        let page = self.store.exposures(&scan).await?;
        let messages = lines::of(&page, place).map(|(cursor, exposure)| {
            let message = Message::of(&self.target.subject, cursor, exposure);
            (exposure.execution.time, message)
        });
        Ok(Reading {
            messages: messages.collect(),
            next: page.next,
            more: page.more,
        })
    }

    /// Shows how old the oldest of what waits is.
    fn show(&self, waiting: &[(Micros, Message)]) {
        let now = (self.clock)().as_microsecond();
        let behind = waiting.first().map(|(time, _)| now.saturating_sub(*time));
        let behind = behind.and_then(|it| u64::try_from(it).ok());
        let behind = Duration::from_micros(behind.unwrap_or_default());
        self.metrics.exposures().behind(behind);
    }
}

impl Reading {
    /// Leaves out what the stream ends with.
    async fn leave_out(&mut self, stream: &Stream) {
        let ids = self.messages.iter().map(|(_, it)| it.id.as_str());
        let there = stream.ends_with(&ids.collect()).await;
        self.messages.retain(|(_, it)| !there.contains(&it.id));
    }
}
