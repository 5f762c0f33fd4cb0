//! Laws: whatever is written never panics, what is validated survives being written again, and no
//! sequence of changes leaves a model that contradicts itself.

use super::*;
use crate::model::integrity;
use crate::model::rule_spec::RuleSpec;
use crate::model::source::SourceSpec;
use crate::model::unique::Unique;
use crate::model::variant::VariantSpec;
use crate::resources::{self, Settings};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;
use watershed_engine::Ranges;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![20 => "[a-z]{1,3}", 1 => "[ -~é]{0,3}"]
}

fn leaf() -> impl Strategy<Value = RuleSpec> {
    let source = (0..6_u8, word(), prop::bool::weighted(0.9));
    let test = (0..4_u8, word(), prop::collection::vec(word(), 0..4));
    (source, test).prop_map(|((source, name, flag), (test, value, values))| {
        let mut rule = RuleSpec::default();
        match source {
            0 => rule.header = Some(name),
            1 => rule.cookie = Some(name),
            2 => rule.query = Some(name),
            3 => rule.path = Some(flag),
            4 => rule.method = Some(flag),
            _ => rule.host = Some(flag),
        }
        match test {
            0 => rule.equals = Some(value),
            1 => rule.one_of = Some(values),
            2 => rule.prefix = Some(value),
            _ => rule.present = Some(flag),
        }
        rule
    })
}

fn rule() -> impl Strategy<Value = RuleSpec> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let rules = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            rules.clone().prop_map(|all| RuleSpec {
                all: Some(all),
                ..RuleSpec::default()
            }),
            rules.prop_map(|any| RuleSpec {
                any: Some(any),
                ..RuleSpec::default()
            }),
            inner.prop_map(|not| RuleSpec {
                not: Some(Box::new(not)),
                ..RuleSpec::default()
            }),
        ]
    })
}

fn source() -> impl Strategy<Value = SourceSpec> {
    let names = (option::weighted(0.9, word()), option::weighted(0.1, word()));
    names.prop_map(|(header, cookie)| SourceSpec {
        header,
        cookie,
        ..SourceSpec::default()
    })
}

/// Mostly weights that add up.
fn variants() -> impl Strategy<Value = Vec<VariantSpec>> {
    let weights = prop_oneof![
        3 => Just(vec![10_000]),
        3 => Just(vec![7_500, 2_500]),
        3 => Just(vec![0, 1, 9_999]),
        1 => prop::collection::vec(0..10_001_u64, 0..4),
    ];
    (weights, any::<bool>(), word()).prop_map(|(weights, routes, prefix)| {
        let numbered = weights.into_iter().enumerate();
        let variant = |(index, weight)| VariantSpec {
            key: format!("{prefix}{index}"),
            weight,
            cluster: routes.then(|| "stable-a".to_owned()),
            request_headers: Unique::default(),
            response_headers: Unique::default(),
            baggage: Unique::default(),
        };
        numbered.map(variant).collect()
    })
}

fn spec() -> impl Strategy<Value = ExperimentSpec> {
    let parts = (
        (
            word(),
            prop::collection::vec(word(), 0..3),
            word(),
            0..10_002_u64,
        ),
        prop::collection::vec(source(), 1..3),
        option::of(rule()),
        variants(),
        (
            option::weighted(0.05, word()),
            option::weighted(0.05, word()),
        ),
        (option::of(0..4_102_444_800_i64), option::of(word())),
    );
    parts.prop_map(
        |(names, sources, audience, variants, (control, fallback), (start, owner))| {
            let (layer, services, kind, traffic) = names;
            let mut spec = stamping(traffic);
            spec.layer = layer;
            spec.services = services;
            spec.unit.kind = kind;
            spec.unit.sources = sources;
            spec.audience = audience;
            spec.variants = variants;
            spec.control = control;
            spec.fallback = fallback;
            spec.start = start.map(|s| Timestamp::from_second(s).unwrap().to_string());
            spec.owner = owner;
            spec
        },
    )
}

