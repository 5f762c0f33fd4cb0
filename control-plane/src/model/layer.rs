//! Layers: buckets that experiments share without overlap. Which experiment holds which bucket is
//! kept with the experiments.

use super::check;
use super::fault::Faults;
use super::hash::{Hash, Hashing};
use super::key::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A layer as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// The salt of the layer's hash; the key where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The hash, for units that move in from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// The number of buckets, where the hash leaves it open; 10000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u64>,
    /// The kill switch: nobody is assigned in the layer. It stays as it is where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// What a validated layer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerDesign {
    /// The salt of the layer's hash; never empty.
    pub salt: String,
    /// How a unit becomes a bucket.
    pub hashing: Hashing,
    /// Whether nobody is assigned in the layer.
    pub disabled: bool,
}

impl LayerSpec {
    /// Validates, noting every fault.
    pub fn validate(&self, key: &Key, faults: &mut Faults) -> Option<LayerDesign> {
        let salt = self.salt.as_deref().unwrap_or(key.as_str());
        let salt = check::salt(salt, "/salt", faults);
        let hashing = Hashing::validate(self.hash, self.buckets, faults);
        Some(LayerDesign {
            salt: salt?,
            hashing: hashing?,
            disabled: self.disabled.unwrap_or_default(),
        })
    }
}

impl From<&LayerDesign> for LayerSpec {
    fn from(design: &LayerDesign) -> Self {
        let (hash, buckets) = design.hashing.written();
        Self {
            salt: Some(design.salt.clone()),
            hash,
            buckets,
            disabled: design.disabled.then_some(true),
        }
    }
}
