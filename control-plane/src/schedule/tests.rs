//! What is due when, that it is done by whoever leads, and that a restart makes up for what it missed.

use super::driver::Driver;
use super::*;
use crate::auth::Role;
use crate::control::{Command, Control, Publication, Publisher, Rejected};
use crate::model::change::{self, Change, Precondition, Spec};
use crate::resources::ResourceChanges;
use crate::store::audit::Filter;
use crate::store::{Author, Store};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::watch;

const BEFORE: &str = "2026-01-31T09:00:00Z";
const START: &str = "2026-02-01T09:00:00Z";
const END: &str = "2026-03-01T09:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn layer() -> Change {
    Change::Put(
        key("models"),
        Spec::Layer(serde_saphyr::from_str("{}").unwrap()),
    )
}

fn put(name: &str, window: &str) -> Change {
    let spec = format!(
        "{{layer: models, owner: me, decision_date: 2026-03-31, traffic: 1000, canary_traffic: 10, \
         unit: {{type: user, sources: [{{header: x-user}}]}}, variants: [{{key: a, weight: 10000}}]{window}}}"
    );
    Change::Put(
        key(name),
        Spec::Experiment(serde_saphyr::from_str(&spec).unwrap()),
    )
}

fn window() -> String {
    format!(", start: '{START}', end: '{END}'")
}

fn model(changes: impl IntoIterator<Item = Change>) -> Model {
    let changes = [layer()].into_iter().chain(changes);
    changes.fold(Model::default(), |model, change| {
        let applied = change::apply(&model, &change, Precondition::None, at(BEFORE));
        applied.unwrap().model
    })
}

fn act(name: &str, action: Action) -> Change {
    Change::Act(key(name), action)
}

fn due_actions(model: &Model, time: &str) -> Vec<Action> {
    due(model, at(time)).iter().map(|due| due.action).collect()
}

#[test]
fn a_scheduled_experiment_is_started_at_its_start_and_not_before() {
    let model = model([put("x", &window()), act("x", Action::Schedule)]);
    assert_eq!(due_actions(&model, "2026-02-01T08:59:59.999Z"), []);
    assert_eq!(due_actions(&model, START), [Action::Start]);
    assert_eq!(
        due(&model, at(START))[0].reason,
        "its start, 2026-02-01T09:00:00Z, has come"
    );
    assert_eq!(due(&model, at(START))[0].revision, 3);
}

#[test]
fn a_draft_is_started_by_nobody() {
    let model = model([put("x", &window())]);
    assert_eq!(due_actions(&model, START), []);
    assert_eq!(next(&model, at(BEFORE)), None);
}

#[test]
fn whatever_assigns_units_is_paused_at_its_end_and_nothing_else_is() {
    let window = format!(", end: '{END}'");
    for (stage, stops, expected) in [
        (Action::Internal, None, &[Action::Pause][..]),
        (Action::Canary, None, &[Action::Pause]),
        (Action::Start, None, &[Action::Pause]),
        (Action::Start, Some(Action::Pause), &[]),
        (Action::Start, Some(Action::Rollback), &[]),
    ] {
        let acts = [Some(stage), stops].into_iter().flatten();
        let acts = acts.map(|action| act("x", action));
        let model = model([put("x", &window)].into_iter().chain(acts));
        assert_eq!(due_actions(&model, START), []);
        assert_eq!(due_actions(&model, END), expected, "{stage} {stops:?}");
    }
}

#[test]
fn one_whose_whole_window_was_missed_is_a_draft_again() {
    let model = model([put("x", &window()), act("x", Action::Schedule)]);
    assert_eq!(due_actions(&model, END), [Action::Unschedule]);
}

#[test]
fn the_next_time_is_the_first_that_means_anything() {
    let model = model([
        put("x", &window()),
        act("x", Action::Schedule),
        put("y", ", end: '2026-02-15T00:00:00Z'"),
        act("y", Action::Start),
    ]);
    assert_eq!(next(&model, at(BEFORE)), Some(at(START)));
    assert_eq!(next(&model, at(START)), Some(at("2026-02-15T00:00:00Z")));
    assert_eq!(next(&model, at("2026-02-15T00:00:00Z")), Some(at(END)));
    assert_eq!(next(&model, at(END)), None);
}

/// Proxies that take everything.
struct Anything;

