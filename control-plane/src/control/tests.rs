//! Tests of the single writer: what is kept and what is published stay the same, whatever fails in
//! between and whoever else writes.

use super::*;
use crate::model::change::Spec;
use crate::model::{Key, Kind};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Remembers the revisions it published, and refuses models when told to.
#[derive(Default)]
struct Recorder {
    published: Arc<StdMutex<Vec<u64>>>,
    refuses: AtomicBool,
}

impl Publisher for Recorder {
    fn preview(&self, _: &Model, after: &Model) -> Result<ResourceChanges, Rejected> {
        self.prepare(after).map(|_| ResourceChanges::new())
    }

    fn prepare(&self, model: &Model) -> Result<Publication, Rejected> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Rejected {
                reason: "no proxy could take it".to_owned(),
            });
        }
        let (published, revision) = (Arc::clone(&self.published), model.revision);
        Ok(Box::new(move || published.lock().unwrap().push(revision)))
    }
}

struct Server {
    control: Arc<Control>,
    recorder: Arc<Recorder>,
}

impl Server {
    async fn start(folder: &TempDir) -> Self {
        let store = Store::open(&folder.path().join("w.db")).await.unwrap();
        let recorder = Arc::new(Recorder::default());
        let publisher: Arc<dyn Publisher> = recorder.clone();
        let control = Control::start(store, publisher, Arc::default())
            .await
            .unwrap();
        Self { control, recorder }
    }

    fn published(&self) -> Vec<u64> {
        self.recorder.published.lock().unwrap().clone()
    }
}

fn command(name: &str) -> Command {
    let spec = serde_saphyr::from_str("endpoints: [{address: 10.0.0.1, port: 80}]").unwrap();
    Command {
        change: Change::Put(Key::try_new(name).unwrap(), Spec::Cluster(spec)),
        precondition: Precondition::None,
        author: Author::default(),
        role: Role::Admin,
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

#[tokio::test]
async fn a_change_is_kept_published_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    let outcome = server.control.change(command("a"), now()).await.unwrap();
    assert_eq!(outcome.model, server.control.model());
    assert_eq!(server.published(), [0, 1]);
    assert_eq!(server.control.store.load().await.unwrap(), *outcome.model);
    let text = server.control.metrics.encode().unwrap();
    assert!(text.contains(r#"watershed_changes_total{kind="cluster",action="create"} 1"#));
}

#[tokio::test]
async fn a_restart_publishes_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let before = Server::start(&folder).await;
    before.control.change(command("a"), now()).await.unwrap();
    let after = Server::start(&folder).await;
    assert_eq!(after.control.model(), before.control.model());
    assert_eq!(after.published(), [1]);
}

#[tokio::test]
async fn what_is_so_already_is_neither_kept_nor_published() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    server.control.change(command("a"), now()).await.unwrap();
    let again = server.control.change(command("a"), now()).await.unwrap();
    assert_eq!(again.edit, None);
    assert_eq!(server.published(), [0, 1]);
}

#[tokio::test]
async fn what_proxies_could_not_take_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    server.recorder.refuses.store(true, Ordering::Relaxed);
    let refused = server
        .control
        .change(command("a"), now())
        .await
        .unwrap_err();
    assert!(matches!(refused, ControlError::Rejected(_)), "{refused}");
    assert_eq!(server.control.model().revision, 0);
    assert_eq!(server.control.store.load().await.unwrap(), Model::default());
}

#[tokio::test]
async fn what_the_model_refuses_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    let change = Change::Delete(Kind::Cluster, Key::try_new("a").unwrap());
    let command = Command {
        change,
        ..command("a")
    };
    let refused = server.control.change(command, now()).await.unwrap_err();
    assert!(matches!(refused, ControlError::Model(_)), "{refused}");
    assert_eq!(server.published(), [0]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_store_and_model_alike() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    let mut models = server.control.watch();
    {
        let change = server.control.change(command("a"), now());
        tokio::pin!(change);
        // Polled once, which hands the work over, and dropped.
        let _ = futures::poll!(&mut change);
    }
    models.changed().await.unwrap();
    assert_eq!(models.borrow().revision, 1);
    assert_eq!(server.control.store.load().await.unwrap().revision, 1);
}

#[tokio::test]
async fn writers_at_the_same_time_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    let names: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let changes = names
        .iter()
        .map(|name| server.control.change(command(name), now()));
    for outcome in futures::future::join_all(changes).await {
        assert!(outcome.unwrap().edit.is_some());
    }
    assert_eq!(server.published(), (0..=20).collect::<Vec<u64>>());
    assert_eq!(
        server.control.store.load().await.unwrap().clusters.len(),
        20
    );
}

#[tokio::test]
async fn a_second_process_on_the_same_database_loses_no_write() {
    let folder = tempfile::tempdir().unwrap();
    let one = Server::start(&folder).await;
    let two = Server::start(&folder).await;
    one.control.change(command("first"), now()).await.unwrap();
    two.control.change(command("second"), now()).await.unwrap();
    assert_eq!(two.control.model().clusters.len(), 2);
    assert_eq!(two.published(), [0, 1, 2]);
    one.control.change(command("third"), now()).await.unwrap();
    assert_eq!(one.control.model().clusters.len(), 3);
}

#[tokio::test]
async fn a_store_that_fails_refuses_changes_and_leaves_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder).await;
    server.control.change(command("a"), now()).await.unwrap();
    server.control.store.close().await;
    let refused = server
        .control
        .change(command("b"), now())
        .await
        .unwrap_err();
    assert!(matches!(refused, ControlError::Store(_)), "{refused}");
    assert!(server.control.ready().await.is_err());
    assert_eq!(server.control.model().clusters.len(), 1);
    assert_eq!(server.published(), [0, 1]);
}
