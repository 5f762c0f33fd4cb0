//! A change of weights: every variant's new share, by key.

use super::experiment::ExperimentDesign;
use super::experiment_spec::WHOLE;
use super::fault::{Faults, segment};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// New weights as they are written: `{"control": 9000, "candidate": 1000}`, in basis points. A
/// variant that is named twice is refused while reading, because JSON would keep either.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WeightsSpec(BTreeMap<String, u64>);

impl WeightsSpec {
    /// The design with these weights.
    ///
    /// # Errors
    /// Faults where a variant is missing or unknown, or the sum is not 10000.
    pub fn apply(&self, design: &ExperimentDesign) -> Result<ExperimentDesign, Faults> {
        let mut faults = Faults::default();
        let known: Vec<&str> = design.variants.iter().map(|v| v.key.as_str()).collect();
        let expected = format!(
            "a weight for each variant and no other: {}",
            known.join(", ")
        );
        for name in self.0.keys().filter(|name| !known.contains(&name.as_str())) {
            let at = format!("/{}", segment(name));
            faults.add(at, "is not a variant", &expected);
        }
        let mut changed = design.clone();
        for variant in &mut changed.variants {
            match self.0.get(variant.key.as_str()) {
                Some(weight) => variant.weight = u32::try_from(*weight).unwrap_or(u32::MAX),
                None => faults.add(format!("/{}", variant.key), "is missing", &expected),
            }
        }
        let sum = self.0.values().fold(0_u64, |sum, w| sum.saturating_add(*w));
        if sum != u64::from(WHOLE) {
            faults.add(
                "",
                format!("weights add up to {sum}"),
                "weights in basis points that add up to 10000",
            );
        }
        faults.or(Some(changed))
    }
}

impl<K: Into<String>> FromIterator<(K, u64)> for WeightsSpec {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(weights: I) -> Self {
        Self(weights.into_iter().map(|(k, w)| (k.into(), w)).collect())
    }
}

impl<'de> Deserialize<'de> for WeightsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Weights;
        impl<'de> Visitor<'de> for Weights {
            type Value = WeightsSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of variant keys and basis points")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightsSpec, A::Error> {
                let mut weights = BTreeMap::new();
                while let Some((name, weight)) = map.next_entry::<String, u64>()? {
                    if weights.insert(name.clone(), weight).is_some() {
                        let shown: String = name.escape_debug().take(64).collect();
                        return Err(A::Error::custom(format!(
                            "duplicate key `{shown}`, expected each variant once"
                        )));
                    }
                }
                Ok(WeightsSpec(weights))
            }
        }
        deserializer.deserialize_map(Weights)
    }
}
