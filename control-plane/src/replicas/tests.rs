//! Tests of several replicas on one PostgreSQL: what one writes reaches the others, and what two write
//! at once is all kept.

use super::*;
use crate::auth::Role;
use crate::control::{Command, Publication, Publisher, Rejected};
use crate::metrics::Metrics;
use crate::model::change::{Change, Precondition, Spec};
use crate::model::{Key, Model};
use crate::resources::ResourceChanges;
use crate::store::testing::TestDatabase;
use jiff::Timestamp;

/// So long that nothing in a test waits for it.
const NEVER: Duration = Duration::from_secs(3_600);

struct Nobody;

impl Publisher for Nobody {
    fn prepare(&self, _: &Model) -> Result<Publication, Rejected> {
        Ok(Box::new(|| {}))
    }

    fn preview(&self, _: &Model, _: &Model) -> Result<ResourceChanges, Rejected> {
        Ok(ResourceChanges::new())
    }
}

struct Replica {
    control: Arc<Control>,
    stop: CancellationToken,
}

impl Replica {
    async fn start(store: Store, poll: Duration) -> Self {
        let control = Control::start(store.clone(), Arc::new(Nobody), Arc::new(Metrics::new()));
        let control = control.await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(follow(Arc::clone(&control), store, poll, stop.clone()));
        Self { control, stop }
    }

    async fn put(&self, name: &str) -> u64 {
        let spec = serde_saphyr::from_str("endpoints: [{address: 10.0.0.1, port: 80}]").unwrap();
        let change = Change::Put(Key::try_new(name).unwrap(), Spec::Cluster(spec));
        let command = command(change, Precondition::None);
        let outcome = self.control.change(command, Timestamp::UNIX_EPOCH).await;
        outcome.unwrap().model.revision
    }

    async fn until(&self, revision: u64) -> Arc<Model> {
        let mut models = self.control.watch();
        let reached = models.wait_for(|model| model.revision >= revision);
        reached.await.unwrap().clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn command(change: Change, precondition: Precondition) -> Command {
    Command {
        change,
        precondition,
        author: Default::default(),
        role: Role::Admin,
    }
}

#[tokio::test]
async fn a_write_on_one_replica_reaches_the_others_by_notification() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let a = Replica::start(database.open().await, NEVER).await;
    let b = Replica::start(database.open().await, NEVER).await;
    // Whoever is not heard yet has to be: the first write may come before the ears.
    let mut revision = a.put("first").await;
    while b.control.model().revision < revision {
        revision = a.put(&format!("until-heard-{revision}")).await;
    }
    for n in 0..20 {
        let (from, to) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let revision = from.put(&format!("c-{n}")).await;
        assert_eq!(to.until(revision).await, from.control.model());
    }
}

#[tokio::test]
async fn a_write_reaches_others_by_polling_where_there_are_no_notifications() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let poll = Duration::from_millis(20);
    let a = Replica::start(database.open().await.unheard(), poll).await;
    let b = Replica::start(database.open().await.unheard(), poll).await;
    let revision = a.put("a").await;
    assert_eq!(b.until(revision).await, a.control.model());
}

#[tokio::test]
async fn of_two_replicas_that_write_at_once_nothing_is_lost() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let a = Replica::start(database.open().await, NEVER).await;
    let b = Replica::start(database.open().await, NEVER).await;
    let write = async |replica: &Replica, name: &str| {
        for n in 0..50 {
            replica.put(&format!("{name}-{n}")).await;
        }
    };
    tokio::join!(
        write(&a, "a"),
        write(&b, "b"),
        write(&a, "c"),
        write(&b, "d")
    );
    let kept = database.open().await.load().await.unwrap();
    assert_eq!((kept.revision, kept.clusters.len()), (200, 200));
    assert_eq!(*a.until(200).await, kept);
    assert_eq!(*b.until(200).await, kept);
}

#[tokio::test]
async fn a_condition_that_another_replica_broke_is_refused_with_its_revision() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let a = Replica::start(database.open().await, NEVER).await;
    let b = Replica::start(database.open().await.unheard(), NEVER).await;
    let first = a.put("x").await;
    b.control.refresh().await.unwrap();
    let delete = Change::Delete(crate::model::Kind::Cluster, Key::try_new("x").unwrap());
    a.control
        .change(
            command(delete.clone(), Precondition::None),
            Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap();
    let refused = b
        .control
        .change(
            command(delete, Precondition::Revision(first)),
            Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "cluster `x` does not exist");
    assert_eq!(b.control.model(), a.control.model());
}

#[tokio::test]
async fn a_database_that_goes_away_and_comes_back_is_followed_again() {
    let Some(mut database) = TestDatabase::postgres() else {
        return;
    };
    let a = Replica::start(database.open().await, Duration::from_millis(50)).await;
    let b = Replica::start(database.open().await, Duration::from_millis(50)).await;
    let before = a.put("before").await;
    b.until(before).await;
    database.server().stop();
    assert!(a.control.refresh().await.is_err());
    assert_eq!(a.control.model().revision, before);
    database.server().run();
    let after = a.put("after").await;
    assert_eq!(b.until(after).await, a.control.model());
}

#[test]
fn an_outage_is_told_when_it_begins_and_the_next_one_again() {
    let mut outage = Outage::default();
    let attempts = [Ok(()), Err(1), Err(2), Ok(()), Err(3), Err(4)];
    let told = attempts.map(|attempt| outage.began(attempt));
    assert_eq!(told, [None, Some(1), None, None, Some(3), None]);
    let told = attempts.map(|attempt| outage.news(attempt));
    let expected = [
        Some(News::Ended),
        Some(News::Began(1)),
        None,
        Some(News::Ended),
        Some(News::Began(3)),
        None,
    ];
    assert_eq!(told, expected);
}
