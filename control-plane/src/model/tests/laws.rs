//! Laws: whatever is written never panics, what is validated survives being written again, and no
//! sequence of changes leaves a model that contradicts itself.

use super::*;
use crate::model::attribute::JwtClaim;
use crate::model::comparison::{ComparisonSpec, Scalar};
use crate::model::decision::DecisionSpec;
use crate::model::detour::{FallbackSpec, MirrorSpec};
use crate::model::export::Export;
use crate::model::integrity;
use crate::model::lifecycle::State;
use crate::model::rule_spec::RuleSpec;
use crate::model::source::SourceSpec;
use crate::model::switch::Switch;
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

/// Mostly what is right for each test, sometimes a word.
fn value(test: u8) -> BoxedStrategy<String> {
    let right = match test {
        0 => "-?[0-9]{1,4}(\\.[0-9]{1,2})?",
        1 => "[0-9]\\.(0|[1-9][0-9]?)\\.[0-9](-rc\\.[1-9])?",
        2 => "[a-z]{1,3}[+*?]?|\\^[a-z]+\\$|[a-z(]{1,3}",
        3 => "10\\.0\\.0\\.[0-9]{1,2}(/3[0-4])?|[0-9a-f]{1,4}::(/1[0-9]{0,2})?",
        _ => "utc|[+-][01][0-9]:[0-5][0-9]",
    };
    prop_oneof![20 => right, 1 => word()].boxed()
}

fn source_of(rule: &mut RuleSpec, source: u8, name: String, flag: bool, offset: String) {
    match source {
        0 => rule.header = Some(name),
        1 => rule.cookie = Some(name),
        2 => rule.query = Some(name),
        3 => rule.path = Some(flag),
        4 => rule.method = Some(flag),
        5 => rule.host = Some(flag),
        6 => {
            let (provider, path) = ("idp".to_owned(), vec![name]);
            rule.jwt_claim = Some(JwtClaim { provider, path });
        }
        7 => rule.body = Some(format!("/{name}")),
        8 => rule.source_address = Some(flag),
        9 => rule.body_size = Some(flag),
        10 => rule.time_of_day = Some(offset),
        11 => rule.day_of_week = Some(offset),
        _ => rule.date = Some(offset),
    }
}

