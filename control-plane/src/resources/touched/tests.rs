//! Whatever is changed in whatever order: building what a change touches gives what building everything
//! gives.

use super::*;
use crate::model::FleetSlice;
use crate::model::change::{self, Change, Precondition, Spec};
use crate::model::lifecycle::Action;
use crate::model::weights::WeightsSpec;
use crate::resources::{Settings, next_snapshots, snapshots};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use watershed_xds::{Snapshot, Version};

fn key(name: &str) -> Key {
    Key::try_new(name).unwrap()
}

fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

fn cluster(port: u8) -> Change {
    let spec = format!(
        "endpoints: [{{address: 10.0.0.1, port: {}}}]",
        1 + u16::from(port)
    );
    Change::Put(key("c"), Spec::Cluster(yaml(&spec)))
}

/// Of the fleets `f0` to `f2`, those whose bit is set; at least one.
fn service(n: u8, fleets: u8) -> Change {
    let named: Vec<String> = (0..3)
        .filter(|fleet| fleets & (1 << fleet) != 0)
        .map(|fleet| format!("f{fleet}"))
        .collect();
    let named = if named.is_empty() {
        "f0".to_owned()
    } else {
        named.join(", ")
    };
    let spec = format!("{{default_cluster: c, path_prefixes: [/p{n}], fleets: [{named}]}}");
    Change::Put(key(&format!("s{n}")), Spec::Service(yaml(&spec)))
}

/// On one service or, where there is none of that number, on all; on a slice, where the number is odd.
fn experiment(n: u8, service: u8, other: u8) -> Change {
    let services = match service {
        0..3 => format!("s{service}"),
        _ => String::new(),
    };
    let slices = if other % 2 == 1 { "canary" } else { "" };
    let requires = match other {
        0..5 if other != n => format!("{{experiment: x{other}, not: true}}"),
        _ => String::new(),
    };
    let spec = format!(
        "{{layer: l{n}, services: [{services}], slices: [{slices}], requires: [{requires}], owner: me, \
          decision_date: 2026-03-31, unit: {{type: user, sources: [{{header: x-user}}]}}, \
          variants: [{{key: a, weight: 5000}}, {{key: b, weight: 5000}}]}}"
    );
    Change::Put(key(&format!("x{n}")), Spec::Experiment(yaml(&spec)))
}

fn any_change() -> impl Strategy<Value = Change> {
    let name = |n: u8| key(&format!("x{n}"));
    prop_oneof![
        1 => any::<u8>().prop_map(cluster),
        2 => (0..3_u8, 0..8_u8).prop_map(|(n, fleets)| service(n, fleets)),
        4 => (0..5_u8, 0..5_u8, 0..10_u8).prop_map(|(n, on, other)| experiment(n, on, other)),
        6 => (0..5_u8, prop::sample::select(Action::ALL.to_vec()))
            .prop_map(move |(n, action)| Change::Act(name(n), action)),
        3 => (0..5_u8, 0..=10_000_u64).prop_map(move |(n, a)| {
            Change::Weights(name(n), WeightsSpec::from_iter([("a", a), ("b", 10_000 - a)]))
        }),
        1 => (0..3_u8).prop_map(|n| Change::Delete(crate::model::Kind::Service, key(&format!("s{n}")))),
    ]
}

fn apply(model: &Model, change: &Change) -> Option<Model> {
    let now = "2026-01-31T09:00:00Z".parse().unwrap();
    let applied = change::apply(model, change, Precondition::None, now);
    applied.ok().map(|applied| applied.model)
}

fn world() -> Model {
    let layers = (0..5).map(|n| Change::Put(key(&format!("l{n}")), Spec::Layer(yaml("{}"))));
    let services = (0..3_u8).map(|n| service(n, 1 << n));
    let all = std::iter::once(cluster(0)).chain(layers).chain(services);
    all.fold(Model::default(), |model, change| {
        apply(&model, &change).unwrap()
    })
}

fn versions(made: &BTreeMap<FleetSlice, Snapshot>) -> Vec<(String, Version)> {
    let each = made.iter();
    each.map(|(part, it)| (part.to_string(), it.version()))
        .collect()
}

proptest! {
    #[test]
    fn what_a_change_touches_is_all_that_it_changes(
        changes in prop::collection::vec(any_change(), 1..40),
    ) {
        let settings = Settings { wasm_path: "/watershed.wasm".to_owned() };
        let mut model = world();
        let mut published = snapshots(&model, &settings, |_| None).unwrap();
        for change in &changes {
            let Some(next) = apply(&model, change) else { continue };
            let touched = Touched::between(&model, &next);
            let previous = |part: &FleetSlice| published.get(part).cloned();
            let made = next_snapshots(&next, &settings, &touched, previous).unwrap();
            let whole = snapshots(&next, &settings, |_| None).unwrap();
            prop_assert_eq!(versions(&made), versions(&whole), "{:?}", change);
            (model, published) = (next, made);
        }
    }
}

#[test]
fn new_weights_touch_the_fleets_of_the_experiment_and_of_what_requires_it_and_no_other() {
    // x1 requires x0; each is on a service of a fleet of its own.
    let changes = [
        experiment(0, 0, 8),
        experiment(1, 1, 0),
        experiment(2, 2, 8),
    ];
    let model = changes
        .iter()
        .fold(world(), |model, change| apply(&model, change).unwrap());
    let weights = WeightsSpec::from_iter([("a", 1_000), ("b", 9_000)]);
    let next = apply(&model, &Change::Weights(key("x0"), weights)).unwrap();
    let fleets = BTreeSet::from(["f0", "f1"].map(key));
    assert_eq!(Touched::between(&model, &next), Touched::Fleets(fleets));
    let other = apply(&model, &cluster(9)).unwrap();
    assert_eq!(Touched::between(&model, &other), Touched::Everybody);
    assert_eq!(
        Touched::between(&model, &model),
        Touched::Fleets(BTreeSet::new())
    );
}
