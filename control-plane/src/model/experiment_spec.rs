//! Experiments as people write them, and their validation into a design. Whether the layer,
//! services and clusters exist, and which buckets the experiment gets, is for the model.

use super::audience::Rule;
use super::check;
use super::detour;
use super::experiment::{ExperimentDesign, Unit, Window};
use super::fault::Faults;
use super::fleet_slice;
use super::hash::{Hash, Hashing};
use super::key::Key;
use super::link::Link;
use super::requirement::RequirementSpec;
use super::rule_spec::RuleSpec;
use super::source::{Source, SourceSpec};
use super::sticky::StickySpec;
use super::strategy::{Strategy, StrategySpec};
use super::variant::{VariantDesign, VariantSpec};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;

/// The basis points of a whole: of a layer, or of an experiment.
pub const WHOLE: u32 = 10_000;
/// The most guardrails of an experiment.
const GUARDRAILS: usize = 64;

/// An experiment as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// The layer whose buckets it shares.
    pub layer: String,
    /// The services whose requests are in it; empty for all. One that routes must name them.
    #[serde(default)]
    pub services: Vec<String>,
    /// The slices of the fleets (Envoy's `node.metadata.watershed.slice`) whose proxies serve it; all
    /// proxies where not given. May change at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<String>,
    /// What is randomised.
    pub unit: UnitSpec,
    /// Who is eligible; everybody where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<RuleSpec>,
    /// The share of the layer it asks for, in basis points, or in buckets where the layer has another
    /// number of them.
    #[serde(default = "whole")]
    pub traffic: u64,
    /// Who is eligible while the experiment is internal, beside what `audience` says; only bearers of
    /// force tokens where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<RuleSpec>,
    /// The share of the layer, within `traffic`, whose units are assigned while the experiment is a
    /// canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_traffic: Option<u64>,
    /// What is compared. The weights add up to 10000, or to `buckets`.
    pub variants: Vec<VariantSpec>,
    /// The variant that the others are compared with; the first where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The variant that takes everybody in a rollback; the control where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Salts the variant hash together with the key: another salt is another split; `1` where not
    /// given. With another system's hash, what that system salts with, and to be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The variant hash, for units that move in from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// The number of buckets of the variant hash, where the hash leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u64>,
    /// What a request must have got of other experiments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<RequirementSpec>,
    /// How a variant is chosen; by the hash of the unit where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategySpec>,
    /// Keeps a unit in its variant; the hash alone decides where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickySpec>,
    /// The kill switch: nobody is assigned. It stays as it is where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// When units are first assigned, in RFC 3339; open where not given. One that is `scheduled` is
    /// started then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When units are no longer assigned, in RFC 3339; open where not given. It is paused then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Who answers for it: a person or a team. Without it, a draft stays one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What is expected of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// The day by which it shall be decided, as `2027-03-31`. Without it, a draft stays one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_date: Option<String>,
    /// The metric that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_metric: Option<String>,
    /// The metrics that must not get worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<String>,
    /// Where more is to be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A unit as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitSpec {
    /// What it is: `user`, `conversation`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where to read it, in order.
    pub sources: Vec<SourceSpec>,
}

fn whole() -> u64 {
    WHOLE.into()
}

/// What the weights of an experiment must be, for messages.
pub(super) fn weights_rule(hashing: Hashing) -> String {
    match hashing.buckets {
        WHOLE => "weights in basis points that add up to 10000".to_owned(),
        buckets => format!("weights that add up to {buckets}, the buckets of the hash"),
    }
}