impl Publisher for Anything {
    fn prepare(&self, _: &Model) -> Result<Publication, Rejected> {
        Ok(Box::new(|| {}))
    }

    fn preview(&self, _: &Model, _: &Model) -> Result<ResourceChanges, Rejected> {
        Ok(ResourceChanges::default())
    }
}

async fn control(folder: &TempDir) -> Arc<Control> {
    let store = Store::open(&folder.path().join("w.db")).await.unwrap();
    let control = Control::start(store, Arc::new(Anything), Arc::default()).await;
    control.unwrap()
}

async fn made(control: &Arc<Control>, changes: impl IntoIterator<Item = Change>) {
    for change in changes {
        let command = Command {
            change,
            precondition: Precondition::None,
            author: Author::default(),
            role: Role::Admin,
        };
        control.change(command, at(BEFORE)).await.unwrap();
    }
}

async fn until(control: &Arc<Control>, name: &str, state: State) {
    let mut models = control.watch();
    let is_so = |model: &Arc<Model>| model.experiments[&key(name)].state == state;
    models.wait_for(is_so).await.unwrap();
}

#[tokio::test]
async fn what_came_due_while_nobody_was_there_is_made_up_for_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = control(&folder).await;
    made(
        &first,
        [layer(), put("x", &window()), act("x", Action::Schedule)],
    )
    .await;
    drop(first);
    let second = control(&folder).await;
    let driver = Driver::new(Arc::clone(&second), || at(START));
    let driving = tokio::spawn(driver.run(watch::channel(true).1));
    until(&second, "x", State::Running).await;
    driving.abort();
    let filter = Filter {
        actor: Some(ACTOR.to_owned()),
        limit: 10,
        ..Filter::default()
    };
    let store = Store::open(&folder.path().join("w.db")).await.unwrap();
    let records = store.audit(&filter).await.unwrap();
    let said: Vec<_> = records
        .iter()
        .map(|it| (it.event.action.as_str(), it.event.author.reason.as_deref()))
        .collect();
    assert_eq!(
        said,
        [("start", Some("its start, 2026-02-01T09:00:00Z, has come"))]
    );
}

#[tokio::test]
async fn a_replica_that_does_not_lead_waits_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let control = control(&folder).await;
    made(
        &control,
        [layer(), put("x", &window()), act("x", Action::Schedule)],
    )
    .await;
    let (lead, leads) = watch::channel(false);
    let driving = tokio::spawn(Driver::new(Arc::clone(&control), || at(START)).run(leads));
    // Wakes the driver, which would start `x`, too, if it did not ask who leads.
    made(&control, [put("y", "")]).await;
    tokio::task::yield_now().await;
    assert_eq!(
        control.model().experiments[&key("x")].state,
        State::Scheduled
    );
    lead.send(true).unwrap();
    until(&control, "x", State::Running).await;
    driving.abort();
}

#[tokio::test]
async fn a_step_that_is_refused_is_taken_once_it_is_possible() {
    let folder = tempfile::tempdir().unwrap();
    let control = control(&folder).await;
    let Change::Put(_, Spec::Experiment(mut spec)) = put("y", "") else {
        panic!("an experiment")
    };
    spec.unit.sources = vec![serde_saphyr::from_str("cookie: other").unwrap()];
    spec.services = vec!["chat".to_owned()];
    let cluster = "endpoints: [{address: 10.0.0.1, port: 80}]";
    made(
        &control,
        [
            Change::Put(
                key("c"),
                Spec::Cluster(serde_saphyr::from_str(cluster).unwrap()),
            ),
            Change::Put(
                key("chat"),
                Spec::Service(serde_saphyr::from_str("default_cluster: c").unwrap()),
            ),
            layer(),
            Change::Put(key("y"), Spec::Experiment(spec)),
            act("y", Action::Start),
            put("x", &window()),
            act("x", Action::Schedule),
            put("z", &window()),
            act("z", Action::Schedule),
        ],
    )
    .await;
    let driver = Driver::new(Arc::clone(&control), || at(START));
    let driving = tokio::spawn(driver.run(watch::channel(true).1));
    // `x` and `z` would read another unit than `y` does; once `y` is paused, both may start.
    made(&control, [act("y", Action::Pause)]).await;
    until(&control, "x", State::Running).await;
    until(&control, "z", State::Running).await;
    driving.abort();
}
