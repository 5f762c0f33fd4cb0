//! Kill switches: of one experiment, of a layer, and of the whole installation. A switch says
//! nothing else than whether anybody is assigned; state, buckets and salts stay as they are.

use super::change::ModelError;
use super::entry::Entry;
use super::{Key, Kind, Model, experiment_change};
use std::sync::Arc;

/// Which way a kill switch is thrown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switch {
    /// Nobody is assigned.
    Disable,
    /// Units are assigned as everything else says.
    Enable,
}

impl Switch {
    /// The word for it, as in a path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

/// The thing with its switch thrown. Throwing one that is so already changes nothing.
pub(super) fn throw(
    model: &Model,
    kind: Kind,
    key: &Key,
    switch: Switch,
) -> Result<Entry, ModelError> {
    let disabled = switch == Switch::Disable;
    let unknown = || ModelError::Unknown {
        kind,
        key: key.clone(),
    };
    let mut entry = match (model.entry(kind, key), kind) {
        (None, Kind::Settings) => Entry::unset_settings(key.clone()),
        (found, _) => found.ok_or_else(unknown)?,
    };
    match &mut entry {
        Entry::Settings(it) => Arc::make_mut(it).design.disabled = disabled,
        Entry::Layer(it) => Arc::make_mut(it).design.disabled = disabled,
        Entry::Experiment(it) => {
            experiment_change::alive(model, key)?;
            Arc::make_mut(it).design.disabled = disabled;
        }
        Entry::Cluster(_)
        | Entry::Segment(_)
        | Entry::Service(_)
        | Entry::Holdout(_)
        | Entry::Metric(_) => {
            return Err(unknown());
        }
    }
    Ok(entry)
}
