//! Tells other replicas what this one heard of proxies, and hears what they did, once a second through the
//! database of the model: so that each holds all of a proxy's access log against all of its counters,
//! whichever replica either reached.

use super::accounts::Accounts;
use crate::clock::Clock;
use crate::replicas::Outage;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use watershed_evidence::hearsay::Hearsay;

/// How often. Well within the time that a report has to settle.
const EVERY: Duration = Duration::from_secs(1);
/// How much may wait for the database, in bytes. What is let go counts as missing with the others.
const MAX_WAITING: usize = 16 << 20;

/// Where replicas meet.
#[derive(Debug)]
pub struct Exchange {
    accounts: Arc<Accounts>,
    store: Store,
    /// This process among the replicas.
    replica: String,
    /// How many were told.
    number: i64,
    waiting: VecDeque<Vec<u8>>,
    known: BTreeMap<String, i64>,
}

impl Exchange {
    /// Of these accounts, through this database; `replica` is a name that no other process has.
    #[must_use]
    pub fn new(accounts: Arc<Accounts>, store: Store, replica: String) -> Self {
        Self {
            accounts,
            store,
            replica,
            number: 0,
            waiting: VecDeque::new(),
            known: BTreeMap::new(),
        }
    }

    /// Exchanges until `stop`. Returns at once where nobody else can be there.
    pub async fn run(mut self, clock: Clock, stop: CancellationToken) {
        if !self.store.is_shared() {
            return;
        }
        self.accounts.share();
        let exchanging = async {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut outage = Outage::default();
            loop {
                ticks.tick().await;
                if let Some(fault) = outage.began(self.once(clock).await) {
                    tracing::error!(%fault, "what proxies counted is not shared with other replicas");
                }
            }
        };
        stop.run_until_cancelled(exchanging).await;
    }

    /// Tells what was heard since, and hears what was told since.
    ///
    /// # Errors
    /// [`StoreError`] of the database: what could not be told is told the next time.
    pub async fn once(&mut self, clock: Clock) -> Result<(), StoreError> {
        if let Some(heard) = self.accounts.heard_here() {
            self.waiting.push_back(heard.bytes());
            self.bound();
        }
        while let Some(body) = self.waiting.front() {
            let said = (self.replica.as_str(), self.number, body.as_slice());
            self.store.say(said, clock()).await?;
            self.number = self.number.saturating_add(1);
            self.waiting.pop_front();
        }
        for said in self.store.heard(&self.replica, &self.known).await? {
            match said.body.as_deref().map(Hearsay::of) {
                Some(Ok(hearsay)) => self.accounts.hear(hearsay),
                Some(Err(_)) | None => {
                    tracing::warn!(replica = said.replica, "told something that cannot be read");
                }
            }
            self.known.insert(said.replica, said.number);
        }
        Ok(())
    }

    fn bound(&mut self) {
        let mut bytes: usize = self.waiting.iter().map(Vec::len).sum();
        while bytes > MAX_WAITING && self.waiting.len() > 1 {
            let Some(oldest) = self.waiting.pop_front() else {
                return;
            };
            // Its number is not used again: it may have been kept after all.
            self.number = self.number.saturating_add(1);
            bytes = bytes.saturating_sub(oldest.len());
            tracing::warn!(
                bytes = oldest.len(),
                "not shared with other replicas: too much waits"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::accounts::Accounts;
    use crate::store::testing::TestDatabase;
    use jiff::Timestamp;
    use watershed_evidence::reconcile::{Count, Report};

    fn epoch() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn replica(name: &str, store: &Store) -> (Arc<Accounts>, Exchange) {
        let accounts = Accounts::of_nobody();
        accounts.share();
        let exchange = Exchange::new(Arc::clone(&accounts), store.clone(), name.to_owned());
        (accounts, exchange)
    }

    fn report(seconds: i64, value: u64) -> Report {
        let count = Count {
            experiment: "chat".to_owned(),
            variant: "a".to_owned(),
            value,
        };
        Report {
            time: seconds * 1_000_000,
            began: Some(0),
            counts: vec![count],
        }
    }

    async fn a_log_here_and_counters_there(database: TestDatabase) {
        let store = database.open().await;
        let (logs, mut of_logs) = replica("a", &store);
        let (counters, mut of_counters) = replica("b", &store);
        for time in 0..9 {
            logs.arrived("proxy", "chat", time * 100_000);
        }
        counters.report("proxy", report(1, 10));
        of_logs.once(epoch).await.unwrap();
        of_counters.once(epoch).await.unwrap();
        counters.report("proxy", report(60, 10));
        of_counters.once(epoch).await.unwrap();
        of_logs.once(epoch).await.unwrap();
        for accounts in [&logs, &counters] {
            let account = accounts.settled("chat").unwrap();
            assert_eq!((account.told, account.arrived), (10, 9));
        }
        // What was heard of others is not told on.
        of_logs.once(epoch).await.unwrap();
        of_counters.once(epoch).await.unwrap();
        assert_eq!(logs.settled("chat").unwrap().arrived, 9);
    }

    #[tokio::test]
    async fn a_proxy_whose_log_and_counters_reach_two_replicas_misses_nothing() {
        a_log_here_and_counters_there(TestDatabase::sqlite()).await;
        if let Some(database) = TestDatabase::postgres() {
            a_log_here_and_counters_there(database.anew("exchange")).await;
        }
    }

    #[tokio::test]
    async fn what_cannot_be_told_waits_within_its_bound_and_is_told_later() {
        let Some(database) = TestDatabase::postgres() else {
            return;
        };
        let mut database = database.anew("outage");
        let store = database.open().await;
        let (logs, mut of_logs) = replica("a", &store);
        logs.arrived("proxy", "chat", 1);
        database.server().stop();
        assert!(of_logs.once(epoch).await.is_err());
        logs.arrived("proxy", "chat", 200_000);
        assert!(of_logs.once(epoch).await.is_err());
        assert_eq!(of_logs.waiting.len(), 2);
        database.server().run();
        let (counters, mut of_counters) = replica("b", &store);
        while of_logs.once(epoch).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        of_counters.once(epoch).await.unwrap();
        counters.report("proxy", report(1, 2));
        counters.report("proxy", report(60, 2));
        assert_eq!(counters.settled("chat").unwrap().arrived, 2);

        of_logs.waiting = (0..5).map(|_| vec![0; MAX_WAITING / 3]).collect();
        of_logs.bound();
        assert_eq!(of_logs.waiting.len(), 3);
    }
}
