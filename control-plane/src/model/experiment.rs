//! Validated experiments: what one says (its design), where it is in its life, and which buckets
//! it and its variants own. How people write it is in `experiment_spec`.

use super::Meta;
use super::attribute::Attribute;
use super::audience::Rule;
use super::key::Key;
use super::lifecycle::State;
use super::placement::Placement;
use jiff::Timestamp;
use watershed_engine::Ranges;

/// An experiment of the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Experiment {
    /// Its name.
    pub key: Key,
    /// Its revision and times.
    pub meta: Meta,
    /// What it says.
    pub design: ExperimentDesign,
    /// Where it is in its life.
    pub state: State,
    /// The buckets it owns. Covers the design: [`Placement`] is only made from one.
    pub placement: Placement,
}

/// What an experiment says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExperimentDesign {
    /// The layer whose buckets it shares.
    pub layer: Key,
    /// The services whose requests are in it; empty for all.
    pub services: Vec<Key>,
    /// What is randomised.
    pub unit: Unit,
    /// Who is eligible; everybody where there is none.
    pub audience: Option<Rule>,
    /// The basis points of the layer it owns, 1..=10000.
    pub traffic: u32,
    /// What is compared; never empty, weights add up to 10000.
    pub variants: Vec<VariantDesign>,
    /// The key of the variant that the others are compared with.
    pub control: Key,
    /// The key of the variant that takes everybody in a rollback.
    pub fallback: Key,
    /// Salts the variant hash together with the key.
    pub salt: String,
    /// When units are assigned.
    pub window: Window,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What is expected of it.
    pub hypothesis: Option<String>,
    /// Anything else worth knowing.
    pub description: Option<String>,
}

/// What is randomised, and where to read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// What it is: `user`, `conversation`, …
    pub kind: Key,
    /// Where to read it, in order; headers, cookies and query parameters only, never empty.
    pub sources: Vec<Attribute>,
}

/// What one variant says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VariantDesign {
    /// Its name.
    pub key: Key,
    /// Its share of the experiment's units, in basis points.
    pub weight: u32,
    /// The cluster that serves it; on all variants or on none.
    pub cluster: Option<Key>,
}

/// When units are assigned: from `start`, before `end`, to the millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// Open where there is none.
    pub start: Option<Timestamp>,
    /// Open where there is none; after the start.
    pub end: Option<Timestamp>,
}

/// A variant together with the buckets of the variant hash that it owns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Variant<'a> {
    /// Its name.
    pub key: &'a Key,
    /// Its share of the experiment's units, in basis points.
    pub weight: u32,
    /// The cluster that serves it.
    pub cluster: Option<&'a Key>,
    /// Its buckets, as many as its weight.
    pub ranges: &'a Ranges,
}

impl Experiment {
    /// The buckets of the layer that the experiment owns.
    #[must_use]
    pub fn allocation(&self) -> &Ranges {
        self.placement.allocation()
    }

    /// The variants, in the design's order, with their buckets.
    pub fn variants(&self) -> impl Iterator<Item = Variant<'_>> {
        let ranges = self.placement.split();
        self.design
            .variants
            .iter()
            .zip(ranges)
            .map(|(variant, (_, ranges))| Variant {
                key: &variant.key,
                weight: variant.weight,
                cluster: variant.cluster.as_ref(),
                ranges,
            })
    }
}

impl ExperimentDesign {
    /// Whether the experiment picks the cluster of a request; otherwise it only stamps headers.
    #[must_use]
    pub fn routes(&self) -> bool {
        self.clusters().next().is_some()
    }

    /// The clusters of its variants.
    pub fn clusters(&self) -> impl Iterator<Item = &Key> {
        self.variants.iter().filter_map(|v| v.cluster.as_ref())
    }

    /// Whether requests of `service` are in it.
    #[must_use]
    pub fn covers(&self, service: &Key) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }
}