impl ExperimentSpec {
    /// Validates, noting every fault.
    pub fn validate(&self, faults: &mut Faults) -> Option<ExperimentDesign> {
        let layer = check::key(&self.layer, "/layer", faults);
        check::length(
            self.services.len(),
            &(0..=limits::NAMED_SERVICES),
            "/services",
            faults,
        );
        let services = check::keys(&self.services, "/services", faults);
        let bounds = 0..=fleet_slice::MAX_NAMED;
        check::length(self.slices.len(), &bounds, "/slices", faults);
        let slices = check::keys(&self.slices, "/slices", faults);
        let unit = self.unit.validate(faults);
        let audience = rule(self.audience.as_ref(), "/audience", faults);
        let internal = rule(self.internal.as_ref(), "/internal", faults);
        let traffic = check::number(self.traffic, &(1..=whole()), "/traffic", faults);
        let canary_traffic = self.canary_traffic(faults);
        let hashing = Hashing::validate(self.hash, self.buckets, faults);
        let variants = self.variants(hashing.unwrap_or_default(), faults);
        let control = self.named(self.control.as_ref(), "/control", faults);
        let fallback = match &self.fallback {
            Some(_) => self.named(self.fallback.as_ref(), "/fallback", faults),
            None => control.clone(),
        };
        let salt = self.salted(hashing.unwrap_or_default(), faults);
        let window = self.window(faults);
        let requires = RequirementSpec::list(&self.requires, faults);
        let strategy = match &self.strategy {
            Some(strategy) => strategy.validate(variants.as_deref(), faults),
            None => Some(Strategy::default()),
        };
        let sticky = match &self.sticky {
            Some(sticky) => sticky.validate(faults).map(Some),
            None => Some(None),
        };
        let decision_date = date(self.decision_date.as_ref(), "/decision_date", faults);
        let primary_metric = match &self.primary_metric {
            Some(name) => check::key(name, "/primary_metric", faults).map(Some),
            None => Some(None),
        };
        check::length(
            self.guardrails.len(),
            &(0..=GUARDRAILS),
            "/guardrails",
            faults,
        );
        let guardrails = check::keys(&self.guardrails, "/guardrails", faults);
        let links = Link::list(&self.links, faults);
        Some(ExperimentDesign {
            owner: self.owner(faults),
            hypothesis: check::text(self.hypothesis.as_ref(), 4_096, "/hypothesis", faults),
            description: check::text(self.description.as_ref(), 16_384, "/description", faults),
            decision_date: decision_date?,
            primary_metric: primary_metric?,
            guardrails: guardrails?,
            links: links?,
            layer: layer?,
            services: services?,
            slices: slices?,
            unit: unit?,
            audience: audience?,
            internal: internal?,
            traffic: traffic?,
            canary_traffic: canary_traffic?,
            variants: variants?,
            control: control?,
            fallback: fallback?,
            salt: salt?,
            hashing: hashing?,
            requires: requires?,
            strategy: strategy?,
            sticky: sticky?,
            disabled: self.disabled.unwrap_or_default(),
            window: window?,
        })
    }

    fn canary_traffic(&self, faults: &mut Faults) -> Option<Option<u32>> {
        let most = self.traffic.clamp(1, whole());
        check::given(self.canary_traffic, &(1..=most), "/canary_traffic", faults)
    }

    /// A blank name answers for nothing.
    fn owner(&self, faults: &mut Faults) -> Option<String> {
        let owner = check::text(self.owner.as_ref(), 256, "/owner", faults)?;
        if owner.trim().is_empty() {
            faults.add(
                "/owner",
                "is blank",
                "a person or a team, or no field at all",
            );
        }
        Some(owner)
    }

    fn salted(&self, hashing: Hashing, faults: &mut Faults) -> Option<String> {
        let salt = self.salt.as_deref();
        if salt.is_none() && hashing.hash != Hash::default() {
            let expected = "what the other system salts with: a flag key, group ID or seed";
            faults.add(
                "/salt",
                "is missing, though the hash is another system's",
                expected,
            );
            return None;
        }
        check::salt(salt.unwrap_or("1"), "/salt", faults)
    }

    fn variants(&self, hashing: Hashing, faults: &mut Faults) -> Option<Vec<VariantDesign>> {
        check::length(
            self.variants.len(),
            &(1..=limits::VARIANTS),
            "/variants",
            faults,
        )?;
        let names: Vec<&str> = self.variants.iter().map(|v| v.key.as_str()).collect();
        check::unique(&names, "/variants", faults);
        let variants: Vec<Option<VariantDesign>> = self
            .variants
            .iter()
            .enumerate()
            .map(|(index, variant)| variant.validate(&format!("/variants/{index}"), faults))
            .collect();
        let sum: u64 = self
            .variants
            .iter()
            .fold(0, |sum, variant| sum.saturating_add(variant.weight));
        if sum != u64::from(hashing.buckets) {
            let message = format!("weights add up to {sum}");
            faults.add("/variants", message, weights_rule(hashing));
        }
        self.routes_or_stamps(faults);
        detour::agree(&self.variants, faults);
        variants.into_iter().collect()
    }

    /// Either every variant has a cluster, and the experiment names its services, or none has.
    fn routes_or_stamps(&self, faults: &mut Faults) {
        let routed = self.variants.iter().filter(|v| v.cluster.is_some()).count();
        if routed == 0 {
            return;
        }
        for (index, variant) in self.variants.iter().enumerate() {
            if variant.cluster.is_none() {
                faults.add(
                    format!("/variants/{index}/cluster"),
                    "is missing, though other variants have one",
                    "a cluster on every variant, or on none",
                );
            }
        }
        if self.services.is_empty() {
            faults.add(
                "/services",
                "is empty, though the variants have clusters",
                "the services whose requests the experiment routes",
            );
        }
    }

