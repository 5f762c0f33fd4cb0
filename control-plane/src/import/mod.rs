//! Moving in: what another system's file says as specs of ours that keep every unit in its variant, and
//! what of it could not be carried over, item by item. Pure: text in, specs and notes out. The
//! formulas are the engine's; here is only which of them, with which salt, buckets and weights.

mod flagd;
mod growthbook;
mod mapping;
#[cfg(test)]
mod tests;
mod unleash;
mod value_test;

pub use mapping::{Mapping, Read};

use crate::model::experiment_spec::{ExperimentSpec, UnitSpec, WHOLE};
use crate::model::layer::LayerSpec;
use crate::model::rule_spec::RuleSpec;
use crate::model::segment::SegmentSpec;
use crate::model::source::SourceSpec;
use crate::model::variant::VariantSpec;
use crate::model::{Faults, Key};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// Whose file it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// What a client of Unleash gets: `features` and `segments`.
    Unleash,
    /// A flag definition of flagd: `flags` and `$evaluators`.
    Flagd,
    /// What an SDK of GrowthBook gets: `features`.
    Growthbook,
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Segments, by key.
    pub segments: BTreeMap<String, SegmentSpec>,
    /// Layers, by key.
    pub layers: BTreeMap<String, LayerSpec>,
    /// Experiments, by key, in the order in which they must be put: buckets are given in it.
    pub experiments: Vec<(String, ExperimentSpec)>,
    /// What could not be carried over, or is not what it was.
    pub notes: Vec<Note>,
}

/// Something that is not as it was.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Note {
    /// The flag, feature or segment, as its system calls it.
    pub item: String,
    /// Whether it was left out as a whole.
    pub left_out: bool,
    /// What.
    pub what: String,
}

/// A file that is none of its system's.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It is not JSON.
    #[error("the file is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It has another shape.
    #[error("{place}: expected {expected}")]
    Shape {
        /// Where, as a JSON pointer.
        place: &'static str,
        /// What should be there.
        expected: &'static str,
    },
}

/// Why one item is left out.
type Left<T> = Result<T, String>;

/// Reads the file `text` of `peer`.
///
/// # Errors
/// [`ImportError`] where it is no such file at all; what is wrong with one item is a note.
pub fn import(peer: Peer, text: &str, mapping: &Mapping) -> Result<Imported, ImportError> {
    let file: Value = serde_json::from_str(text)?;
    let mut imported = Imported::default();
    match peer {
        Peer::Unleash => unleash::import(&file, mapping, &mut imported)?,
        Peer::Flagd => flagd::import(&file, mapping, &mut imported)?,
        Peer::Growthbook => growthbook::import(&file, mapping, &mut imported)?,
    }
    Ok(imported)
}

impl Imported {
    fn note(&mut self, item: &str, what: impl Into<String>) {
        self.notes.push(Note {
            item: item.to_owned(),
            left_out: false,
            what: what.into(),
        });
    }

    fn leave_out(&mut self, item: &str, what: impl Into<String>) {
        self.notes.push(Note {
            item: item.to_owned(),
            left_out: true,
            what: what.into(),
        });
    }

    /// A key of ours for a name of theirs. Says so where it is another text.
    fn key(&mut self, name: &str) -> Left<String> {
        let key = key_of(name);
        if Key::try_new(&key).is_err() {
            return Err("its name makes no key".to_owned());
        }
        if self.experiments.iter().any(|(other, _)| *other == key) {
            return Err(format!("its key would be `{key}`, which another item has"));
        }
        if key != name {
            self.note(name, format!("its key is `{key}`"));
        }
        Ok(key)
    }

    /// Takes an experiment where it is valid in itself.
    fn take(&mut self, key: &str, layer: (String, LayerSpec), spec: ExperimentSpec) -> Left<()> {
        let mut faults = Faults::default();
        let design = spec.validate(&mut faults);
        faults.or(design).map_err(|faults| faults.to_string())?;
        let mut faults = Faults::default();
        let name = Key::try_new(&layer.0).map_err(|bad| bad.to_string())?;
        let design = layer.1.validate(&name, &mut faults);
        faults
            .or(design)
            .map_err(|faults| format!("its layer: {faults}"))?;
        self.layers.insert(layer.0, layer.1);
        self.experiments.push((key.to_owned(), spec));
        Ok(())
    }
}

/// Lower case, and `-` for whatever no key has.
fn key_of(name: &str) -> String {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => letter,
        _ => '-',
    };
    name.chars().map(plain).take(64).collect()
}

/// An experiment that only says what all imported ones do.
fn experiment(mapping: &Mapping, layer: &str, sources: Vec<SourceSpec>) -> ExperimentSpec {
    ExperimentSpec {
        layer: layer.to_owned(),
        services: mapping.services.clone(),
        unit: UnitSpec {
            kind: mapping.unit_type.clone(),
            sources,
        },
        owner: mapping.owner.clone(),
        decision_date: mapping.decision_date.clone(),
        traffic: WHOLE.into(),
        ..ExperimentSpec::default()
    }
}

/// A variant that only has a weight and a payload.
fn variant(key: String, weight: u64, payload: Option<Value>) -> VariantSpec {
    VariantSpec {
        key,
        weight,
        payload: payload.filter(|payload| !payload.is_null()),
        ..VariantSpec::default()
    }
}

/// That no two variants have one key.
fn distinct(variants: &[VariantSpec]) -> Left<()> {
    for (index, variant) in variants.iter().enumerate() {
        if variants
            .iter()
            .skip(index.saturating_add(1))
            .any(|it| it.key == variant.key)
        {
            return Err(format!(
                "two of its variants would have the key `{}`",
                variant.key
            ));
        }
    }
    Ok(())
}

/// All of the rules; nothing where there is none.
fn all(mut rules: Vec<RuleSpec>) -> Option<RuleSpec> {
    match rules.len() {
        0 => None,
        1 => rules.pop(),
        _ => Some(RuleSpec {
            all: Some(rules),
            ..RuleSpec::default()
        }),
    }
}

/// One of the rules; nothing where there is none.
fn any(mut rules: Vec<RuleSpec>) -> Option<RuleSpec> {
    match rules.len() {
        0 => None,
        1 => rules.pop(),
        _ => Some(RuleSpec {
            any: Some(rules),
            ..RuleSpec::default()
        }),
    }
}

fn not(rule: RuleSpec) -> RuleSpec {
    RuleSpec {
        not: Some(Box::new(rule)),
        ..RuleSpec::default()
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn fields<'a>(file: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let found = file.get(field).and_then(Value::as_object);
    found.into_iter().flat_map(serde_json::Map::iter)
}
