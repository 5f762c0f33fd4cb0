//! Who holds which buckets of a layer, and which are free: what a conflict about buckets is about, as
//! a view. Nobody is ever moved to make free ranges larger: that would take units out of their
//! variants.

use super::lifecycle::State;
use super::{Key, Model};
use schemars::JsonSchema;
use serde::Serialize;
use watershed_engine::{RangeError, Ranges};

/// The buckets of one layer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct LayerBuckets {
    /// The layer.
    pub layer: Key,
    /// All its buckets.
    pub buckets: u32,
    /// Those that nobody holds.
    pub free: Buckets,
    /// Who holds the others, by their first bucket.
    pub holders: Vec<Holder>,
}

/// A set of buckets.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Buckets {
    /// How many they are.
    pub size: u32,
    /// `[first, last]` pairs, in order.
    pub ranges: Vec<(u16, u16)>,
}

/// An experiment that holds buckets.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Holder {
    /// The experiment.
    pub experiment: Key,
    /// Where it is in its life.
    pub state: State,
    /// What it holds.
    #[serde(flatten)]
    pub buckets: Buckets,
}

impl LayerBuckets {
    /// Those of the layer `key`, where there is one.
    ///
    /// # Errors
    /// Two experiments hold one bucket, which no model allows.
    pub fn of(model: &Model, key: &Key) -> Result<Option<Self>, RangeError> {
        let Some(layer) = model.layers.get(key) else {
            return Ok(None);
        };
        let buckets = layer.design.hashing.buckets;
        let experiments = model.experiments.values();
        let members = experiments.filter(|it| it.design.layer == *key);
        let mut holders: Vec<Holder> = members
            .filter(|it| !it.allocation().is_empty())
            .map(|it| Holder {
                experiment: it.key.clone(),
                state: it.state,
                buckets: it.allocation().into(),
            })
            .collect();
        holders.sort_by(|a, b| a.buckets.ranges.cmp(&b.buckets.ranges));
        let held = holders.iter().flat_map(|it| it.buckets.ranges.iter());
        let held = Ranges::try_new(held.copied())?;
        let free = Ranges::full().lowest(buckets).difference(&held);
        Ok(Some(Self {
            layer: key.clone(),
            buckets,
            free: (&free).into(),
            holders,
        }))
    }
}

impl From<&Ranges> for Buckets {
    fn from(ranges: &Ranges) -> Self {
        Self {
            size: ranges.size(),
            ranges: ranges.iter().collect(),
        }
    }
}