proptest! {
    /// Validation has no opinion that its own output does not meet.
    #[test]
    fn what_is_valid_is_the_same_after_it_is_written_again(spec in spec()) {
        let mut faults = Faults::default();
        if let Ok(design) = { let d = spec.validate(&mut faults); faults.or(d) } {
            let written = ExperimentSpec::from(&design);
            let json = serde_json::to_string(&written).unwrap();
            let read: ExperimentSpec = serde_json::from_str(&json).unwrap();
            let mut faults = Faults::default();
            let again = read.validate(&mut faults);
            prop_assert_eq!(faults.or(again).unwrap(), design);
        }
    }

    /// A rule alone is valid often enough for the law to bite.
    #[test]
    fn a_valid_rule_is_the_same_after_it_is_written_again(rule in rule()) {
        let mut faults = Faults::default();
        if let Ok(valid) = { let r = rule.validate("", &mut faults); faults.or(r) } {
            let mut faults = Faults::default();
            let again = RuleSpec::from(&valid).validate("", &mut faults);
            prop_assert_eq!(faults.or(again).unwrap(), valid);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u64, u64, bool),
    Delete(u8),
    Weights(u8, u64),
    Act(u8, Action),
    Service(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..5_u8;
    prop_oneof![
        3 => (name.clone(), 1..6_000_u64, 0..=10_000_u64, any::<bool>())
            .prop_map(|(name, traffic, weight, routes)| Step::Put(name, traffic, weight, routes)),
        1 => name.clone().prop_map(Step::Delete),
        3 => (name.clone(), 0..=10_000_u64).prop_map(|(name, weight)| Step::Weights(name, weight)),
        3 => (name.clone(), prop::sample::select(Action::ALL.to_vec()))
            .prop_map(|(name, action)| Step::Act(name, action)),
        1 => (name.clone(), name).prop_map(|(name, path)| Step::Service(name, path)),
    ]
}

fn change(step: &Step) -> Change {
    let name = |name: &u8| format!("e{name}");
    match step {
        Step::Put(n, traffic, weight, routes) => {
            let layer = if n % 2 == 0 { "models" } else { "prompts" };
            let mut spec = routing(layer, *traffic);
            spec.variants[0].weight = 10_000 - weight;
            spec.variants[1].weight = *weight;
            if !routes {
                spec.variants.iter_mut().for_each(|v| v.cluster = None);
            }
            experiment(&name(n), spec)
        }
        Step::Delete(n) => Change::Delete(Kind::Experiment, key(&name(n))),
        Step::Weights(n, weight) => weights(&name(n), 10_000 - weight, *weight),
        Step::Act(n, action) => act(&name(n), *action),
        Step::Service(n, path) => {
            let spec = format!("{{default_cluster: stable-a, path_prefixes: [/p{path}]}}");
            service(&format!("s{n}"), &spec)
        }
    }
}

type Owned = BTreeMap<(Key, Key), Ranges>;

fn owned(model: &Model) -> Owned {
    let each = model.experiments.values().flat_map(|experiment| {
        let of = |v: super::super::experiment::Variant<'_>| {
            (
                (experiment.key.clone(), v.design.key.clone()),
                v.ranges.clone(),
            )
        };
        experiment.variants().map(of).collect::<Vec<_>>()
    });
    each.collect()
}

proptest! {
    #[test]
    fn no_sequence_of_changes_contradicts_itself(steps in prop::collection::vec(step(), 0..40)) {
        let mut model = world();
        for step in &steps {
            let before = model.clone();
            let Ok(Applied { model: next, edit }) = try_apply(&model, &change(step)) else {
                continue;
            };
            prop_assert_eq!(integrity::check(&next), Ok(()));
            let made = u64::from(edit.is_some());
            prop_assert_eq!(next.revision, before.revision + made);
            prop_assert_eq!(edit.is_none(), next == before);
            for experiment in next.experiments.values() {
                prop_assert_eq!(experiment.allocation().size(), experiment.design.traffic);
                let all = experiment.variants().fold(Ranges::default(), |all, v| all.union(v.ranges));
                prop_assert_eq!(all, Ranges::full());
            }
            model = next;
        }
    }

    /// The model's bounds are at least as narrow as the filter's.
    #[test]
    fn proxies_take_what_the_model_accepts(specs in prop::collection::vec(spec(), 1..6)) {
        let settings = Settings { wasm_path: "/watershed.wasm".to_owned() };
        let mut model = world();
        for (index, mut spec) in specs.into_iter().enumerate() {
            let name = format!("x{index}");
            spec.layer = "models".to_owned();
            spec.services.iter_mut().for_each(|service| "chat".clone_into(service));
            spec.traffic = spec.traffic.min(1_500);
            for change in [experiment(&name, spec), act(&name, Action::Start)] {
                if let Ok(applied) = try_apply(&model, &change) {
                    model = applied.model;
                }
            }
        }
        let taken = resources::snapshots(&model, &settings, |_| None);
        prop_assert!(taken.is_ok(), "{}", taken.unwrap_err());
    }

    #[test]
    fn a_variant_that_grows_keeps_every_bucket_it_had(steps in prop::collection::vec(step(), 0..40)) {
        let mut model = world();
        for step in &steps {
            let before = owned(&model);
            if let Ok(applied) = try_apply(&model, &change(step)) {
                model = applied.model;
            }
            // One that was deleted and made again has no past.
            let after = owned(&model);
            for (name, now) in &after {
                let was = before.get(name).cloned().unwrap_or_default();
                if now.size() >= was.size() {
                    prop_assert_eq!(was.difference(now), Ranges::default());
                } else {
                    prop_assert_eq!(now.difference(&was), Ranges::default());
                }
            }
        }
    }
}
