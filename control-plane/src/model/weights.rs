//! A change of weights: every variant's new share, by key.

use super::experiment::ExperimentDesign;
use super::experiment_spec::weights_rule;
use super::fault::{Faults, segment};
use super::unique::Unique;
use schemars::JsonSchema;
use serde::Deserialize;

/// New weights as they are written: `{"control": 9000, "candidate": 1000}`, in basis points, or in
/// buckets where the experiment has another number of them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WeightsSpec(Unique<u64>);

impl WeightsSpec {
    /// The design with these weights.
    ///
    /// # Errors
    /// Faults where a variant is missing or unknown, or the sum is not that of the buckets.
    pub fn apply(&self, design: &ExperimentDesign) -> Result<ExperimentDesign, Faults> {
        let mut faults = Faults::default();
        let known: Vec<&str> = design.variants.iter().map(|v| v.key.as_str()).collect();
        let expected = format!(
            "a weight for each variant and no other: {}",
            known.join(", ")
        );
        for name in self
            .0
            .0
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let at = format!("/{}", segment(name));
            faults.add(at, "is not a variant", &expected);
        }
        let mut changed = design.clone();
        for variant in &mut changed.variants {
            match self.0.0.get(variant.key.as_str()) {
                Some(weight) => variant.weight = u32::try_from(*weight).unwrap_or(u32::MAX),
                None => faults.add(format!("/{}", variant.key), "is missing", &expected),
            }
        }
        let sum = self
            .0
            .0
            .values()
            .fold(0_u64, |sum, w| sum.saturating_add(*w));
        if sum != u64::from(design.hashing.buckets) {
            let message = format!("weights add up to {sum}");
            faults.add("", message, weights_rule(design.hashing));
        }
        faults.or(Some(changed))
    }
}

impl<K: Into<String>> FromIterator<(K, u64)> for WeightsSpec {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(weights: I) -> Self {
        Self(weights.into_iter().collect())
    }
}
