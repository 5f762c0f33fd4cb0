//! Parts of the model as messages of the filter's configuration. No decisions: which parts go in is
//! `filter_config`'s.

use super::filter_rule::{attribute, rule_of};
use super::service::Scope;
use crate::model::experiment::{Experiment, Variant};
use crate::model::hash::Hash;
use crate::model::key::Key;
use crate::model::lifecycle::State;
use crate::model::requirement::Requirement;
use crate::model::routing_rule::RoutingRule;
use crate::model::settings::{SettingsDesign, SigningKey, Trust};
use crate::model::source::{Generated, SameSite, Source};
use crate::model::sticky::Sticky;
use crate::model::strategy::{Contextual, Feature, LinearModel, Real, Strategy};
use crate::model::{Holdout, Layer};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use watershed_proto::filter::v1 as pb;

pub(super) use super::filter_rule::rule_of as rule;

/// What the settings say, and nothing else.
pub(super) fn settings(settings: &SettingsDesign) -> pb::FilterConfig {
    let key = |key: &SigningKey| pb::SigningKey {
        id: key.id.clone(),
        secret: key.secret.reveal().as_bytes().to_vec(),
    };
    let trust = match settings.trust {
        // What is unspecified reads as this.
        Trust::Edge => pb::Trust::Unspecified,
        Trust::Mesh => pb::Trust::Mesh,
    };
    pb::FilterConfig {
        trust: trust.into(),
        disabled: settings.disabled,
        signing_keys: settings.signing_keys.iter().map(key).collect(),
        force: settings.force.as_ref().map(|force| pb::Force {
            header: force.header.clone().unwrap_or_default(),
            query: force.query.clone().unwrap_or_default(),
            cookie: force.cookie.clone().unwrap_or_default(),
        }),
        body_limit_bytes: settings.body_limit_bytes.unwrap_or_default(),
        ..pb::FilterConfig::default()
    }
}

pub(super) fn service(scope: &Scope<'_>) -> pb::Service {
    let routing_rule = |it: &RoutingRule| pb::RoutingRule {
        key: it.key.to_string(),
        when: Some(rule_of(&it.when)),
        cluster: it.cluster.to_string(),
    };
    pb::Service {
        key: scope.key.to_string(),
        hosts: scope.service.hosts.clone(),
        path_prefixes: scope.service.path_prefixes.clone(),
        default_cluster: scope.default_cluster().to_owned(),
        routing_rules: scope
            .service
            .routing_rules
            .iter()
            .map(routing_rule)
            .collect(),
        usage_limit_bytes: scope.service.usage_bytes.unwrap_or_default(),
    }
}

pub(super) fn layer(layer: &Layer) -> pb::Layer {
    let design = &layer.design;
    pb::Layer {
        key: layer.key.to_string(),
        salt: design.salt.clone(),
        hash: hash(design.hashing.hash).into(),
        buckets: folded(design.hashing.hash, design.hashing.buckets),
        disabled: design.disabled,
    }
}

pub(super) fn holdout(holdout: &Holdout) -> pb::Holdout {
    let design = &holdout.design;
    pb::Holdout {
        key: holdout.key.to_string(),
        salt: design.salt.clone(),
        layer: design
            .layer
            .as_ref()
            .map(Key::to_string)
            .unwrap_or_default(),
        buckets: vec![pb::BucketRange {
            start: 0,
            end: design.traffic.saturating_sub(1),
        }],
    }
}

/// The experiment as it is for the services `here`, without what depends on other experiments.
pub(super) fn experiment(experiment: &Experiment, here: &BTreeSet<&Key>) -> pb::Experiment {
    let everybodys = experiment.everybodys();
    let mode = match everybodys {
        Some(_) => pb::Mode::Fallback,
        None => pb::Mode::Run,
    };
    // What everybody gets is given until somebody takes it back.
    let time = |time: Option<Timestamp>| match everybodys {
        Some(_) => 0,
        None => time.map_or(0, Timestamp::as_millisecond),
    };
    let design = &experiment.design;
    let services = design.services.iter().filter(|key| here.contains(key));
    let sources = design.unit.sources.iter();
    pb::Experiment {
        key: experiment.key.to_string(),
        layer: design.layer.to_string(),
        salt: design.salt.clone(),
        services: services.map(Key::to_string).collect(),
        unit_type: design.unit.kind.to_string(),
        unit_sources: sources.map(source).collect(),
        audience: audience(experiment),
        allocation: experiment.served_allocation().to_proto(),
        variants: experiment.variants().map(variant).collect(),
        fallback: everybodys.unwrap_or(&design.fallback).to_string(),
        start_ms: time(design.window.start),
        end_ms: time(design.window.end),
        mode: mode.into(),
        hash: match design.hashing.hash {
            // What is unspecified reads as this.
            Hash::Murmur3V1 => pb::Hash::Unspecified.into(),
            other => hash(other).into(),
        },
        buckets: folded(design.hashing.hash, design.hashing.buckets),
        strategy: strategy(&design.strategy),
        sticky: design.sticky.as_ref().map(sticky),
        ..pb::Experiment::default()
    }
}

