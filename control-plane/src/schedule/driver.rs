//! The driver of the schedule: waits until something is due, and has it changed as anybody would. Of
//! several replicas only the leader drives. What is due is not decided here.

use super::{ACTOR, Due, due, next};
use crate::auth::Role;
use crate::clock::Clock;
use crate::control::{Command, Control, ControlError};
use crate::model::change::{Change, ModelError, Precondition};
use crate::model::{Key, Model};
use crate::store::Author;
use crate::traces;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument as _;

/// The longest wait: the time of day may jump, and what failed is tried again.
const TICK: Duration = Duration::from_secs(1);

/// Takes the steps that are due.
pub struct Driver {
    control: Arc<Control>,
    clock: Clock,
    /// What was refused, with the model that refused it: only another model may take it.
    refused: BTreeMap<Key, u64>,
}

impl Driver {
    /// Drives `control` by `clock`.
    #[must_use]
    pub fn new(control: Arc<Control>, clock: Clock) -> Self {
        Self {
            control,
            clock,
            refused: BTreeMap::new(),
        }
    }

    /// Runs for as long as it is polled, while `leads` says that this replica leads.
    pub async fn run(mut self, mut leads: watch::Receiver<bool>) {
        let mut models = self.control.watch();
        loop {
            let leading = *leads.borrow_and_update();
            let model = models.borrow_and_update().clone();
            let wait = if leading {
                self.take(&model).await;
                wait(&model, (self.clock)())
            } else {
                TICK
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed(&mut models) => {}
                () = changed(&mut leads) => {}
            }
        }
    }

    /// Takes every step that is due in `model`.
    async fn take(&mut self, model: &Model) {
        let now = (self.clock)();
        for due in due(model, now) {
            if self.refused.get(&due.key) == Some(&model.revision) {
                continue;
            }
            let key = due.key.clone();
            let span = traces::step(&due);
            let change = self.control.change(command(due), now);
            match change.instrument(span).await {
                Ok(_) => _ = self.refused.remove(&key),
                // Somebody was faster: the next model says what is due then.
                Err(ControlError::Model(ModelError::Stale { .. })) => {}
                Err(fault @ (ControlError::Store(_) | ControlError::Interrupted(_))) => {
                    tracing::error!(%key, %fault, "a step that is due could not be taken");
                }
                Err(fault) => {
                    tracing::warn!(%key, %fault, "a step that is due is refused");
                    self.refused.insert(key, model.revision);
                }
            }
        }
    }
}

fn command(due: Due) -> Command {
    Command {
        change: Change::Act(due.key, due.action),
        precondition: Precondition::Revision(due.revision),
        author: Author {
            actor: ACTOR.to_owned(),
            reason: Some(due.reason),
            ..Author::default()
        },
        // Who scheduled it, or let it run with an end, was one.
        role: Role::Operator,
    }
}

/// How long until something is due, but no longer than a tick.
fn wait(model: &Model, now: Timestamp) -> Duration {
    let until = next(model, now).map(|time| time.duration_since(now));
    let until = until.and_then(|until| Duration::try_from(until).ok());
    until.map_or(TICK, |until| until.min(TICK))
}

/// Waits for a new value; for ever where nobody is left to give one.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
