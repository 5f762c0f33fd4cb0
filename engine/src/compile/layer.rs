//! Layers and the holdouts that cover them.

use super::fault::{At, CompileError, EntryKind, Fault};
use super::tables::Map;
use super::variant::within;
use super::{dangling, experiment, limits, number, text};
use crate::bucketer::Bucketer;
use crate::plan::{Holdout, Layer, LayerId};
use crate::ranges::{BUCKETS, Ranges};
use std::collections::BTreeSet;
use watershed_proto::filter::v1::{Holdout as HoldoutSpec, Layer as LayerSpec};

pub(super) type LayerIds<'c> = Map<&'c str, LayerId>;

pub(super) fn layers(specs: &[LayerSpec]) -> Result<(Vec<Layer>, LayerIds<'_>), CompileError> {
    let mut ids = LayerIds::default();
    let mut layers = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let at = At::new(EntryKind::Layer, index, &spec.key);
        text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
        if ids.insert(&spec.key, LayerId(number(index))).is_some() {
            return Err(at.fault("key", Fault::Duplicate));
        }
        let salt = salt(at, &spec.key, &spec.salt)?;
        let hash = experiment::hash(spec.hash).map_err(|fault| at.fault("hash", fault))?;
        let bucketer = experiment::hashed(hash, salt, spec.buckets);
        layers.push(Layer {
            key: spec.key.as_str().into(),
            bucketer: bucketer.map_err(|fault| at.fault("buckets", fault))?,
            holdouts: Box::default(),
        });
    }
    Ok((layers, ids))
}

fn salt<'c>(at: At<'_>, key: &'c str, salt: &'c str) -> Result<&'c str, CompileError> {
    text::printable(salt, limits::TEXT_BYTES).map_err(|fault| at.fault("salt", fault))?;
    Ok(if salt.is_empty() { key } else { salt })
}

/// The holdouts, and their places in the layers that they cover.
pub(super) fn holdouts(
    specs: &[HoldoutSpec],
    layers: &mut [Layer],
    ids: &LayerIds<'_>,
) -> Result<Vec<Holdout>, CompileError> {
    let mut keys = BTreeSet::new();
    let mut holdouts = Vec::with_capacity(specs.len());
    let mut covering: Vec<Vec<u32>> = layers.iter().map(|_| Vec::new()).collect();
    for (index, spec) in specs.iter().enumerate() {
        let at = At::new(EntryKind::Holdout, index, &spec.key);
        text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
        if !keys.insert(&spec.key) {
            return Err(at.fault("key", Fault::Duplicate));
        }
        if spec.layer.is_empty() {
            covering
                .iter_mut()
                .for_each(|list| list.push(number(index)));
        } else {
            let id = ids.get(spec.layer.as_str());
            let list = id.and_then(|id| covering.get_mut(id.0 as usize));
            list.ok_or_else(|| at.fault("layer", dangling(&spec.layer)))?
                .push(number(index));
        }
        let buckets = Ranges::from_proto(&spec.buckets).map_err(Fault::from);
        let buckets = buckets.and_then(|set| within(&set, BUCKETS).map(|()| set));
        holdouts.push(Holdout {
            key: spec.key.as_str().into(),
            bucketer: Bucketer::new(salt(at, &spec.key, &spec.salt)?),
            buckets: buckets.map_err(|fault| at.fault("buckets", fault))?,
        });
    }
    for (layer, list) in layers.iter_mut().zip(covering) {
        layer.holdouts = list.into();
    }
    Ok(holdouts)
}