fn leaf() -> impl Strategy<Value = RuleSpec> {
    let source = (0..13_u8, word(), prop::bool::weighted(0.9), value(4));
    let texts = (word(), prop::collection::vec(word(), 0..4), any::<bool>());
    let values = (value(0), value(1), value(2), value(3));
    (source, 0..11_u8, texts, values).prop_map(|(source, test, texts, values)| {
        let mut rule = RuleSpec::default();
        source_of(&mut rule, source.0, source.1, source.2, source.3);
        let (text, several, case) = texts;
        let (number, version, expression, network) = values;
        let bounds = |low: &str, high: Option<&str>| ComparisonSpec {
            at_least: Some(Scalar(low.to_owned())),
            less: high.map(|high| Scalar(high.to_owned())),
            ..ComparisonSpec::default()
        };
        rule.ignore_case = case && test < 6;
        match test {
            0 => rule.equals = Some(text),
            1 => rule.one_of = Some(several),
            2 => rule.prefix = Some(text),
            3 => rule.suffix = Some(text),
            4 => rule.contains = Some(text),
            5 => rule.regex = Some(expression),
            6 => rule.number = Some(bounds(&number, case.then_some("9"))),
            7 => rule.semver = Some(bounds(&version, case.then_some("9.0.0"))),
            8 => rule.text = Some(bounds(&text, None)),
            9 => rule.in_networks = Some(vec![network]),
            _ => rule.present = Some(source.2),
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
    (0..8_u8, word(), prop::bool::weighted(0.9)).prop_map(|(source, name, flag)| {
        let mut spec = SourceSpec::default();
        match source {
            0 | 1 => spec.header = Some(name),
            2 => spec.cookie = Some(name),
            3 => spec.query = Some(name),
            4 => spec.body = Some(format!("/{name}")),
            5 => spec.source_address = Some(flag),
            6 => spec.generated = Some(yaml(&format!("cookie: {name:?}"))),
            _ => spec.request = Some(flag),
        }
        spec
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
    let share = option::of(0..10_002_u64);
    let parts = (weights, any::<bool>(), word(), share, any::<bool>());
    parts.prop_map(|(weights, routes, prefix, share, rescued)| {
        let mirror = MirrorSpec {
            cluster: "candidate-b".to_owned(),
            share,
        };
        let fallback = FallbackSpec {
            cluster: "candidate-b".to_owned(),
            on: Vec::new(),
        };
        let numbered = weights.into_iter().enumerate();
        let variant = |(index, weight)| VariantSpec {
            key: format!("{prefix}{index}"),
            weight,
            cluster: routes.then(|| "stable-a".to_owned()),
            mirrors: share
                .filter(|_| routes)
                .map(|_| mirror.clone())
                .into_iter()
                .collect(),
            fallback: (routes && rescued).then(|| fallback.clone()),
            request_headers: Unique::from_iter([("x-variant-name", prefix.clone())]),
            response_headers: Unique::default(),
            baggage: Unique::from_iter([(prefix.clone(), "1".to_owned())]),
            payload: Some(weight.into()),
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
    Reshuffle(u8),
    Switch(u8, Switch),
    Requires(u8, u8),
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
        1 => name.clone().prop_map(Step::Reshuffle),
        1 => (name.clone(), prop::sample::select(vec![Switch::Disable, Switch::Enable]))
            .prop_map(|(name, switch)| Step::Switch(name, switch)),
        2 => (name.clone(), name.clone()).prop_map(|(name, other)| Step::Requires(name, other)),
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
            spec.canary_traffic = (weight % 3 > 0).then_some(1 + weight % traffic);
            if !routes {
                spec.variants.iter_mut().for_each(|v| v.cluster = None);
            }
            experiment(&name(n), spec)
        }
        Step::Delete(n) => Change::Delete(Kind::Experiment, key(&name(n))),
        Step::Weights(n, weight) => weights(&name(n), 10_000 - weight, *weight),
        Step::Act(n, Action::Decide) => {
            let variant = "candidate".to_owned();
            Change::Decide(key(&name(n)), DecisionSpec { variant })
        }
        Step::Act(n, action) => act(&name(n), *action),
        Step::Reshuffle(n) => Change::Reshuffle(key(&name(n))),
        Step::Switch(n, switch) => Change::Switch(Kind::Experiment, key(&name(n)), *switch),
        Step::Requires(n, other) => {
            let layer = if n % 2 == 0 { "models" } else { "prompts" };
            let mut spec = routing(layer, 1_000);
            spec.variants.iter_mut().for_each(|v| v.cluster = None);
            spec.requires = yaml(&format!("[{{experiment: e{other}, not: true}}]"));
            experiment(&name(n), spec)
        }
        Step::Service(n, path) => {
            let spec = format!("{{default_cluster: stable-a, path_prefixes: [/p{path}]}}");
            service(&format!("s{n}"), &spec)
        }
    }
}

fn settings() -> Settings {
    Settings {
        wasm_path: "/watershed.wasm".to_owned(),
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
                let is_over = experiment.state == State::Archived;
                let traffic = if is_over { 0 } else { experiment.design.traffic };
                prop_assert_eq!(experiment.allocation().size(), traffic);
                let canary = experiment.placement.canary().cloned().unwrap_or_default();
                prop_assert!(canary.difference(experiment.allocation()).is_empty());
                let all = experiment.variants().fold(Ranges::default(), |all, v| all.union(v.ranges));
                prop_assert_eq!(all, Ranges::full());
            }
            model = next;
        }
        let taken = resources::snapshots(&model, &settings(), |_| None);
        prop_assert!(taken.is_ok(), "{}", taken.unwrap_err());
    }

    /// A backup, as a file, is the whole model.
    #[test]
    fn what_is_exported_is_read_back_as_it_was(steps in prop::collection::vec(step(), 0..40)) {
        let changed = |model: Model, step: &Step| {
            let applied = try_apply(&model, &change(step));
            applied.map_or(model, |applied| applied.model)
        };
        let model = steps.iter().fold(world(), changed);
        let file = serde_saphyr::to_string(&Export::of(&model, now()).unwrap()).unwrap();
        let read: Export = serde_saphyr::from_str(&file).unwrap();
        prop_assert_eq!(read.model(), Ok(model));
    }

    /// The model's bounds are at least as narrow as the filter's.
    #[test]
    fn proxies_take_what_the_model_accepts(specs in prop::collection::vec(spec(), 1..6)) {
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
        let taken = resources::snapshots(&model, &settings(), |_| None);
        prop_assert!(taken.is_ok(), "{}", taken.unwrap_err());
    }

    /// A unit that a canary assigns is assigned for as long as the canary does not shrink.
    #[test]
    fn a_canary_that_grows_keeps_every_bucket_it_had(steps in prop::collection::vec(step(), 0..40)) {
        let mut model = world();
        for step in &steps {
            let canaries = |model: &Model| -> BTreeMap<Key, Ranges> {
                let each = model.experiments.values();
                each.filter_map(|it| Some((it.key.clone(), it.placement.canary()?.clone()))).collect()
            };
            let (before, had) = (model.clone(), canaries(&model));
            if let Ok(applied) = try_apply(&model, &change(step)) {
                model = applied.model;
            }
            for (name, now) in canaries(&model) {
                let moved = before.experiments.get(&name).is_some_and(|it| {
                    it.design.layer != model.experiments[&name].design.layer
                        || !it.placement.canary().is_some_and(|it| {
                            it.difference(model.experiments[&name].allocation()).is_empty()
                        })
                });
                let was = had.get(&name).cloned().unwrap_or_default();
                if now.size() >= was.size() && !moved {
                    prop_assert_eq!(was.difference(&now), Ranges::default());
                }
            }
        }
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
