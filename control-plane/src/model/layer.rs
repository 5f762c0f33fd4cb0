//! Layers: 10,000 buckets that experiments share without overlap. Which experiment holds which
//! bucket is kept with the experiments.

use super::check;
use super::fault::Faults;
use super::key::Key;
use serde::{Deserialize, Serialize};

/// A layer as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// The salt of the layer's hash; the key where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// What a validated layer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerDesign {
    /// The salt of the layer's hash; never empty.
    pub salt: String,
}

impl LayerSpec {
    /// Validates, noting every fault.
    pub fn validate(&self, key: &Key, faults: &mut Faults) -> Option<LayerDesign> {
        let salt = self.salt.as_deref().unwrap_or(key.as_str());
        let salt = check::salt(salt, "/salt", faults)?;
        Some(LayerDesign { salt })
    }
}

impl From<&LayerDesign> for LayerSpec {
    fn from(design: &LayerDesign) -> Self {
        Self {
            salt: Some(design.salt.clone()),
        }
    }
}
