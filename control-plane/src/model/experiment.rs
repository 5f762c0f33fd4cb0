//! Validated experiments: what one says (its design), where it is in its life, and which buckets
//! it and its variants own. How people write it is in `experiment_spec`.

use super::Meta;
use super::audience::Rule;
use super::hash::Hashing;
use super::key::Key;
use super::lifecycle::State;
use super::placement::Placement;
use super::requirement::Requirement;
use super::source::Source;
use super::sticky::Sticky;
use super::strategy::Strategy;
use super::variant::VariantDesign;
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
    /// How many buckets of its layer it owns, 1..=10000.
    pub traffic: u32,
    /// What is compared; never empty, weights add up to the buckets of `hashing`.
    pub variants: Vec<VariantDesign>,
    /// The key of the variant that the others are compared with.
    pub control: Key,
    /// The key of the variant that takes everybody in a rollback.
    pub fallback: Key,
    /// Salts the variant hash together with the key.
    pub salt: String,
    /// The variant hash.
    pub hashing: Hashing,
    /// What must hold for a unit to be eligible.
    pub requires: Vec<Requirement>,
    /// How a variant is chosen.
    pub strategy: Strategy,
    /// Where a unit's variant is kept, where it is kept.
    pub sticky: Option<Sticky>,
    /// The kill switch: nobody is assigned.
    pub disabled: bool,
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
    /// Where to read it, in order; never empty.
    pub sources: Vec<Source>,
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
    /// What it says.
    pub design: &'a VariantDesign,
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
            .map(|(design, (_, ranges))| Variant { design, ranges })
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
