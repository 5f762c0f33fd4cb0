//! Random configurations and requests: every feature, small numbers, so that they meet.

use proptest::prelude::*;
use serde_json::{Value, json};
use watershed_engine::{Attribute, AttributeId, Pin, PinnedBy, Plan};
use watershed_proto::filter::v1::{Experiment, FilterConfig};

pub const NOW_MS: i64 = 1_000;

/// A configuration with its plan, and a request of its first service.
#[derive(Clone, Debug)]
pub struct Case {
    pub config: FilterConfig,
    pub plan: Plan,
    pub subject: Subject,
}

/// A request whose values lie in the order of the plan's attributes.
#[derive(Clone, Debug)]
pub struct Subject {
    pub values: Vec<Option<String>>,
    pub chance: u64,
    pub pins: Vec<Pin>,
}

impl watershed_engine::Subject for Subject {
    fn get(&self, attribute: AttributeId) -> Option<&[u8]> {
        self.values
            .get(attribute.index())?
            .as_deref()
            .map(str::as_bytes)
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

/// The same values in the order of another plan, without pins.
pub fn rebound(from: &Plan, to: &Plan, subject: &Subject) -> Subject {
    let value = |attribute: &Attribute| {
        let place = from
            .attributes()
            .iter()
            .position(|other| other == attribute)?;
        subject.values.get(place)?.clone()
    };
    Subject {
        values: to.attributes().iter().map(value).collect(),
        chance: subject.chance,
        pins: Vec::new(),
    }
}

/// Whether the experiment is in the scope of the first service.
pub fn is_in_scope(experiment: &Experiment) -> bool {
    experiment.services.is_empty() || experiment.services.iter().any(|key| key == "s")
}

fn any_condition() -> BoxedStrategy<Value> {
    let attribute = prop_oneof![
        Just(json!({"header": "x-a"})),
        Just(json!({"header": "x-b"})),
        Just(json!({"cookie": "a"})),
        Just(json!({"body": "/a"})),
    ];
    let operator = prop::sample::select(vec![
        "EQUAL",
        "LESS",
        "LESS_OR_EQUAL",
        "GREATER",
        "GREATER_OR_EQUAL",
    ]);
    let compare = |ordering: &'static str, value: &'static str| {
        operator.clone().prop_map(move |operator| {
            json!({"compare": {"ordering": ordering, "operator": operator, "value": value}})
        })
    };
    let test = prop_oneof![
        Just(json!({"present": {}})),
        Just(json!({"equals": "1"})),
        Just(json!({"equals": "A", "ignoreCase": true})),
        Just(json!({"oneOf": {"values": ["1", "a", "1.0.0"]}})),
        Just(json!({"prefix": "1"})),
        Just(json!({"suffix": "0"})),
        Just(json!({"contains": "."})),
        Just(json!({"regex": "^[0-9.]+$"})),
        Just(json!({"inNetworks": {"values": ["10.0.0.0/8"]}})),
        compare("NUMBER", "1"),
        compare("SEMVER", "1.0.0"),
        compare("TEXT", "1.0"),
    ];
    (attribute, test)
        .prop_map(|(attribute, mut condition)| {
            condition["attribute"] = attribute;
            json!({"condition": condition})
        })
        .boxed()
}

fn any_rule() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![4 => any_condition(), 1 => Just(json!({"segment": "one"}))];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            list().prop_map(|rules| json!({"all": {"rules": rules}})),
            list().prop_map(|rules| json!({"any": {"rules": rules}})),
            inner.prop_map(|rule| json!({"not": rule})),
        ]
    })
    .boxed()
}

fn any_strategy() -> BoxedStrategy<Value> {
    let model = |variant: &str, weight: f64| json!({"variant": variant, "theta": [0.5, weight], "aInverse": [1, 0, 0, 1]});
    prop_oneof![
        2 => Just(json!({"deterministic": {}})),
        1 => Just(json!({"random": {}})),
        1 => (0.0..1.0_f64).prop_map(move |exploration| json!({"contextual": {
            "features": [{}, {"attribute": {"header": "x-a"}, "numeric": {}}],
            "alpha": 0.1, "exploration": exploration,
            "models": [model("a", 1.0), model("b", -1.0)],
        }})),
    ]
    .boxed()
}

/// What an experiment may ask of the one before it.
fn any_requirement() -> impl Strategy<Value = Option<(Vec<&'static str>, bool)>> {
    let variants = prop::sample::subsequence(vec!["a", "b"], 0..=2);
    prop::option::weighted(0.3, (variants, any::<bool>()))
}

