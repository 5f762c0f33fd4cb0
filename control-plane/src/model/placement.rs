//! Placement: which buckets of its layer an experiment owns, and how its variants share the
//! buckets of the variant hash. New buckets are computed from the old ones, so that a change moves
//! as few units as possible.

use super::experiment::ExperimentDesign;
use super::key::Key;
use std::cmp::Reverse;
use thiserror::Error;
use watershed_engine::{AllocationError, RangeError, Ranges, reallocate, resize};

/// The buckets of one experiment. Only made for a design, and then fits it: as many buckets of the
/// layer as its traffic (or none, once they were freed), among them those of its canary, and for each
/// variant, in order, as many as its weight.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placement {
    allocation: Ranges,
    canary: Option<Ranges>,
    split: Vec<(String, Ranges)>,
}

/// Buckets that were computed earlier and read back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The buckets of the layer.
    pub allocation: Ranges,
    /// Those among them that a canary has.
    pub canary: Option<Ranges>,
    /// Each variant's buckets of the variant hash.
    pub split: Vec<(String, Ranges)>,
    /// Whether the buckets of the layer were freed.
    pub freed: bool,
}

/// Why an experiment gets no buckets.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum PlacementError {
    /// The layer has too few free buckets.
    #[error("layer `{layer}` has {free} free buckets of {buckets}, {wanted} are asked for{}", holders(.held))]
    Full {
        /// The layer.
        layer: Key,
        /// All its buckets.
        buckets: u32,
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
    /// Places `design` among the `buckets` of its layer beside its `neighbours` there, as close to
    /// `previous` as can be. `previous` must be of the same layer.
    ///
    /// # Errors
    /// [`PlacementError::Full`] where the neighbours leave too little.
    pub fn compute<'a>(
        design: &ExperimentDesign,
        previous: Option<&Self>,
        buckets: u32,
        neighbours: impl IntoIterator<Item = (&'a Key, &'a Ranges)>,
    ) -> Result<Self, PlacementError> {
        let mut taken = Vec::new();
        let mut held = Vec::new();
        for (key, ranges) in neighbours.into_iter().filter(|(_, it)| !it.is_empty()) {
            taken.extend(ranges.iter());
            held.push((key.clone(), ranges.size()));
        }
        let nothing = Ranges::default();
        let owned = previous.map_or(&nothing, |placement| &placement.allocation);
        let all = Ranges::full().lowest(buckets);
        let within = all.difference(&Ranges::try_new(taken)?);
        if within.size() < design.traffic {
            return Err(PlacementError::Full {
                layer: design.layer.clone(),
                buckets,
                wanted: design.traffic,
                free: within.size(),
                held,
            });
        }
        let growth = design.traffic.saturating_sub(owned.size());
        let more = picked(&within.difference(owned), growth)?;
        let allocation = resize(owned, &more, design.traffic)?;
        let canary = previous.and_then(|placement| placement.canary.as_ref());
        let canary = canary_of(canary, &allocation, design)?;
        let before = previous.map_or(&[] as &[_], |placement| &placement.split);
        let split = split(before, design)?;
        Ok(Self {
            allocation,
            canary,
            split,
        })
    }

    /// The same without buckets of the layer, so that others may have them.
    #[must_use]
    pub fn freed(&self) -> Self {
        Self {
            allocation: Ranges::default(),
            canary: None,
            split: self.split.clone(),
        }
    }

    /// Takes buckets that were computed earlier and read back.
    ///
    /// # Errors
    /// [`PlacementError::Misfit`] where they are not what [`Placement::compute`] makes.
    pub fn restore(design: &ExperimentDesign, kept: Kept) -> Result<Self, PlacementError> {
        let Kept {
            allocation,
            canary,
            split,
            freed,
        } = kept;
        let misfit = |reason: String| Err(PlacementError::Misfit { reason });
        let traffic = if freed { 0 } else { design.traffic };
        if allocation.size() != traffic {
            let size = allocation.size();
            return misfit(format!("{size} buckets for a traffic of {traffic}"));
        }
        let wanted = design.canary_traffic.filter(|_| !freed);
        if canary.as_ref().map(Ranges::size) != wanted {
            return misfit("the canary's buckets and its traffic differ".to_owned());
        }
        if canary
            .as_ref()
            .is_some_and(|it| !it.difference(&allocation).is_empty())
        {
            return misfit("the canary has buckets that the experiment does not own".to_owned());
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
        if !taken.difference(&folded(design)).is_empty() {
            return misfit("variants own buckets that the hash does not have".to_owned());
        }
        Ok(Self {
            allocation,
            canary,
            split,
        })
    }

    /// The buckets of the layer.
    #[must_use]
    pub fn allocation(&self) -> &Ranges {
        &self.allocation
    }

    /// Those of them that a canary has, where the design says how many.
    #[must_use]
    pub fn canary(&self) -> Option<&Ranges> {
        self.canary.as_ref()
    }

    /// Each variant's key and buckets of the variant hash, in the design's order.
    #[must_use]
    pub fn split(&self) -> &[(String, Ranges)] {
        &self.split
    }
}

