//! What is different between what proxies get of two models: names of resources, by fleet and type.

use super::{ResourceError, Settings, snapshots};
use crate::model::{FleetSlice, Model};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use watershed_xds::{ResourceSet, ResourceType, Snapshot};

/// The resources that are different, by fleet (`fleet/slice` for a slice that gets something else) and by
/// type (`CDS`, `EDS`, `LDS`, `RDS`, `ECDS`). What is the same is not there.
pub type ResourceChanges = BTreeMap<String, BTreeMap<&'static str, NameChanges>>;

/// The names of resources of one type that are different.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
pub struct NameChanges {
    /// Which proxies do not have yet.
    pub added: Vec<String>,
    /// Which they have with another body.
    pub changed: Vec<String>,
    /// Which they no longer get.
    pub removed: Vec<String>,
}

/// What proxies get differently of `after` than of `before`.
///
/// # Errors
/// The first fleet whose configuration would not be accepted.
pub fn difference(
    before: &Model,
    after: &Model,
    settings: &Settings,
) -> Result<ResourceChanges, ResourceError> {
    let none = Snapshot::builder().build();
    let before = snapshots(before, settings, |_| None)?;
    // What is the same is shared, so that building it twice costs once.
    let after = snapshots(after, settings, |part| before.get(part).cloned())?;
    let mut changes = ResourceChanges::new();
    for part in before.keys().chain(after.keys()) {
        let (before, after) = (meant_for(&before, part), meant_for(&after, part));
        let found = of_fleet(before.unwrap_or(&none), after.unwrap_or(&none));
        if !found.is_empty() {
            changes.insert(part.to_string(), found);
        }
    }
    Ok(changes)
}

/// What the proxies of `part` get: their slice's, else their fleet's.
fn meant_for<'a>(
    snapshots: &'a BTreeMap<FleetSlice, Snapshot>,
    part: &FleetSlice,
) -> Option<&'a Snapshot> {
    let rest = || snapshots.get(&FleetSlice::rest_of(part.fleet.clone()));
    snapshots.get(part).or_else(rest)
}

fn of_fleet(before: &Snapshot, after: &Snapshot) -> BTreeMap<&'static str, NameChanges> {
    let each = ResourceType::ALL.into_iter().map(|ty| {
        let names = of_type(before.get(ty), after.get(ty));
        (ty.abbreviation(), names)
    });
    each.filter(|(_, names)| *names != NameChanges::default())
        .collect()
}

fn of_type(before: &ResourceSet, after: &ResourceSet) -> NameChanges {
    let mut changes = NameChanges::default();
    for resource in after.iter() {
        let name = resource.name().to_string();
        match before.get(resource.name()) {
            None => changes.added.push(name),
            Some(old) if old.version() != resource.version() => changes.changed.push(name),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|old| after.get(old.name()).is_none());
    changes.removed = gone.map(|old| old.name().to_string()).collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Key;
    use crate::model::change::{self, Change, Precondition, Spec};
    use crate::model::weights::WeightsSpec;
    use jiff::Timestamp;

    fn key(name: &str) -> Key {
        Key::try_new(name).unwrap()
    }

    fn with(model: &Model, change: &Change) -> Model {
        let now = Timestamp::UNIX_EPOCH;
        change::apply(model, change, Precondition::None, now)
            .unwrap()
            .model
    }

    fn model() -> Model {
        let cluster = |port| {
            let spec = format!("endpoints: [{{address: 10.0.0.1, port: {port}}}]");
            Spec::Cluster(serde_saphyr::from_str(&spec).unwrap())
        };
        let service = "{default_cluster: a, hosts: [a.example.com]}";
        let experiment = "{layer: models, services: [s], \
            unit: {type: user, sources: [{header: x-user}]}, owner: me, decision_date: '2026-03-31', \
            variants: [{key: a, weight: 5000, cluster: a}, {key: b, weight: 5000, cluster: b}]}";
        [
            Change::Put(key("a"), cluster(80)),
            Change::Put(key("b"), cluster(81)),
            Change::Put(
                key("models"),
                Spec::Layer(serde_saphyr::from_str("{}").unwrap()),
            ),
            Change::Put(
                key("s"),
                Spec::Service(serde_saphyr::from_str(service).unwrap()),
            ),
            Change::Put(
                key("x"),
                Spec::Experiment(Box::new(serde_saphyr::from_str(experiment).unwrap())),
            ),
            Change::Act(key("x"), crate::model::lifecycle::Action::Start),
        ]
        .iter()
        .fold(Model::default(), |model, change| with(&model, change))
    }

    fn told(before: &Model, after: &Model) -> serde_json::Value {
        let settings = Settings {
            wasm_path: "/watershed.wasm".to_owned(),
        };
        let changes = difference(before, after, &settings).unwrap();
        serde_json::to_value(changes).unwrap()
    }

    #[test]
    fn new_weights_change_the_filters_configuration_and_nothing_else() {
        let before = model();
        let weights: WeightsSpec = serde_json::from_str(r#"{"a": 4000, "b": 6000}"#).unwrap();
        let after = with(&before, &Change::Weights(key("x"), weights));
        let told = told(&before, &after);
        let types: Vec<_> = told["default"].as_object().unwrap().keys().collect();
        assert_eq!(types, ["ECDS"]);
        let names = &told["default"]["ECDS"];
        assert_eq!(names["changed"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&names["added"], &names["removed"]),
            (&serde_json::json!([]), &serde_json::json!([]))
        );
    }

    #[test]
    fn an_experiment_that_is_left_to_a_slice_changes_nothing_for_that_slice() {
        let before = model();
        let mut spec =
            crate::model::experiment_spec::ExperimentSpec::from(&before.experiments["x"].design);
        spec.slices = vec!["canary".to_owned()];
        let after = with(
            &before,
            &Change::Put(key("x"), Spec::Experiment(Box::new(spec))),
        );
        let of_parts = |told: serde_json::Value| -> Vec<String> {
            told.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(of_parts(told(&before, &after)), ["default"]);
        assert_eq!(of_parts(told(&after, &before)), ["default"]);
        let off = with(
            &after,
            &Change::Act(key("x"), crate::model::lifecycle::Action::Pause),
        );
        assert_eq!(of_parts(told(&after, &off)), ["default/canary"]);
    }

    #[test]
    fn what_comes_or_goes_with_a_fleet_is_named() {
        let (nothing, all) = (Model::default(), model());
        let added = told(&nothing, &all);
        assert_eq!(
            added["default"]["CDS"]["added"],
            serde_json::json!(["a", "b"])
        );
        let removed = told(&all, &nothing);
        assert_eq!(
            removed["default"]["CDS"]["removed"],
            serde_json::json!(["a", "b"])
        );
        assert_eq!(told(&all, &all), serde_json::json!({}));
    }
}