/// An experiment of one of three layers; `place` makes its key, and its buckets disjoint from
/// others.
fn any_experiment(place: usize) -> BoxedStrategy<Value> {
    let rarely = || prop::bool::weighted(0.1);
    let base = (
        0..3_u8,
        0..=10_000_u32,
        rarely(),
        rarely(),
        prop::bool::weighted(0.2),
    );
    let rest = (
        prop::option::of(any_rule()),
        any_strategy(),
        any_requirement(),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.2, 500..1_500_i64),
    );
    (base, rest).prop_map(move |(base, rest)| {
        let (layer, cut, disabled, rolled_back, elsewhere) = base;
        let (audience, strategy, requirement, sticky, end) = rest;
        let start = place * 2_500;
        let requires: Vec<_> = requirement
            .filter(|_| place > 0)
            .map(|(variants, not)| {
                json!({"experiment": format!("e{}", place - 1), "variants": variants, "not": not})
            })
            .into_iter()
            .collect();
        let mut experiment = json!({
            "key": format!("e{place}"), "layer": format!("l{layer}"),
            "services": [if elsewhere { "other" } else { "s" }],
            "unitSources": [{"header": "x-user"}],
            "allocation": [{"start": start, "end": start + 2_499}],
            "variants": [
                {"key": "a", "ranges": ranges(0, cut)}, {"key": "b", "ranges": ranges(cut, 10_000)},
            ],
            "fallback": "a", "disabled": disabled,
            "mode": if rolled_back { "FALLBACK" } else { "RUN" },
            "strategy": strategy, "requires": requires, "endMs": end.unwrap_or(0),
        });
        if let Some(rule) = audience {
            experiment["audience"] = rule;
        }
        if sticky {
            experiment["sticky"] = json!({"cookie": "s"});
        }
        experiment
    })
    .boxed()
}

fn ranges(start: u32, end: u32) -> Value {
    if start == end {
        return json!([]);
    }
    json!([{"start": start, "end": end - 1}])
}

fn any_config() -> BoxedStrategy<FilterConfig> {
    let experiments = (
        any_experiment(0),
        any_experiment(1),
        any_experiment(2),
        any_experiment(3),
    );
    let holdouts = prop::collection::vec((0..10_000_u32, prop::option::of(0..3_u8)), 0..3);
    let switches = (prop::bool::weighted(0.05), prop::bool::weighted(0.1));
    (experiments, any_condition(), holdouts, switches, any_rule()).prop_map(
        |((e0, e1, e2, e3), segment, holdouts, (off, layer_off), route)| {
            let holdouts: Vec<_> = holdouts
                .iter()
                .enumerate()
                .map(|(place, (end, layer))| {
                    let layer = layer.map(|layer| format!("l{layer}")).unwrap_or_default();
                    json!({"key": format!("h{place}"), "layer": layer, "buckets": [{"start": 0, "end": end / 3}]})
                })
                .collect();
            let config = json!({
                "services": [
                    {"key": "s", "routingRules": [{"key": "r", "when": route, "cluster": "c"}]},
                    {"key": "other"},
                ],
                "layers": [{"key": "l0", "disabled": layer_off}, {"key": "l1"}, {"key": "l2"}],
                "segments": [{"key": "one", "rule": segment}],
                "holdouts": holdouts, "disabled": off, "experiments": [e0, e1, e2, e3],
                "signingKeys": [{"id": "k", "secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}],
            });
            serde_json::from_value(config).unwrap()
        },
    )
    .boxed()
}

type Values = (Option<String>, Vec<Option<String>>);

fn any_values() -> impl Strategy<Value = Values> {
    let unit = prop::option::weighted(0.9, "[a-z]{1,6}|[a-z]{60,68}");
    let value = prop::sample::select(vec![
        "", "1", "a", "A", "1.0", "1.0.0", "0.9.0", "10.1.1.1", "2",
    ]);
    let value = prop::option::of(value.prop_map(str::to_owned));
    (unit, prop::collection::vec(value, 4))
}

type PinSpec = (usize, bool, u8);

fn subject(plan: &Plan, (unit, values): &Values, chance: u64, pins: &[PinSpec]) -> Subject {
    let value = |attribute: &Attribute| match attribute {
        Attribute::Header(name) if &**name == "x-user" => unit.clone(),
        Attribute::Header(name) if &**name == "x-a" => values[0].clone(),
        Attribute::Header(_) => values[1].clone(),
        Attribute::Cookie(_) => values[2].clone(),
        _ => values[3].clone(),
    };
    let pins = pins.iter().filter_map(|(place, is_b, by)| {
        let key = format!("e{place}");
        let sticky = plan.experiment(&key).and_then(|one| one.sticky());
        let by = match by {
            0 => PinnedBy::Forced,
            1 => PinnedBy::Inherited,
            2 => PinnedBy::Stuck { unit: 0 },
            _ => PinnedBy::Stuck {
                unit: sticky?.fingerprint(unit.as_deref().unwrap_or_default().as_bytes()),
            },
        };
        plan.pin(&key, if *is_b { "b" } else { "a" }, by)
    });
    Subject {
        values: plan.attributes().iter().map(value).collect(),
        chance,
        pins: pins.collect(),
    }
}

/// Any configuration with any request.
pub fn any_case() -> impl Strategy<Value = Case> {
    let pins = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec((0..4_usize, any::<bool>(), 0..6_u8), 1..4),
    ];
    let any = (any_config(), any_values(), any::<u64>(), pins);
    any.prop_map(|(mut config, values, chance, pins)| {
        let plan = Plan::compile(&config).unwrap_or_else(|_| {
            // A sticky experiment that requires, over others, one of its own layer.
            config
                .experiments
                .iter_mut()
                .for_each(|one| one.sticky = None);
            Plan::compile(&config).unwrap()
        });
        let subject = subject(&plan, &values, chance, &pins);
        Case {
            config,
            plan,
            subject,
        }
    })
}
