//! Tests of who leads: alone always, of several exactly one, and another once that one is gone.

use super::*;
use crate::store::testing::TestDatabase;

struct Standing {
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Standing {
    async fn start(database: &TestDatabase, lock: LeaderLock, holder: &str) -> Self {
        let (stop, metrics) = (CancellationToken::new(), Arc::new(Metrics::new()));
        let candidate = Candidate {
            store: database.open().await,
            lock,
            holder: holder.to_owned(),
            metrics: Arc::clone(&metrics),
        };
        let leads = candidate.stand(stop.clone());
        Self {
            leads,
            stop,
            metrics,
        }
    }

    async fn until(&mut self, leads: bool) {
        self.leads.wait_for(|it| *it == leads).await.unwrap();
    }

    fn shown(&self) -> bool {
        self.metrics
            .encode()
            .unwrap()
            .contains("watershed_leader 1\n")
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn who_is_alone_on_a_database_always_leads() {
    let database = TestDatabase::sqlite();
    let alone = Standing::start(&database, LeaderLock::Advisory, "a").await;
    assert!(*alone.leads.borrow() && alone.shown());
}

async fn one_leads_and_another_follows(lock: LeaderLock) {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let mut first = Standing::start(&database, lock, "first").await;
    first.until(true).await;
    assert!(first.shown());
    let mut second = Standing::start(&database, lock, "second").await;
    // The lock is asked for more than once before it is free.
    let third = database.open().await;
    match lock {
        LeaderLock::Lease => assert!(!third.take_lease("third").await.unwrap()),
        LeaderLock::Advisory => {
            let mut session = third.leader_session().await.unwrap().unwrap();
            assert!(!session.try_lock().await.unwrap());
        }
    }
    assert!(!*second.leads.borrow() && !second.shown());
    first.stop.cancel();
    first.until(false).await;
    second.until(true).await;
    assert!(second.shown() && !first.shown());
}

#[tokio::test]
async fn with_an_advisory_lock_one_leads_and_another_follows_it() {
    one_leads_and_another_follows(LeaderLock::Advisory).await;
}

#[tokio::test]
async fn with_a_lease_one_leads_and_another_follows_it() {
    one_leads_and_another_follows(LeaderLock::Lease).await;
}

async fn who_loses_the_database_leads_no_more(lock: LeaderLock) {
    let Some(mut database) = TestDatabase::postgres() else {
        return;
    };
    let mut standing = Standing::start(&database, lock, "a").await;
    standing.until(true).await;
    database.server().stop();
    standing.until(false).await;
    database.server().run();
    standing.until(true).await;
}

#[tokio::test]
async fn who_loses_the_session_of_its_advisory_lock_leads_no_more_until_it_has_another() {
    who_loses_the_database_leads_no_more(LeaderLock::Advisory).await;
}

#[tokio::test]
async fn who_cannot_renew_its_lease_leads_no_more_until_it_can() {
    who_loses_the_database_leads_no_more(LeaderLock::Lease).await;
}
