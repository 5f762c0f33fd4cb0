//! Placement: which buckets of its layer an experiment owns, and how its variants share the
//! buckets of the variant hash. New buckets are computed from the old ones, so that a change moves
//! as few units as possible.

use super::experiment::ExperimentDesign;
use super::key::Key;
use thiserror::Error;
use watershed_engine::{AllocationError, RangeError, Ranges, reallocate, resize};

/// The buckets of one experiment. Only made for a design, and then fits it: as many buckets of the
/// layer as its traffic, and for each variant, in order, as many as its weight.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placement {
    allocation: Ranges,
    split: Vec<(String, Ranges)>,
}

/// Why an experiment gets no buckets.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum PlacementError {
    /// The layer has too few free buckets.
    #[error("layer `{layer}` has {free} free buckets of 10000, {wanted} are asked for{}", holders(.held))]
    Full {
        /// The layer.
        layer: Key,
        /// The buckets asked for.
        wanted: u32,
        /// The buckets that the experiment could have, its own among them.
        free: u32,
        /// How many buckets each other experiment holds.
        held: Vec<(Key, u32)>,
    },
    /// The engine refused: a fault of ours, since the design was validated.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// The neighbours overlap: a fault of ours, since the model keeps them apart.
    #[error(transparent)]
    Neighbours(#[from] RangeError),
    /// Buckets that were read back do not fit the design.
    #[error("the buckets do not fit the design: {reason}")]
    Misfit {
        /// What does not fit.
        reason: String,
    },
}

fn holders(held: &[(Key, u32)]) -> String {
    if held.is_empty() {
        return String::new();
    }
    let each: Vec<String> = held
        .iter()
        .map(|(key, size)| format!("`{key}` {size}"))
        .collect();
    format!("; held: {}", each.join(", "))
}

impl Placement {
    /// Places `design` beside the `neighbours` of its layer, as close to `previous` as can be.
    /// `previous` must be of the same layer.
    ///
    /// # Errors
    /// [`PlacementError::Full`] where the neighbours leave too little.
    pub fn compute<'a>(
        design: &ExperimentDesign,
        previous: Option<&Self>,
        neighbours: impl IntoIterator<Item = (&'a Key, &'a Ranges)>,
    ) -> Result<Self, PlacementError> {
        let mut taken = Vec::new();
        let mut held = Vec::new();
        for (key, ranges) in neighbours {
            taken.extend(ranges.iter());
            held.push((key.clone(), ranges.size()));
        }
        let nothing = Ranges::default();
        let owned = previous.map_or(&nothing, |placement| &placement.allocation);
        let within = Ranges::try_new(taken)?.complement();
        if within.size() < design.traffic {
            return Err(PlacementError::Full {
                layer: design.layer.clone(),
                wanted: design.traffic,
                free: within.size(),
                held,
            });
        }
        let allocation = resize(owned, &within.difference(owned), design.traffic)?;
        let before = previous.map_or(&[] as &[_], |placement| &placement.split);
        let split = reallocate(before, &weights(design))?;
        Ok(Self { allocation, split })
    }

    /// Takes buckets that were computed earlier and read back.
    ///
    /// # Errors
    /// [`PlacementError::Misfit`] where they are not what [`Placement::compute`] makes.
    pub fn restore(
        design: &ExperimentDesign,
        allocation: Ranges,
        split: Vec<(String, Ranges)>,
    ) -> Result<Self, PlacementError> {
        let misfit = |reason: String| Err(PlacementError::Misfit { reason });
        if allocation.size() != design.traffic {
            let (size, traffic) = (allocation.size(), design.traffic);
            return misfit(format!("{size} buckets for a traffic of {traffic}"));
        }
        let sizes = split.iter().map(|(key, r)| (key.clone(), r.size()));
        if sizes.collect::<Vec<_>>() != weights(design) {
            return misfit("variants or their weights differ".to_owned());
        }
        let mut taken = Ranges::default();
        for (key, ranges) in &split {
            if taken.intersects(ranges) {
                return misfit(format!("variant `{key}` overlaps another"));
            }
            taken = taken.union(ranges);
        }
        Ok(Self { allocation, split })
    }

    /// The buckets of the layer.
    #[must_use]
    pub fn allocation(&self) -> &Ranges {
        &self.allocation
    }

    /// Each variant's key and buckets of the variant hash, in the design's order.
    #[must_use]
    pub fn split(&self) -> &[(String, Ranges)] {
        &self.split
    }
}

fn weights(design: &ExperimentDesign) -> Vec<(String, u32)> {
    let weight = |v: &super::experiment::VariantDesign| (v.key.to_string(), v.weight);
    design.variants.iter().map(weight).collect()
}
