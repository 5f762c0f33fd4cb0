//! Namespaces: experiments that share units without overlap, as layers hashed by `growthbook_v1` with
//! `__NAMESPACE` as salt. A layer gives its buckets in order, so that experiments are put in the order of
//! their ranges, and what nobody has between them is held by one that never runs.

use super::super::{Imported, LayerSpec, Left, experiment, key_of, variant};
use super::{Hash, Placed};
use crate::model::experiment_spec::ExperimentSpec;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many buckets a namespace has.
const BUCKETS: u64 = 1_000;

/// A range of a namespace: buckets from `from`, before `to`.
pub(super) struct Place {
    namespace: String,
    from: u64,
    to: u64,
}

impl Place {
    /// The namespace of a rule, where it has one.
    pub(super) fn of(rule: &Value) -> Left<Option<Self>> {
        let given = match rule.get("namespace") {
            None | Some(Value::Null) => return Ok(None),
            Some(given) => given.as_array().map(Vec::as_slice).unwrap_or_default(),
        };
        let [Value::String(namespace), from, to] = given else {
            return Err("its namespace is no name with two bounds".to_owned());
        };
        let bound = |value: &Value| {
            value
                .as_f64()
                .ok_or("a bound of its namespace is no number")
        };
        let (from, to) = (bound(from)?, bound(to)?);
        // The comparison that GrowthBook makes, for every bucket.
        let is_in = |bucket: &u64| {
            #[expect(clippy::cast_precision_loss, reason = "a bucket is below 1000")]
            let number = *bucket as f64 / BUCKETS as f64;
            number >= from && number < to
        };
        let mut within = (0..BUCKETS).filter(is_in);
        let first = within.next().ok_or("its namespace's range is empty")?;
        let last = within.next_back().unwrap_or(first);
        Ok(Some(Self {
            namespace: namespace.clone(),
            from: first,
            to: last.saturating_add(1),
        }))
    }
}

/// Takes all of them, those of a namespace in its order.
pub(super) fn place(placed: Vec<Placed>, imported: &mut Imported) {
    let mut shared: BTreeMap<String, Vec<(u64, u64, Placed)>> = BTreeMap::new();
    for mut one in placed {
        match one.place.take() {
            Some(Place {
                namespace,
                from,
                to,
            }) => {
                shared.entry(namespace).or_default().push((from, to, one));
            }
            None => take(imported, one.spec.layer.clone(), LayerSpec::default(), one),
        }
    }
    for (namespace, mut all) in shared {
        all.sort_by_key(|(from, _, _)| *from);
        let layer = key_of(&format!("growthbook-ns-{namespace}"));
        let spec = LayerSpec {
            salt: Some(format!("__{namespace}")),
            hash: Some(Hash::GrowthbookV1),
            ..LayerSpec::default()
        };
        let mut next = 0;
        let unit = all.first().map(|(_, _, first)| first.spec.unit.clone());
        for (from, to, mut one) in all {
            if Some(&one.spec.unit) != unit.as_ref() {
                let why = format!(
                    "it hashes by another attribute than others of the namespace `{namespace}`: a layer has one unit"
                );
                imported.leave_out(&one.name, why);
                continue;
            }
            if from < next {
                imported.leave_out(
                    &one.name,
                    format!("its range of the namespace `{namespace}` overlaps with another's"),
                );
                continue;
            }
            if from > next {
                filler(imported, (&layer, &spec), (next, from), &one.spec);
            }
            one.spec.layer.clone_from(&layer);
            one.spec.traffic = to.saturating_sub(from);
            take(imported, layer.clone(), spec.clone(), one);
            next = to;
        }
    }
}

fn take(imported: &mut Imported, layer: String, spec: LayerSpec, one: Placed) {
    if let Err(why) = imported.take(&one.key, (layer, spec), one.spec) {
        imported.leave_out(&one.name, why);
    }
}

/// Holds the buckets between two experiments; it stays a draft.
fn filler(
    imported: &mut Imported,
    (layer, spec): (&str, &LayerSpec),
    (from, to): (u64, u64),
    like: &ExperimentSpec,
) {
    let key = key_of(&format!("{layer}-free-{from}"));
    let mapping = super::Mapping {
        services: like.services.clone(),
        unit_type: like.unit.kind.clone(),
        owner: like.owner.clone(),
        ..super::Mapping::default()
    };
    let mut free = experiment(&mapping, layer, like.unit.sources.clone());
    free.traffic = to.saturating_sub(from);
    free.variants = vec![variant("nobody".to_owned(), 10_000, None)];
    free.disabled = Some(true);
    let what = format!(
        "Holds buckets {from} to {} of the namespace, which nobody has.",
        to.saturating_sub(1)
    );
    free.description = Some(what);
    imported.note(
        &key,
        "it holds what is free between two experiments of a namespace: leave it a draft",
    );
    if let Err(why) = imported.take(&key, (layer.to_owned(), spec.clone()), free) {
        imported.leave_out(&key, why);
    }
}
