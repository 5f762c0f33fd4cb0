//! From a model to the fleets: prepares every fleet's snapshot, and hands them over once the change
//! that made them is kept.

use crate::ads::Fleets;
use crate::control::{Publication, Publisher, Rejected};
use crate::model::{FleetSlice, Model};
use crate::resources::{self, ResourceChanges, Settings};
use std::sync::Arc;

/// Publishes models to fleets.
pub struct FleetPublisher {
    fleets: Arc<Fleets>,
    settings: Settings,
}

impl FleetPublisher {
    /// Publishes to `fleets`.
    #[must_use]
    pub fn new(fleets: Arc<Fleets>, settings: Settings) -> Self {
        Self { fleets, settings }
    }
}

impl Publisher for FleetPublisher {
    fn prepare(&self, model: &Model) -> Result<Publication, Rejected> {
        let newest = |part: &FleetSlice| self.fleets.newest(part);
        let snapshots = resources::snapshots(model, &self.settings, newest);
        let snapshots = snapshots.map_err(|fault| Rejected {
            reason: fault.to_string(),
        })?;
        let fleets = Arc::clone(&self.fleets);
        Ok(Box::new(move || fleets.publish(snapshots)))
    }

    fn preview(&self, before: &Model, after: &Model) -> Result<ResourceChanges, Rejected> {
        resources::difference(before, after, &self.settings).map_err(|fault| Rejected {
            reason: fault.to_string(),
        })
    }
}
