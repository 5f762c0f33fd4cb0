//! Laws that hold for any configuration and any request: what is explained is what is assigned, a
//! layer gives one variant, a holdout is not touched, what is required is so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod random;

use proptest::prelude::*;
use random::{Case, Subject, any_case};
use std::collections::BTreeSet;
use watershed_engine::{Bound, Decision, Noop, Plan, Ranges, RoutingRule};
use watershed_proto::filter::v1::{Experiment, FilterConfig, Reason};

/// The decisions as experiment and variant, and why.
fn assigned<'p>(plan: &'p Plan, subject: &Subject) -> Vec<(&'p str, &'p str, Reason)> {
    decisions(plan, subject)
        .iter()
        .map(|one| (one.experiment.key(), one.variant.key(), one.reason))
        .collect()
}

fn decisions<'p, 's>(plan: &'p Plan, subject: &'s Subject) -> Vec<Decision<'p, 's>> {
    plan.assign(&plan.services()[0], subject, random::NOW_MS, &mut Noop)
        .collect()
}

fn spec<'c>(config: &'c FilterConfig, key: &str) -> &'c Experiment {
    config
        .experiments
        .iter()
        .find(|one| one.key == key)
        .unwrap()
}

/// Whether the unit of the experiment is held out by any holdout that covers its layer.
fn is_held_out(config: &FilterConfig, experiment: &Experiment, unit: &str) -> bool {
    config
        .holdouts
        .iter()
        .filter(|one| one.layer.is_empty() || one.layer == experiment.layer)
        .any(|one| {
            let salt = if one.salt.is_empty() {
                &one.key
            } else {
                &one.salt
            };
            let hash =
                watershed_engine::hash::murmur3_x86_32(format!("{salt}:{unit}").as_bytes(), 0);
            let bucket = u16::try_from(hash % 10_000).unwrap();
            Ranges::from_proto(&one.buckets).unwrap().contains(bucket)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_explained_is_what_is_assigned(case in any_case()) {
        let Case { plan, subject, .. } = &case;
        let service = &plan.services()[0];
        let explanation = plan.explain(service, subject, random::NOW_MS);
        let explained: BTreeSet<_> = explanation
            .experiments
            .iter()
            .filter_map(|one| Some((one.experiment.as_str(), one.variant.as_deref()?, one.reason?)))
            .collect();
        let given: BTreeSet<_> = assigned(plan, subject)
            .into_iter()
            .map(|(experiment, variant, reason)| (experiment, variant, reason.as_str_name()))
            .collect();
        prop_assert_eq!(explained, given);
        let rule = plan.route(service, subject, random::NOW_MS, &mut Noop);
        let is_routed = decisions(plan, subject).iter().any(|one| one.variant.cluster().is_some());
        let rule = rule.filter(|_| !is_routed).map(RoutingRule::key);
        prop_assert_eq!(explanation.routing_rule.as_deref(), rule);
        let in_scope = case.config.experiments.iter().filter(|one| random::is_in_scope(one));
        prop_assert_eq!(explanation.experiments.len(), in_scope.count());
    }

    #[test]
    fn a_layer_gives_at_most_one_variant(case in any_case()) {
        let given = assigned(&case.plan, &case.subject);
        let layers: BTreeSet<_> = given.iter().map(|(key, ..)| &spec(&case.config, key).layer).collect();
        prop_assert_eq!(layers.len(), given.len());
    }

    #[test]
    fn nothing_touches_a_unit_that_is_held_out(case in any_case()) {
        for decision in decisions(&case.plan, &case.subject) {
            let experiment = spec(&case.config, decision.experiment.key());
            let is_unknown = decision.unit.is_empty();
            prop_assert!(is_unknown || !is_held_out(&case.config, experiment, str::from_utf8(decision.unit).unwrap()));
        }
    }

    #[test]
    fn what_is_required_of_experiments_in_scope_is_so(case in any_case()) {
        let given = assigned(&case.plan, &case.subject);
        for (key, _, reason) in &given {
            // What is forced or inherited asks nobody, nor where a rollback takes its place.
            let is_rolled_back = *reason == Reason::RolledBack && !case.subject.pins.is_empty();
            if matches!(reason, Reason::Forced | Reason::Inherited) || is_rolled_back {
                continue;
            }
            for requirement in &spec(&case.config, key).requires {
                let other = spec(&case.config, &requirement.experiment);
                if !random::is_in_scope(other) {
                    continue;
                }
                let got = given.iter().find(|(key, ..)| *key == requirement.experiment);
                let named = got.is_some_and(|(_, variant, _)| {
                    let variants = &requirement.variants;
                    variants.is_empty() || variants.iter().any(|one| one == variant)
                });
                prop_assert!(named != requirement.not, "{key} requires {requirement:?}: {given:?}");
            }
        }
    }

    #[test]
    fn a_kill_switch_lets_nobody_through(case in any_case()) {
        for decision in decisions(&case.plan, &case.subject) {
            let experiment = spec(&case.config, decision.experiment.key());
            let layer = case.config.layers.iter().find(|one| one.key == experiment.layer).unwrap();
            prop_assert!(!experiment.disabled && !layer.disabled && !case.config.disabled);
        }
    }

    #[test]
    fn a_unit_without_a_pin_is_in_the_allocation(case in any_case()) {
        for decision in decisions(&case.plan, &case.subject) {
            let is_pinned = matches!(decision.reason, Reason::Forced | Reason::Inherited | Reason::Stuck);
            let owned = decision.experiment.allocation().contains(decision.layer_bucket);
            prop_assert!(owned || is_pinned || decision.reason == Reason::RolledBack);
            prop_assert!((0.0..=1.0).contains(&decision.probability));
        }
    }

    #[test]
    fn the_same_request_gets_the_same_answer(case in any_case()) {
        let again = Plan::compile(&case.config).unwrap();
        prop_assert_eq!(assigned(&case.plan, &case.subject), assigned(&again, &case.subject));
    }

    #[test]
    fn values_bound_beforehand_change_nothing(case in any_case()) {
        let mut values = case.subject.values.iter();
        let bound = Bound::new(case.plan.attributes(), |_| values.next()?.as_deref())
            .with_chance(case.subject.chance)
            .with_pins(case.subject.pins.clone());
        let service = &case.plan.services()[0];
        let given: Vec<_> = case.plan.assign(service, &bound, random::NOW_MS, &mut Noop)
            .map(|one| (one.experiment.key(), one.variant.key(), one.reason))
            .collect();
        prop_assert_eq!(given, assigned(&case.plan, &case.subject));
    }

    /// What one layer's experiments are has no say in what another layer gives.
    #[test]
    fn a_layer_does_not_depend_on_another(case in any_case()) {
        let mut config = case.config.clone();
        config.experiments.iter_mut().for_each(|one| one.requires.clear());
        let whole = Plan::compile(&config).unwrap();
        let whole = assigned(&whole, &Subject { pins: Vec::new(), ..case.subject.clone() });
        for layer in &case.config.layers {
            let mut config = config.clone();
            config.experiments.retain(|one| one.layer == layer.key);
            let plan = Plan::compile(&config).unwrap();
            let values = random::rebound(&case.plan, &plan, &case.subject);
            // Chance is drawn by place, so only what the hash decides can be compared.
            let alone = assigned(&plan, &values);
            let key = |given: &[(&str, &str, Reason)]| -> Vec<(String, Option<String>)> {
                given.iter().map(|(experiment, variant, reason)| {
                    let variant = (*reason != Reason::Random).then(|| (*variant).to_owned());
                    ((*experiment).to_owned(), variant)
                }).collect()
            };
            let here: Vec<_> = whole.iter().filter(|(key, ..)| spec(&case.config, key).layer == layer.key).copied().collect();
            prop_assert_eq!(key(&alone), key(&here));
        }
    }
}
