//! The filter's configuration from the model: the services in scope, the experiments that run on
//! them, and what those name. Drafts, paused and archived experiments stay out, and with them their
//! audiences: nobody is assigned. How single parts become messages is in `filter_message`.

use super::filter_message::{
    elsewhere, experiment, holdout, layer, requirement, rule, service, settings,
};
use super::service::Scope;
use super::wire::content_hash;
use crate::model::audience::Rule;
use crate::model::key::Key;
use crate::model::lifecycle::State;
use crate::model::requirement::Requirement;
use crate::model::{Experiment, Model};
use prost::Message as _;
use std::collections::BTreeSet;
use watershed_proto::CONFIG_SCHEMA;
use watershed_proto::filter::v1 as pb;

/// The configuration for the services of `scopes`, in their order, on proxies of `slice` or of none.
pub(super) fn filter_config(
    model: &Model,
    scopes: &[&Scope<'_>],
    slice: Option<&Key>,
) -> pb::FilterConfig {
    let here: BTreeSet<&Key> = scopes.iter().map(|s| s.key).collect();
    let served = served(model, &here, slice);
    let layers: BTreeSet<&Key> = served.iter().map(|e| &e.design.layer).collect();
    let audiences = served.iter().flat_map(|e| eligible(e));
    let routing = scopes.iter().flat_map(|s| &s.service.routing_rules);
    let segments = segments(model, audiences.chain(routing.map(|rule| &rule.when)));
    let mut config = pb::FilterConfig {
        schema: CONFIG_SCHEMA,
        version: String::new(),
        services: scopes.iter().map(|s| service(s)).collect(),
        layers: model
            .layers
            .values()
            .filter(|it| layers.contains(&it.key))
            .map(|it| layer(it))
            .collect(),
        experiments: served
            .iter()
            .map(|it| {
                let reach = reach(model, &it.design.requires, slice);
                pb::Experiment {
                    requires: reach.requires.into_iter().map(requirement).collect(),
                    disabled: it.design.disabled || reach.is_hopeless,
                    ..if is_here(it, &here) {
                        experiment(it, &here)
                    } else {
                        elsewhere(experiment(it, &here))
                    }
                }
            })
            .collect(),
        segments: segments
            .into_iter()
            .filter_map(|key| model.segments.get(key))
            .map(|it| pb::Segment {
                key: it.key.to_string(),
                rule: Some(rule(&it.design.rule)),
            })
            .collect(),
        holdouts: model
            .holdouts
            .values()
            .filter(|it| layers.iter().any(|layer| it.design.covers(layer)))
            .map(|it| holdout(it))
            .collect(),
        ..settings(model.settings())
    };
    config.version = content_hash(&config.encode_to_vec());
    config
}

/// The rules about who is eligible as things are.
fn eligible(experiment: &Experiment) -> impl Iterator<Item = &Rule> {
    let design = &experiment.design;
    let is_internal = experiment.state == State::Internal;
    let internal = design.internal.iter().filter(move |_| is_internal);
    design.audience.iter().chain(internal)
}

/// The experiments that run on the services `here`, and those that they require, wherever these run; by key.
fn served<'a>(model: &'a Model, here: &BTreeSet<&Key>, slice: Option<&Key>) -> Vec<&'a Experiment> {
    let all = model.experiments.values().map(AsRef::as_ref);
    let running = |it: &&Experiment| it.is_served_on(slice);
    let mut next: Vec<&Experiment> = all.filter(running).filter(|it| is_here(it, here)).collect();
    let mut found = BTreeSet::new();
    while let Some(experiment) = next.pop() {
        if found.insert(&experiment.key) {
            let required = experiment.design.requires.iter();
            let required = required.filter_map(|it| model.experiments.get(&it.experiment));
            next.extend(required.map(AsRef::as_ref).filter(running));
        }
    }
    let found = found.into_iter();
    let found = found.filter_map(|key| model.experiments.get(key));
    found.map(AsRef::as_ref).collect()
}

fn is_here(experiment: &Experiment, here: &BTreeSet<&Key>) -> bool {
    let services = &experiment.design.services;
    let mut named = services.iter();
    let everywhere = services.is_empty() && !here.is_empty();
    everywhere || named.any(|service| here.contains(service))
}

/// What of an experiment's requirements is left to the filter.
struct Reach<'a> {
    /// Those about experiments that the filter knows.
    requires: Vec<&'a Requirement>,
    /// Whether one of them cannot hold: nobody is in an experiment that is not served.
    is_hopeless: bool,
}

/// An experiment that is not served is not in the configuration. Nobody is in it, which decides
/// every requirement about it.
fn reach<'a>(model: &Model, requires: &'a [Requirement], slice: Option<&Key>) -> Reach<'a> {
    let is_served = |requirement: &&Requirement| {
        let required = model.experiments.get(&requirement.experiment);
        required.is_some_and(|required| required.is_served_on(slice))
    };
    let (known, decided): (Vec<_>, Vec<_>) = requires.iter().partition(is_served);
    Reach {
        requires: known,
        is_hopeless: decided.iter().any(|requirement| !requirement.not),
    }
}

/// The segments that the rules name, and those that these name.
fn segments<'a>(model: &'a Model, rules: impl Iterator<Item = &'a Rule>) -> BTreeSet<&'a Key> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&Key> = rules.flat_map(Rule::segments).collect();
    while let Some(key) = next.pop() {
        if found.insert(key)
            && let Some(segment) = model.segments.get(key)
        {
            next.extend(segment.design.rule.segments());
        }
    }
    found
}