/// Who is eligible as things are. An internal experiment without a rule is for force tokens alone,
/// which no rule keeps out.
fn audience(experiment: &Experiment) -> Option<pb::Rule> {
    let design = &experiment.design;
    let audience = design.audience.as_ref().map(rule_of);
    if experiment.state != State::Internal {
        return audience;
    }
    let nobody = || pb::Rule {
        rule: Some(pb::rule::Rule::Any(pb::Rules::default())),
    };
    let internal = design.internal.as_ref().map_or_else(nobody, rule_of);
    let rules = audience.into_iter().chain([internal]).collect();
    Some(pb::Rule {
        rule: Some(pb::rule::Rule::All(pb::Rules { rules })),
    })
}

/// The same for requirements only: no request here is in it, so nothing it would do is said.
pub(super) fn elsewhere(experiment: pb::Experiment) -> pb::Experiment {
    let bare = |variant: pb::Variant| pb::Variant {
        key: variant.key,
        ranges: variant.ranges,
        ..pb::Variant::default()
    };
    pb::Experiment {
        services: Vec::new(),
        variants: experiment.variants.into_iter().map(bare).collect(),
        elsewhere: true,
        ..experiment
    }
}

pub(super) fn requirement(requirement: &Requirement) -> pb::Requirement {
    pb::Requirement {
        experiment: requirement.experiment.to_string(),
        variants: requirement.variants.iter().map(Key::to_string).collect(),
        not: requirement.not,
    }
}

fn variant(variant: Variant<'_>) -> pb::Variant {
    let design = variant.design;
    pb::Variant {
        key: design.key.to_string(),
        ranges: variant.ranges.to_proto(),
        cluster: design
            .cluster
            .as_ref()
            .map(Key::to_string)
            .unwrap_or_default(),
        request_headers: headers(&design.request_headers),
        response_headers: headers(&design.response_headers),
        baggage: headers(&design.baggage),
    }
}

fn headers(pairs: &BTreeMap<String, String>) -> Vec<pb::Header> {
    let header = |(name, value): (&String, &String)| pb::Header {
        name: name.clone(),
        value: value.clone(),
    };
    pairs.iter().map(header).collect()
}

fn hash(hash: Hash) -> pb::Hash {
    match hash {
        Hash::Murmur3V1 => pb::Hash::Murmur3V1,
        Hash::FlagdV2 => pb::Hash::FlagdV2,
        Hash::Unleash => pb::Hash::Unleash,
        Hash::UnleashVariant => pb::Hash::UnleashVariant,
        Hash::GrowthbookV2 => pb::Hash::GrowthbookV2,
        Hash::GrowthbookV1 => pb::Hash::GrowthbookV1,
    }
}

/// 0 where the hash says the number itself.
fn folded(hash: Hash, buckets: u32) -> u32 {
    if buckets == hash.buckets() {
        0
    } else {
        buckets
    }
}

fn source(source: &Source) -> pb::Attribute {
    use pb::attribute::Source as Wire;
    let wire = match source {
        Source::Attribute(it) => return attribute(it),
        Source::Generated(it) => Wire::Generated(generated(it)),
        Source::Request => Wire::Request(pb::Empty {}),
    };
    pb::Attribute { source: Some(wire) }
}

fn generated(it: &Generated) -> pb::Generated {
    let same_site = match it.same_site {
        SameSite::Lax => pb::SameSite::Lax,
        SameSite::Strict => pb::SameSite::Strict,
        SameSite::None => pb::SameSite::None,
    };
    pb::Generated {
        cookie: it.cookie.clone(),
        path: it.path.clone(),
        max_age_seconds: it.max_age.get(),
        insecure: !it.secure,
        script_readable: !it.http_only,
        same_site: same_site.into(),
    }
}

fn sticky(sticky: &Sticky) -> pb::Sticky {
    pb::Sticky {
        cookie: sticky.cookie.clone(),
        max_age_seconds: sticky.max_age.get(),
    }
}

/// Nothing where the hash decides.
fn strategy(strategy: &Strategy) -> Option<pb::Strategy> {
    use pb::strategy::Strategy as Wire;
    let wire = match strategy {
        Strategy::Deterministic => return None,
        Strategy::Random => Wire::Random(pb::Empty {}),
        Strategy::Contextual(it) => Wire::Contextual(contextual(it)),
    };
    Some(pb::Strategy {
        strategy: Some(wire),
    })
}

fn contextual(it: &Contextual) -> pb::Contextual {
    pb::Contextual {
        features: it.features.iter().map(feature).collect(),
        alpha: it.alpha.get(),
        exploration: it.exploration.get(),
        models: it.models.iter().map(|(key, it)| model(key, it)).collect(),
    }
}

fn feature(feature: &Feature) -> pb::Feature {
    use pb::feature::Encoding;
    match feature {
        Feature::Constant => pb::Feature::default(),
        Feature::Numeric(it, numeric) => pb::Feature {
            attribute: Some(attribute(it)),
            encoding: Some(Encoding::Numeric(pb::Numeric {
                offset: numeric.offset.get(),
                scale: numeric.scale.get(),
            })),
        },
        Feature::OneHot(it, value) => pb::Feature {
            attribute: Some(attribute(it)),
            encoding: Some(Encoding::OneHot(value.clone())),
        },
    }
}

fn model(variant: &Key, model: &LinearModel) -> pb::LinearModel {
    let numbers = |reals: &[Real]| reals.iter().map(|real| real.get()).collect();
    pb::LinearModel {
        variant: variant.to_string(),
        theta: numbers(&model.theta),
        a_inverse: numbers(&model.a_inverse.concat()),
    }
}
