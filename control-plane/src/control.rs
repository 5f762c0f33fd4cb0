//! The single writer: takes a change through model, publisher and store, in that order, so that
//! what was answered is durable and what is published was kept. Readers never wait for it.

use crate::auth::Role;
use crate::metrics::Metrics;
use crate::model::change::{self, Applied, Change, Edit, ModelError, Precondition};
use crate::model::{Model, role};
use crate::resources::ResourceChanges;
use crate::store::receipts::{Claim, Effect, Kept, Receipt};
use crate::store::{Author, Import, Imported, Store, StoreError, Turn};
use crate::traces;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::timeout;
use tracing::Instrument as _;

/// How often a change is tried where other replicas are first. From the second time on they wait for us,
/// where the database lets them.
const ATTEMPTS: u32 = 8;

/// How long a change waits for the ones before it.
const QUEUE: Duration = Duration::from_secs(5);

/// What makes of a model what proxies get.
pub trait Publisher: Send + Sync + 'static {
    /// Makes everything that `model` means for proxies, and sends nothing.
    ///
    /// # Errors
    /// [`Rejected`] where a proxy could not take it.
    fn prepare(&self, model: &Model) -> Result<Publication, Rejected>;

    /// What proxies would get differently of `after` than of `before`.
    ///
    /// # Errors
    /// [`Rejected`] where a proxy could not take it.
    fn preview(&self, before: &Model, after: &Model) -> Result<ResourceChanges, Rejected>;
}

/// Something prepared that is sent by calling it.
pub type Publication = Box<dyn FnOnce() + Send>;

/// A model that is valid in itself, but that no proxy could take.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("{reason}")]
pub struct Rejected {
    /// What a proxy would say.
    pub reason: String,
}

/// A change, with who wants it and on what condition.
#[derive(Clone, Debug)]
pub struct Command {
    /// What shall be changed.
    pub change: Change,
    /// What must be true of it.
    pub precondition: Precondition,
    /// Who wants it, and why.
    pub author: Author,
    /// What they may do.
    pub role: Role,
}

/// What became of a command: the model that has it, and the edit where it changed anything.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The model with the change.
    pub model: Arc<Model>,
    /// What the change was; nothing where everything was so already.
    pub edit: Option<Edit>,
}

/// What became of a command that may be sent again.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was made now.
    Made(Outcome),
    /// It was made before, and this was answered.
    Repeated(Box<Kept>),
}