    /// The variant of that name; the first where no name is given.
    fn named(&self, name: Option<&String>, at: &str, faults: &mut Faults) -> Option<Key> {
        let names: Vec<&str> = self.variants.iter().map(|v| v.key.as_str()).collect();
        let Some(name) = name.map(String::as_str).or(names.first().copied()) else {
            return None; // no variants: said at /variants
        };
        if !names.contains(&name) {
            let shown: String = name.escape_debug().take(64).collect();
            faults.add(
                at,
                format!("`{shown}` is not a variant"),
                format!("one of {}", names.join(", ")),
            );
            return None;
        }
        Key::try_new(name).ok() // a variant's bad key is said at the variant
    }

    fn window(&self, faults: &mut Faults) -> Option<Window> {
        let start = instant(self.start.as_ref(), "/start", faults);
        let end = instant(self.end.as_ref(), "/end", faults);
        let window = Window {
            start: start?,
            end: end?,
        };
        if let (Some(start), Some(end)) = (window.start, window.end)
            && start >= end
        {
            faults.add(
                "/end",
                "is not after the start",
                format!("a time after {start}"),
            );
            return None;
        }
        Some(window)
    }
}

/// The rule at that place, where there is one.
fn rule(spec: Option<&RuleSpec>, at: &str, faults: &mut Faults) -> Option<Option<Rule>> {
    match spec {
        Some(rule) => rule.validate(at, faults).map(Some),
        None => Some(None),
    }
}

/// A day of the calendar; whether it is past is nobody's business here.
fn date(text: Option<&String>, at: &str, faults: &mut Faults) -> Option<Option<Date>> {
    let Some(text) = text else {
        return Some(None);
    };
    let read = text.parse::<Date>().ok();
    // Anything after the day, as a time, would be lost.
    let read = read.filter(|read| read.to_string() == *text);
    if read.is_none() {
        faults.add(at, "is not a day", "a date as `2027-03-31`");
    }
    read.map(Some)
}

/// A time after 1970, to the millisecond, which is what the filter's configuration can say.
fn instant(text: Option<&String>, at: &str, faults: &mut Faults) -> Option<Option<Timestamp>> {
    let Some(text) = text else {
        return Some(None);
    };
    let read = text
        .parse::<Timestamp>()
        .ok()
        .and_then(|time| Timestamp::from_millisecond(time.as_millisecond()).ok())
        .filter(|time| *time > Timestamp::UNIX_EPOCH);
    if read.is_none() {
        faults.add(
            at,
            "is not a time after 1970",
            "RFC 3339 with an offset, as `2026-01-31T09:00:00Z`",
        );
    }
    read.map(Some)
}

impl UnitSpec {
    fn validate(&self, faults: &mut Faults) -> Option<Unit> {
        let kind = check::key(&self.kind, "/unit/type", faults);
        let bounds = 1..=limits::UNIT_SOURCES;
        check::length(self.sources.len(), &bounds, "/unit/sources", faults);
        let sources: Vec<Option<Source>> = self
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| source.validate(&format!("/unit/sources/{index}"), faults))
            .collect();
        let sources: Vec<Source> = sources.into_iter().collect::<Option<_>>()?;
        check::unique(&sources, "/unit/sources", faults)?;
        Some(Unit {
            kind: kind?,
            sources,
        })
    }
}

impl From<&ExperimentDesign> for ExperimentSpec {
    fn from(design: &ExperimentDesign) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let (hash, buckets) = design.hashing.written();
        Self {
            layer: design.layer.to_string(),
            services: design.services.iter().map(Key::to_string).collect(),
            slices: design.slices.iter().map(Key::to_string).collect(),
            unit: UnitSpec::from(&design.unit),
            audience: design.audience.as_ref().map(RuleSpec::from),
            internal: design.internal.as_ref().map(RuleSpec::from),
            traffic: design.traffic.into(),
            canary_traffic: design.canary_traffic.map(u64::from),
            variants: design.variants.iter().map(VariantSpec::from).collect(),
            control: Some(design.control.to_string()),
            fallback: Some(design.fallback.to_string()),
            salt: Some(design.salt.clone()),
            hash,
            buckets,
            requires: design.requires.iter().map(RequirementSpec::from).collect(),
            strategy: design.strategy.written(),
            sticky: design.sticky.as_ref().map(StickySpec::from),
            disabled: design.disabled.then_some(true),
            start: time(design.window.start),
            end: time(design.window.end),
            owner: design.owner.clone(),
            hypothesis: design.hypothesis.clone(),
            decision_date: design.decision_date.map(|date| date.to_string()),
            primary_metric: design.primary_metric.as_ref().map(Key::to_string),
            guardrails: design.guardrails.iter().map(Key::to_string).collect(),
            links: design.links.clone(),
            description: design.description.clone(),
        }
    }
}

impl From<&Unit> for UnitSpec {
    fn from(unit: &Unit) -> Self {
        Self {
            kind: unit.kind.to_string(),
            sources: unit.sources.iter().map(SourceSpec::from).collect(),
        }
    }
}
