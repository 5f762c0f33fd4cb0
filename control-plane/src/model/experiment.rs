//! Validated experiments: what one says (its design), where it is in its life, and which buckets
//! it and its variants own. How people write it is in `experiment_spec`.

use super::Meta;
use super::audience::Rule;
use super::decision::Decision;
use super::hash::Hashing;
use super::key::Key;
use super::lifecycle::State;
use super::link::Link;
use super::placement::Placement;
use super::requirement::Requirement;
use super::source::Source;
use super::sticky::Sticky;
use super::strategy::Strategy;
use super::variant::VariantDesign;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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
    /// The stage it was served at before it was paused, rolled back or decided, where it was.
    pub stage: Option<State>,
    /// What was decided, once it was.
    pub decision: Option<Decision>,
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
    /// The slices of the fleets whose proxies serve it; empty for all proxies.
    pub slices: Vec<Key>,
    /// What is randomised.
    pub unit: Unit,
    /// Who is eligible; everybody where there is none.
    pub audience: Option<Rule>,
    /// Who is eligible while it is internal; nobody where there is none.
    pub internal: Option<Rule>,
    /// How many buckets of its layer it owns, 1..=10000.
    pub traffic: u32,
    /// How many of them a canary has, 1..=traffic.
    pub canary_traffic: Option<u32>,
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
    /// Who answers for it; never blank.
    pub owner: Option<String>,
    /// What is expected of it.
    pub hypothesis: Option<String>,
    /// The day by which it shall be decided.
    pub decision_date: Option<Date>,
    /// The metric that decides.
    pub primary_metric: Option<Key>,
    /// The metrics that must not get worse.
    pub guardrails: Vec<Key>,
    /// Where more is to be read.
    pub links: Vec<Link>,
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

    /// The buckets of the layer whose units are assigned as things are: fewer than it owns in a
    /// canary.
    #[must_use]
    pub fn served_allocation(&self) -> &Ranges {
        match (self.state, self.placement.canary()) {
            (State::Canary, Some(canary)) => canary,
            _ => self.placement.allocation(),
        }
    }

    /// Whether proxies of `slice`, or of none, know it.
    #[must_use]
    pub fn is_served_on(&self, slice: Option<&Key>) -> bool {
        self.state.is_served() && self.design.is_on(slice)
    }

    /// Whether the day of its decision is past, in UTC, and nothing is decided though units may be in it.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        let is_open =
            self.state.has_begun() && !matches!(self.state, State::Decided | State::Archived);
        is_open && self.design.decision_date.is_some_and(|date| date < today)
    }

    /// The variant that everybody gets as things are, where they all get one.
    #[must_use]
    pub fn everybodys(&self) -> Option<&Key> {
        match self.state {
            State::RolledBack => Some(&self.design.fallback),
            State::Decided => {
                let decided = self.decision.as_ref().map(|decision| &decision.variant);
                decided.or(Some(&self.design.fallback))
            }
            _ => None,
        }
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

    /// The rules about who is eligible, at any time of its life.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.audience.iter().chain(&self.internal)
    }

    /// The metrics that it names: the one that decides, and the guardrails.
    pub fn metrics(&self) -> impl Iterator<Item = &Key> {
        self.primary_metric.iter().chain(&self.guardrails)
    }

    /// Whether it has a variant of that name.
    #[must_use]
    pub fn has_variant(&self, key: &Key) -> bool {
        self.variants.iter().any(|variant| variant.key == *key)
    }

    /// The clusters that get its requests beside or after those.
    pub fn detour_clusters(&self) -> impl Iterator<Item = &Key> {
        self.variants.iter().flat_map(|v| v.detours.clusters())
    }

    /// Whether proxies of `slice`, or of none, serve it.
    #[must_use]
    pub fn is_on(&self, slice: Option<&Key>) -> bool {
        self.slices.is_empty() || slice.is_some_and(|slice| self.slices.contains(slice))
    }

    /// Whether requests of `service` are in it.
    #[must_use]
    pub fn covers(&self, service: &Key) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }
}
