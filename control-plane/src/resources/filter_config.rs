//! The filter's configuration from the model: the services in scope, and the experiments that run on
//! them. Drafts and paused experiments stay out, and with them their audiences: nobody is assigned.

use super::service::Scope;
use super::wire::content_hash;
use crate::model::Model;
use crate::model::attribute::Attribute;
use crate::model::audience::{Rule, Test};
use crate::model::experiment::{Experiment, Variant};
use crate::model::key::Key;
use crate::model::lifecycle::State;
use jiff::Timestamp;
use prost::Message as _;
use std::collections::BTreeSet;
use watershed_proto::CONFIG_SCHEMA;
use watershed_proto::filter::v1 as pb;

/// The configuration for the services of `scopes`, in their order.
pub(super) fn filter_config(model: &Model, scopes: &[&Scope<'_>]) -> pb::FilterConfig {
    let here: BTreeSet<&Key> = scopes.iter().map(|s| s.key).collect();
    let experiments: Vec<pb::Experiment> = model
        .experiments
        .values()
        .filter_map(|e| experiment(e, &here))
        .collect();
    let used: BTreeSet<&str> = experiments.iter().map(|e| e.layer.as_str()).collect();
    let layers = model
        .layers
        .values()
        .filter(|l| used.contains(l.key.as_str()));
    let mut config = pb::FilterConfig {
        schema: CONFIG_SCHEMA,
        version: String::new(),
        services: scopes.iter().map(|s| service(s)).collect(),
        layers: layers
            .map(|layer| pb::Layer {
                key: layer.key.to_string(),
                salt: layer.design.salt.clone(),
                hash: pb::Hash::Murmur3V1.into(),
                ..pb::Layer::default()
            })
            .collect(),
        experiments,
        ..pb::FilterConfig::default()
    };
    config.version = content_hash(&config.encode_to_vec());
    config
}

fn service(scope: &Scope<'_>) -> pb::Service {
    pb::Service {
        key: scope.key.to_string(),
        hosts: scope.service.hosts.clone(),
        path_prefixes: scope.service.path_prefixes.clone(),
        default_cluster: scope.default_cluster().to_owned(),
        ..pb::Service::default()
    }
}

/// `None` where the experiment has nothing to say `here`.
fn experiment(experiment: &Experiment, here: &BTreeSet<&Key>) -> Option<pb::Experiment> {
    let mode = match experiment.state {
        State::Draft | State::Paused => return None,
        State::Running => pb::Mode::Run,
        State::RolledBack => pb::Mode::Fallback,
    };
    let design = &experiment.design;
    let services: Vec<String> = design
        .services
        .iter()
        .filter(|key| here.contains(key))
        .map(Key::to_string)
        .collect();
    if here.is_empty() || (services.is_empty() && !design.services.is_empty()) {
        return None;
    }
    Some(pb::Experiment {
        key: experiment.key.to_string(),
        layer: design.layer.to_string(),
        salt: design.salt.clone(),
        services,
        unit_type: design.unit.kind.to_string(),
        unit_sources: design.unit.sources.iter().map(attribute).collect(),
        audience: design.audience.as_ref().map(rule),
        allocation: experiment.allocation().to_proto(),
        variants: experiment.variants().map(variant).collect(),
        fallback: design.fallback.to_string(),
        start_ms: design.window.start.map_or(0, Timestamp::as_millisecond),
        end_ms: design.window.end.map_or(0, Timestamp::as_millisecond),
        mode: mode.into(),
        ..pb::Experiment::default()
    })
}

fn variant(variant: Variant<'_>) -> pb::Variant {
    pb::Variant {
        key: variant.key.to_string(),
        ranges: variant.ranges.to_proto(),
        cluster: variant.cluster.map(Key::to_string).unwrap_or_default(),
        ..pb::Variant::default()
    }
}

fn attribute(attribute: &Attribute) -> pb::Attribute {
    use pb::attribute::Source;
    let source = match attribute {
        Attribute::Header(name) => Source::Header(name.clone()),
        Attribute::Cookie(name) => Source::Cookie(name.clone()),
        Attribute::Query(name) => Source::Query(name.clone()),
        Attribute::Path => Source::Path(pb::Empty {}),
        Attribute::Method => Source::Method(pb::Empty {}),
        Attribute::Host => Source::Host(pb::Empty {}),
    };
    pb::Attribute {
        source: Some(source),
    }
}

fn rule(from: &Rule) -> pb::Rule {
    use pb::rule::Rule as Wire;
    let list = |rules: &[Rule]| pb::Rules {
        rules: rules.iter().map(rule).collect(),
    };
    let wire = match from {
        Rule::All(rules) => Wire::All(list(rules)),
        Rule::Any(rules) => Wire::Any(list(rules)),
        Rule::Not(inner) => Wire::Not(Box::new(rule(inner))),
        Rule::Condition(source, test) => Wire::Condition(condition(source, test)),
    };
    pb::Rule { rule: Some(wire) }
}

fn condition(source: &Attribute, test: &Test) -> pb::Condition {
    use pb::condition::Test as Wire;
    let test = match test {
        Test::Equals(value) => Wire::Equals(value.clone()),
        Test::OneOf(values) => Wire::OneOf(pb::Strings {
            values: values.clone(),
        }),
        Test::Prefix(value) => Wire::Prefix(value.clone()),
        Test::Present => Wire::Present(pb::Empty {}),
    };
    pb::Condition {
        attribute: Some(attribute(source)),
        test: Some(test),
        ..pb::Condition::default()
    }
}
