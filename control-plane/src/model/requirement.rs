//! Requirements: "not if in experiment X", "only if in variant Y of X".

use super::check;
use super::fault::Faults;
use super::key::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;

/// What a request must have got of another experiment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// The other experiment.
    pub experiment: Key,
    /// Its variants; empty for any.
    pub variants: Vec<Key>,
    /// Whether the requirement holds where the rest does not.
    pub not: bool,
}

/// A requirement as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequirementSpec {
    /// The other experiment.
    pub experiment: String,
    /// Its variants; any where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// "Not if in" instead of "only if in".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

impl RequirementSpec {
    /// Validates a list of them, noting every fault. Whether the experiments exist, and whether they
    /// require one another, is for the model.
    pub(super) fn list(specs: &[Self], faults: &mut Faults) -> Option<Vec<Requirement>> {
        check::length(
            specs.len(),
            &(0..=limits::REQUIREMENTS),
            "/requires",
            faults,
        )?;
        let read: Vec<Option<Requirement>> = specs
            .iter()
            .enumerate()
            .map(|(index, spec)| spec.validate(&format!("/requires/{index}"), faults))
            .collect();
        read.into_iter().collect()
    }

    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Requirement> {
        let experiment = check::key(&self.experiment, &format!("{at}/experiment"), faults);
        let place = format!("{at}/variants");
        check::length(self.variants.len(), &(0..=limits::VARIANTS), &place, faults)?;
        let variants = check::keys(&self.variants, &place, faults);
        Some(Requirement {
            experiment: experiment?,
            variants: variants?,
            not: self.not,
        })
    }
}

impl From<&Requirement> for RequirementSpec {
    fn from(requirement: &Requirement) -> Self {
        Self {
            experiment: requirement.experiment.to_string(),
            variants: requirement.variants.iter().map(Key::to_string).collect(),
            not: requirement.not,
        }
    }
}
