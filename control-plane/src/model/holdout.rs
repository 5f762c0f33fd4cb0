//! Holdouts: units that no experiment may touch, so that all of them together can be measured.

use super::check;
use super::experiment_spec::WHOLE;
use super::fault::Faults;
use super::key::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A holdout as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldoutSpec {
    /// The share of units that is held out, in basis points.
    pub traffic: u64,
    /// The salt of its hash; the key where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The layer whose experiments it is about; all of them where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a validated holdout is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HoldoutDesign {
    /// The share of units, 1..=10000. They are the lowest buckets of its hash, so that a share that
    /// grows lets nobody go and one that shrinks takes nobody new.
    pub traffic: u32,
    /// The salt of its hash; never empty.
    pub salt: String,
    /// The layer whose experiments it is about; every one where there is none.
    pub layer: Option<Key>,
    /// Anything worth knowing.
    pub description: Option<String>,
}

impl HoldoutSpec {
    /// Validates, noting every fault. Whether the layer exists is for the model.
    pub fn validate(&self, key: &Key, faults: &mut Faults) -> Option<HoldoutDesign> {
        let traffic = check::number(self.traffic, &(1..=WHOLE.into()), "/traffic", faults);
        let salt = self.salt.as_deref().unwrap_or(key.as_str());
        let salt = check::salt(salt, "/salt", faults);
        let layer = match &self.layer {
            Some(layer) => check::key(layer, "/layer", faults).map(Some),
            None => Some(None),
        };
        Some(HoldoutDesign {
            description: check::text(self.description.as_ref(), 16_384, "/description", faults),
            traffic: traffic?,
            salt: salt?,
            layer: layer?,
        })
    }
}

impl HoldoutDesign {
    /// Whether it is about the experiments of `layer`.
    #[must_use]
    pub fn covers(&self, layer: &Key) -> bool {
        self.layer.as_ref().is_none_or(|covered| covered == layer)
    }
}

impl From<&HoldoutDesign> for HoldoutSpec {
    fn from(design: &HoldoutDesign) -> Self {
        Self {
            traffic: design.traffic.into(),
            salt: Some(design.salt.clone()),
            layer: design.layer.as_ref().map(Key::to_string),
            description: design.description.clone(),
        }
    }
}
