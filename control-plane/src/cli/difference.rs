//! What an `apply` would change: the document that there is beside the manifest, line by line. Pure.
//! A manifest leaves defaults out and a document has them, so that both are brought to the one form
//! that the model writes.

use super::manifest::{Kind, Manifest};
use super::output::yaml;
use crate::model::cluster::ClusterSpec;
use crate::model::experiment_spec::ExperimentSpec;
use crate::model::holdout::HoldoutSpec;
use crate::model::layer::LayerSpec;
use crate::model::metric::MetricSpec;
use crate::model::segment::SegmentSpec;
use crate::model::service::ServiceSpec;
use crate::model::settings::SettingsSpec;
use crate::model::{Faults, Key};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use similar::TextDiff;
use std::fmt::Write as _;

/// Lines around what is different.
const CONTEXT: usize = 3;

/// The difference between the spec that there is and that of the manifest; empty where there is none.
pub(super) fn between(current: Option<&Value>, manifest: &Manifest) -> anyhow::Result<String> {
    let wanted = wanted(current, manifest);
    let old = match current {
        Some(spec) => yaml(&normal(manifest.kind, &manifest.key, spec).unwrap_or(spec.clone()))?,
        None => String::new(),
    };
    Ok(lines(&old, &yaml(&wanted)?))
}

/// The spec of what would be taken away, as lines that go.
pub(super) fn gone(spec: &Value) -> anyhow::Result<String> {
    Ok(lines(&yaml(spec)?, ""))
}

fn lines(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        let _ = writeln!(text, "  {}", hunk.header());
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            let _ = writeln!(text, "  {}{line}", change.tag());
        }
    }
    text
}

/// What the document will say. A switch that a manifest does not mention stays as it is.
fn wanted(current: Option<&Value>, manifest: &Manifest) -> Value {
    let mut spec = manifest.spec.clone();
    let switch = current.and_then(|spec| spec.get("disabled"));
    if let (Some(fields), Some(switch)) = (spec.as_object_mut(), switch) {
        fields.entry("disabled").or_insert_with(|| switch.clone());
    }
    normal(manifest.kind, &manifest.key, &spec).unwrap_or(spec)
}

/// The spec in the model's own form; nothing where it is not valid, which is the API's to say.
fn normal(kind: Kind, key: &str, spec: &Value) -> Option<Value> {
    let mut faults = Faults::default();
    let name = || Key::try_new(key).ok();
    match kind {
        Kind::Settings => {
            let design = read::<SettingsSpec>(spec)?.validate(None, &mut faults)?;
            written(&SettingsSpec::from(&design))
        }
        Kind::Cluster => {
            let design = read::<ClusterSpec>(spec)?.validate(&mut faults)?;
            written(&ClusterSpec::from(&design))
        }
        Kind::Segment => {
            let design = read::<SegmentSpec>(spec)?.validate(&mut faults)?;
            written(&SegmentSpec::from(&design))
        }
        Kind::Layer => {
            let design = read::<LayerSpec>(spec)?.validate(&name()?, &mut faults)?;
            written(&LayerSpec::from(&design))
        }
        Kind::Holdout => {
            let design = read::<HoldoutSpec>(spec)?.validate(&name()?, &mut faults)?;
            written(&HoldoutSpec::from(&design))
        }
        Kind::Service => {
            let design = read::<ServiceSpec>(spec)?.validate(&mut faults)?;
            written(&ServiceSpec::from(&design))
        }
        Kind::Metric => {
            let design = read::<MetricSpec>(spec)?.validate(&name()?, &mut faults)?;
            written(&MetricSpec::from(&design))
        }
        Kind::Experiment => {
            let design = read::<ExperimentSpec>(spec)?.validate(&mut faults)?;
            written(&ExperimentSpec::from(&design))
        }
    }
}

fn read<S: DeserializeOwned>(spec: &Value) -> Option<S> {
    serde_json::from_value(spec.clone()).ok()
}

fn written(spec: &impl Serialize) -> Option<Value> {
    serde_json::to_value(spec).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(kind: Kind, spec: Value) -> Manifest {
        let key = "x".to_owned();
        Manifest { kind, key, spec }
    }

    #[test]
    fn what_is_left_to_its_default_is_no_difference() {
        let current = json!({"salt": "x"});
        let same = manifest(Kind::Layer, json!({}));
        assert_eq!(between(Some(&current), &same).unwrap(), "");
        let current = json!({"salt": "x", "disabled": true});
        assert_eq!(
            between(Some(&current), &same).unwrap(),
            "",
            "the switch stays as it is"
        );
        let on = manifest(Kind::Layer, json!({"disabled": false}));
        assert_eq!(
            between(Some(&current), &on).unwrap(),
            "  @@ -1,2 +1 @@\n  -disabled: true\n   salt: x\n"
        );
    }

    #[test]
    fn what_is_new_and_what_goes_is_told_line_by_line() {
        let new = manifest(Kind::Layer, json!({}));
        assert_eq!(
            between(None, &new).unwrap(),
            "  @@ -0,0 +1 @@\n  +salt: x\n"
        );
        assert_eq!(
            gone(&json!({"salt": "x"})).unwrap(),
            "  @@ -1 +0,0 @@\n  -salt: x\n"
        );
    }

    #[test]
    fn what_is_not_valid_is_shown_as_it_is() {
        let bad = manifest(Kind::Experiment, json!({"layer": 7}));
        assert!(between(None, &bad).unwrap().contains("+layer: 7"));
    }
}
