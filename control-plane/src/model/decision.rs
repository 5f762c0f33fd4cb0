//! Decisions: which variant an experiment was decided for. What a decision means for requests is in
//! `lifecycle` and `resources`.

use super::ExperimentDesign;
use super::check;
use super::fault::Faults;
use super::key::Key;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A decision as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionSpec {
    /// The variant that everybody shall get.
    pub variant: String,
}

/// What was decided.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The variant that everybody gets.
    pub variant: Key,
    /// When that was decided.
    pub at: Timestamp,
}

impl DecisionSpec {
    /// The variant of `design` that is decided for.
    ///
    /// # Errors
    /// A fault where the design has no such variant.
    pub(super) fn variant(&self, design: &ExperimentDesign) -> Result<Key, Faults> {
        let mut faults = Faults::default();
        let key = check::key(&self.variant, "/variant", &mut faults);
        if let Some(key) = &key
            && !design.has_variant(key)
        {
            let names: Vec<&str> = design.variants.iter().map(|it| it.key.as_str()).collect();
            let expected = format!("one of {}", names.join(", "));
            faults.add("/variant", format!("`{key}` is not a variant"), expected);
        }
        faults.or(key)
    }
}
