//! From a model to the fleets: prepares the snapshots of every fleet that a change touches, and hands them
//! over once the change that made them is kept.

use crate::ads::Fleets;
use crate::control::{Publication, Publisher, Rejected};
use crate::model::{FleetSlice, Model};
use crate::resources::{self, ResourceChanges, Settings, Touched};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Publishes models to fleets.
pub struct FleetPublisher {
    fleets: Arc<Fleets>,
    settings: Settings,
    /// The model whose snapshots the fleets have; none before the first.
    published: Arc<Mutex<Option<Model>>>,
}

impl FleetPublisher {
    /// Publishes to `fleets`.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, settings: Settings) -> Self {
        Self {
            fleets,
            settings,
            published: Arc::default(),
        }
    }
}

impl Publisher for FleetPublisher {
    fn prepare(&self, model: &Model) -> Result<Publication, Rejected> {
        let touched = match &*lock(&self.published) {
            Some(published) => Touched::between(published, model),
            None => Touched::Everybody,
        };
        let newest = |part: &FleetSlice| self.fleets.newest(part);
        let snapshots = resources::next_snapshots(model, &self.settings, &touched, newest);
        let snapshots = snapshots.map_err(|fault| Rejected {
            reason: fault.to_string(),
        })?;
        let (fleets, published) = (Arc::clone(&self.fleets), Arc::clone(&self.published));
        let model = model.clone();
        Ok(Box::new(move || {
            let mut published = lock(&published);
            fleets.publish(snapshots);
            *published = Some(model);
        }))
    }

    fn preview(&self, before: &Model, after: &Model) -> Result<ResourceChanges, Rejected> {
        resources::difference(before, after, &self.settings).map_err(|fault| Rejected {
            reason: fault.to_string(),
        })
    }
}

fn lock(published: &Mutex<Option<Model>>) -> MutexGuard<'_, Option<Model>> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}