/// Free buckets for an experiment that asks for `wanted` more: of the smallest range that has as many,
/// so that large ranges stay for those that ask for much, else of the largest ones.
fn picked(free: &Ranges, wanted: u32) -> Result<Ranges, RangeError> {
    let size = |range: &(u16, u16)| u32::from(range.1).saturating_sub(range.0.into()) + 1;
    let mut ranges: Vec<(u16, u16)> = free.iter().collect();
    let fitting = ranges.iter().filter(|range| size(range) >= wanted);
    if let Some(best) = fitting.min_by_key(|range| size(range)) {
        return Ok(Ranges::try_new([*best])?.lowest(wanted));
    }
    ranges.sort_by_key(|range| Reverse(size(range)));
    let mut missing = wanted;
    let largest = ranges.into_iter().take_while(|range| {
        let is_short = missing > 0;
        missing = missing.saturating_sub(size(range));
        is_short
    });
    Ok(Ranges::try_new(largest)?.lowest(wanted))
}

/// The canary's buckets, as close to those it had as can be: one that grows keeps all of its units.
fn canary_of(
    before: Option<&Ranges>,
    allocation: &Ranges,
    design: &ExperimentDesign,
) -> Result<Option<Ranges>, AllocationError> {
    let Some(size) = design.canary_traffic else {
        return Ok(None);
    };
    let owned = before.map_or_else(Ranges::default, |before| before.intersection(allocation));
    resize(&owned, &allocation.difference(&owned), size).map(Some)
}

/// The buckets that the variant hash can give.
fn folded(design: &ExperimentDesign) -> Ranges {
    Ranges::full().lowest(design.hashing.buckets)
}

/// Splits the buckets of the variant hash. The engine gives out all buckets there are, so those that
/// the hash does not have stay with nobody, whose name no variant can have.
fn split(
    before: &[(String, Ranges)],
    design: &ExperimentDesign,
) -> Result<Vec<(String, Ranges)>, AllocationError> {
    let beyond = folded(design).complement();
    if beyond.is_empty() {
        return reallocate(before, &weights(design));
    }
    let nobody = String::new();
    let mut weights = weights(design);
    weights.push((nobody.clone(), beyond.size()));
    // Where the hash had other buckets, nothing of the old split means anything.
    let fits = before.iter().all(|(_, ranges)| !ranges.intersects(&beyond));
    let mut before = if fits { before.to_vec() } else { Vec::new() };
    before.push((nobody, beyond));
    let mut split = reallocate(&before, &weights)?;
    split.pop();
    Ok(split)
}

fn weights(design: &ExperimentDesign) -> Vec<(String, u32)> {
    let variants = design.variants.iter();
    variants
        .map(|variant| (variant.key.to_string(), variant.weight))
        .collect()
}
