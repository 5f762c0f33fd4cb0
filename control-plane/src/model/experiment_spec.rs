//! Experiments as people write them, and their validation into a design. Whether the layer,
//! services and clusters exist, and which buckets the experiment gets, is for the model.

use super::attribute::{Attribute, Fields};
use super::audience::RuleSpec;
use super::check;
use super::experiment::{ExperimentDesign, Unit, VariantDesign, Window};
use super::fault::Faults;
use super::key::Key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;

/// The basis points of a whole: of a layer, or of an experiment.
pub const WHOLE: u32 = 10_000;

/// An experiment as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// The layer whose buckets it shares.
    pub layer: String,
    /// The services whose requests are in it; empty for all. One that routes must name them.
    #[serde(default)]
    pub services: Vec<String>,
    /// What is randomised.
    pub unit: UnitSpec,
    /// Who is eligible; everybody where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<RuleSpec>,
    /// The share of the layer it asks for, in basis points.
    #[serde(default = "whole")]
    pub traffic: u64,
    /// What is compared. The weights add up to 10000.
    pub variants: Vec<VariantSpec>,
    /// The variant that the others are compared with; the first where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The variant that takes everybody in a rollback; the control where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Salts the variant hash together with the key: another salt is another split.
    #[serde(default = "first_salt")]
    pub salt: String,
    /// When units are first assigned, in RFC 3339; open where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When units are no longer assigned, in RFC 3339; open where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What is expected of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A unit as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitSpec {
    /// What it is: `user`, `conversation`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where to read it, in order.
    pub sources: Vec<SourceSpec>,
}

/// One place to read a unit from: exactly one of the fields.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSpec {
    /// A request header by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A cookie by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A query parameter by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A variant as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantSpec {
    /// Its name.
    pub key: String,
    /// Its share of the experiment's units, in basis points.
    pub weight: u64,
    /// The cluster that serves it: on all variants (the experiment routes) or on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

fn whole() -> u64 {
    WHOLE.into()
}

fn first_salt() -> String {
    "1".to_owned()
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
        let unit = self.unit.validate(faults);
        let audience = match &self.audience {
            Some(rule) => rule.validate("/audience", faults).map(Some),
            None => Some(None),
        };
        let traffic = check::number(self.traffic, &(1..=whole()), "/traffic", faults);
        let variants = self.variants(faults);
        let control = self.named(self.control.as_ref(), "/control", faults);
        let fallback = match &self.fallback {
            Some(_) => self.named(self.fallback.as_ref(), "/fallback", faults),
            None => control.clone(),
        };
        let salt = check::salt(&self.salt, "/salt", faults);
        let window = self.window(faults);
        Some(ExperimentDesign {
            owner: check::text(self.owner.as_ref(), 256, "/owner", faults),
            hypothesis: check::text(self.hypothesis.as_ref(), 4_096, "/hypothesis", faults),
            description: check::text(self.description.as_ref(), 16_384, "/description", faults),
            layer: layer?,
            services: services?,
            unit: unit?,
            audience: audience?,
            traffic: traffic?,
            variants: variants?,
            control: control?,
            fallback: fallback?,
            salt: salt?,
            window: window?,
        })
    }

    fn variants(&self, faults: &mut Faults) -> Option<Vec<VariantDesign>> {
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
        if sum != whole() {
            faults.add(
                "/variants",
                format!("weights add up to {sum}"),
                "weights in basis points that add up to 10000",
            );
        }
        self.routes_or_stamps(faults);
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
        let sources: Vec<Option<Attribute>> = self
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| source.validate(&format!("/unit/sources/{index}"), faults))
            .collect();
        let sources: Vec<Attribute> = sources.into_iter().collect::<Option<_>>()?;
        check::unique(&sources, "/unit/sources", faults)?;
        Some(Unit {
            kind: kind?,
            sources,
        })
    }
}

impl SourceSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        let fields = Fields {
            header: self.header.as_deref(),
            cookie: self.cookie.as_deref(),
            query: self.query.as_deref(),
            ..Fields::default()
        };
        let given = fields.given();
        if given.len() != 1 {
            faults.add(
                at,
                format!("names {} sources", given.len()),
                "exactly one of `header`, `cookie`, `query`",
            );
            return None;
        }
        fields.read(at, faults)
    }
}

impl VariantSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<VariantDesign> {
        let key = check::key(&self.key, &format!("{at}/key"), faults);
        let weight = check::number(self.weight, &(0..=whole()), &format!("{at}/weight"), faults);
        let cluster = match &self.cluster {
            Some(name) => check::key(name, &format!("{at}/cluster"), faults).map(Some),
            None => Some(None),
        };
        Some(VariantDesign {
            key: key?,
            weight: weight?,
            cluster: cluster?,
        })
    }
}

impl From<&ExperimentDesign> for ExperimentSpec {
    fn from(design: &ExperimentDesign) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            layer: design.layer.to_string(),
            services: design.services.iter().map(Key::to_string).collect(),
            unit: UnitSpec::from(&design.unit),
            audience: design.audience.as_ref().map(RuleSpec::from),
            traffic: design.traffic.into(),
            variants: design.variants.iter().map(VariantSpec::from).collect(),
            control: Some(design.control.to_string()),
            fallback: Some(design.fallback.to_string()),
            salt: design.salt.clone(),
            start: time(design.window.start),
            end: time(design.window.end),
            owner: design.owner.clone(),
            hypothesis: design.hypothesis.clone(),
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

impl From<&Attribute> for SourceSpec {
    fn from(attribute: &Attribute) -> Self {
        let mut spec = Self::default();
        match attribute {
            Attribute::Header(name) => spec.header = Some(name.clone()),
            Attribute::Cookie(name) => spec.cookie = Some(name.clone()),
            Attribute::Query(name) => spec.query = Some(name.clone()),
            // A unit is never read from these, see `SourceSpec::validate`.
            Attribute::Path | Attribute::Method | Attribute::Host => {}
        }
        spec
    }
}

impl From<&VariantDesign> for VariantSpec {
    fn from(variant: &VariantDesign) -> Self {
        Self {
            key: variant.key.to_string(),
            weight: variant.weight.into(),
            cluster: variant.cluster.as_ref().map(Key::to_string),
        }
    }
}