/// What a command would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What the change would be; nothing where everything is so already.
    pub edit: Option<Edit>,
    /// What proxies would get differently.
    pub resources: ResourceChanges,
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The model refuses it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Who wants it may not do it, as the model is.
    #[error("this needs the role {needed}, not {role}")]
    Forbidden {
        /// What they have.
        role: Role,
        /// What it needs.
        needed: Role,
    },
    /// Proxies would refuse it.
    #[error("proxies could not take this: {0}")]
    Rejected(#[from] Rejected),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another command was sent under the same idempotency key.
    #[error("something else was sent under this idempotency key")]
    KeyReused,
    /// Too many others wait to write, or the store does not let the one before us go.
    #[error("other changes take too long")]
    Busy,
    /// The task that makes it died.
    #[error("the change was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// The model, its store, and the one path by which both change.
pub struct Control {
    model: watch::Sender<Arc<Model>>,
    writing: Mutex<()>,
    store: Store,
    publisher: Arc<dyn Publisher>,
    metrics: Arc<Metrics>,
}

impl Control {
    /// Loads the model and publishes it.
    ///
    /// # Errors
    /// [`ControlError`] where what was kept cannot be read or published.
    pub async fn start(
        store: Store,
        publisher: Arc<dyn Publisher>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ControlError> {
        let model = store.load().await?;
        let control = Self {
            model: watch::Sender::default(),
            writing: Mutex::new(()),
            store,
            publisher,
            metrics,
        };
        control.prepare(&model)?();
        control.model.send_replace(Arc::new(model));
        Ok(Arc::new(control))
    }

    /// The model as it is.
    #[must_use]
    pub fn model(&self) -> Arc<Model> {
        self.model.borrow().clone()
    }

    /// The model as it is and as it will be.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Model>> {
        self.model.subscribe()
    }

    /// Makes a change. When it returns, the change is on disk and on its way to the proxies.
    ///
    /// # Errors
    /// [`ControlError`] where it was not made. After one from the store it may have been kept: the
    /// model is then read again.
    pub async fn change(
        self: &Arc<Self>,
        command: Command,
        now: Timestamp,
    ) -> Result<Outcome, ControlError> {
        match self.change_once(command, None, now).await? {
            Answer::Made(outcome) => Ok(outcome),
            // Without a claim nothing is a repetition.
            Answer::Repeated(_) => Err(ControlError::KeyReused),
        }
    }

    /// Makes a change, or, where its author has made it before under the same claim, tells what was
    /// answered then.
    ///
    /// # Errors
    /// As [`Control::change`], and [`ControlError::KeyReused`].
    pub async fn change_once(
        self: &Arc<Self>,
        command: Command,
        claim: Option<Claim>,
        now: Timestamp,
    ) -> Result<Answer, ControlError> {
        // A task of its own: a caller that goes away must not leave store and model apart.
        let control = Arc::clone(self);
        let write = async move { control.write(&command, claim.as_ref(), now).await };
        tokio::spawn(write.in_current_span()).await?
    }

    /// What a command would do. Nothing is kept and nobody is told.
    ///
    /// # Errors
    /// [`ControlError`] where it would not be made.
    pub fn preview(&self, command: &Command, now: Timestamp) -> Result<Preview, ControlError> {
        let current = self.model();
        let Applied { model, edit } = applied(&current, command, now)?;
        let resources = match &edit {
            Some(_) => self.publisher.preview(&current, &model)?,
            None => ResourceChanges::new(),
        };
        Ok(Preview { edit, resources })
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    /// Restores a whole model where nothing was ever changed, with the keys beside it. When it returns,
    /// it is on disk and on its way to the proxies.
    ///
    /// # Errors
    /// [`ControlError`] where nothing of it was kept; [`StoreError::NotEmpty`] among them.
    pub async fn import(self: &Arc<Self>, import: Import) -> Result<Imported, ControlError> {
        let control = Arc::clone(self);
        tokio::spawn(async move {
            let _writing = control.turn().await?;
            // What proxies could not take is not kept.
            drop(control.prepare(&import.model)?);
            let imported = control.store.import(&import).await?;
            control.catch_up().await?;
            control.metrics.change("model", "import");
            let (revision, actor) = (imported.revision, &import.author.actor);
            tracing::info!(revision, actor, "imported");
            Ok(imported)
        })
        .await?
    }

    /// Reads what other replicas have written, and publishes it.
    ///
    /// # Errors
    /// [`ControlError`] where it cannot be read or published; the model stays as it was.
    pub async fn refresh(&self) -> Result<(), ControlError> {
        let _writing = self.turn().await?;
        self.catch_up().await
    }

    /// Our turn to write. Where the store hangs, whoever waits is told, and does not queue up.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, ControlError> {
        let turn = timeout(QUEUE, self.writing.lock()).await;
        turn.map_err(|_| ControlError::Busy)
    }

    async fn write(
        &self,
        command: &Command,
        claim: Option<&Claim>,
        now: Timestamp,
    ) -> Result<Answer, ControlError> {
        let _writing = self.turn().await?;
        let (mut attempts, mut turn) = (0, None);
        loop {
            attempts += 1;
            match self.try_write(command, claim, now, turn.take()).await {
                // Another replica was first. What it wrote may change what we have to say; and now no
                // other gets in between.
                Err(ControlError::Store(StoreError::Raced)) if attempts < ATTEMPTS => {
                    turn = self.store.turn().await?;
                    self.catch_up().await?;
                }
                Err(ControlError::Store(fault)) => {
                    // What the store holds is the truth, however far we came.
                    if let Err(fault) = self.catch_up().await {
                        tracing::warn!(%fault, "the model could not be read again");
                    }
                    return Err(fault.into());
                }
                other => return other,
            }
        }
    }

    async fn try_write(
        &self,
        command: &Command,
        claim: Option<&Claim>,
        now: Timestamp,
        turn: Option<Turn>,
    ) -> Result<Answer, ControlError> {
        if let Some(claim) = claim
            && let Some(kept) = self.answered(&command.author.actor, claim, now).await?
        {
            return Ok(Answer::Repeated(Box::new(kept)));
        }
        let current = self.model();
        let Applied { model, edit } = applied(&current, command, now)?;
        let receipt = claim.map(|claim| receipt(&model, edit.as_ref(), command, claim, now));
        let Some(edit) = edit else {
            if let Some(receipt) = &receipt {
                self.store.keep_receipt(receipt).await?;
            }
            return Ok(Answer::Made(Outcome {
                model: current,
                edit: None,
            }));
        };
        let publish = self.prepare(&model)?;
        let receipt = receipt.as_ref();
        let kept = (&edit, &command.author, receipt);
        let span = traces::commit(&edit);
        self.store.commit_in(turn, kept).instrument(span).await?;
        let model = Arc::new(model);
        self.model.send_replace(Arc::clone(&model));
        publish();
        self.metrics.change(edit.kind.as_str(), edit.action);
        tracing::info!(
            revision = edit.revision,
            action = edit.action,
            kind = %edit.kind,
            key = %edit.key,
            actor = command.author.actor,
            "changed"
        );
        Ok(Answer::Made(Outcome {
            model,
            edit: Some(edit),
        }))
    }

    /// What `model` means for proxies, and counts how long it took to make.
    fn prepare(&self, model: &Model) -> Result<Publication, Rejected> {
        let began = Instant::now();
        let publication =
            traces::build(model.revision).in_scope(|| self.publisher.prepare(model))?;
        self.metrics.xds_build(began.elapsed());
        Ok(publication)
    }

    /// What was answered under this claim.
    async fn answered(
        &self,
        actor: &str,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Option<Kept>, ControlError> {
        let kept = self.store.receipt(actor, &claim.key, now).await?;
        match kept {
            Some(kept) if kept.fingerprint != claim.fingerprint => Err(ControlError::KeyReused),
            kept => Ok(kept),
        }
    }

    async fn catch_up(&self) -> Result<(), ControlError> {
        let Some(model) = self.store.catch_up(&self.model()).await? else {
            return Ok(());
        };
        let publish = self.prepare(&model)?;
        self.model.send_replace(Arc::new(model));
        publish();
        Ok(())
    }
}

/// The model with the command's change, where its author may make it. What a change needs depends on
/// the model that it changes, so that this is decided on no other.
fn applied(model: &Model, command: &Command, now: Timestamp) -> Result<Applied, ControlError> {
    let needed = role::needed(model, &command.change);
    if !command.role.may(needed) {
        let role = command.role;
        return Err(ControlError::Forbidden { role, needed });
    }
    let (change, precondition) = (&command.change, command.precondition);
    Ok(change::apply(model, change, precondition, now)?)
}

/// What will have been answered to `command`, which made `edit` and so `model`.
fn receipt(
    model: &Model,
    edit: Option<&Edit>,
    command: &Command,
    claim: &Claim,
    now: Timestamp,
) -> Receipt {
    let (kind, key) = command.change.target();
    let entry = model.entry(kind, key);
    Receipt {
        actor: command.author.actor.clone(),
        claim: claim.clone(),
        at: now,
        effect: match (&entry, edit) {
            (None, _) => Effect::Removed,
            (_, Some(edit)) if edit.before.is_none() => Effect::Created,
            _ => Effect::Changed,
        },
        meta: entry.map(|entry| entry.meta()),
    }
}

#[cfg(test)]
mod tests;
