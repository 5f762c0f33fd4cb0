//! From wire to plan. What lives here: every check a configuration must pass, and the building of
//! the [`Plan`]. What does not: evaluation. Nothing behind this door checks again.
//!
//! A fault names the entry and the field; the first one ends the compilation, because a
//! configuration is taken whole or not at all.

mod audience;
mod experiment;
mod fault;
pub mod limits;
mod scope;
mod service;
mod text;
mod unsupported;

pub use fault::{CompileError, Entry, EntryKind, Fault};

use crate::attribute::{Attribute, AttributeId};
use crate::hash::Bucketer;
use crate::plan::{Experiment, Layer, LayerId, Plan};
use fault::At;
use std::collections::BTreeMap;
use watershed_proto::CONFIG_SCHEMA;
use watershed_proto::filter::v1::{FilterConfig, Hash, Layer as LayerSpec};

/// An experiment and what of it is needed only until the scopes are built.
struct Compiled<'a> {
    at: At<'a>,
    experiment: Experiment,
    unit: Box<[AttributeId]>,
    /// Places of the services it names; `None` for all.
    services: Option<Vec<usize>>,
    routes: bool,
}

pub(crate) fn plan(config: &FilterConfig) -> Result<Plan, CompileError> {
    envelope(config)?;
    unsupported::refuse(config)?;
    let mut services = service::services(&config.services)?;
    let (layers, layer_ids) = layers(&config.layers)?;
    let service_ids: BTreeMap<&str, usize> = config
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| (service.key.as_str(), index))
        .collect();

    let mut attributes = Attributes::default();
    let mut builder = experiment::Builder {
        layers: &layer_ids,
        services: &service_ids,
        attributes: &mut attributes,
        variants: 0,
    };
    let compiled = builder.experiments(&config.experiments)?;
    scope::disjoint(&compiled, &layers)?;
    scope::attach(&mut services, &compiled, &layers)?;
    Ok(Plan {
        version: config.version.as_str().into(),
        attributes: attributes.list.into(),
        services: services.into(),
        layers: layers.into(),
        experiments: compiled.into_iter().map(|one| one.experiment).collect(),
    })
}

/// What concerns the configuration as a whole.
fn envelope(config: &FilterConfig) -> Result<(), CompileError> {
    let at = At::config();
    if config.schema > CONFIG_SCHEMA {
        let fault = Fault::Schema {
            found: config.schema,
        };
        return Err(at.fault("schema", fault));
    }
    text::printable(&config.version, limits::TEXT_BYTES).map_err(|f| at.fault("version", f))?;
    let counts = [
        ("services", config.services.len(), limits::SERVICES),
        ("layers", config.layers.len(), limits::LAYERS),
        ("experiments", config.experiments.len(), limits::EXPERIMENTS),
    ];
    for (field, count, limit) in counts {
        text::count(count, limit).map_err(|fault| at.fault(field, fault))?;
    }
    Ok(())
}

type LayerIds<'a> = BTreeMap<&'a str, LayerId>;

fn layers(specs: &[LayerSpec]) -> Result<(Vec<Layer>, LayerIds<'_>), CompileError> {
    let mut ids = LayerIds::new();
    let mut layers = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let at = At::new(EntryKind::Layer, index, &spec.key);
        text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
        text::printable(&spec.salt, limits::TEXT_BYTES).map_err(|f| at.fault("salt", f))?;
        match Hash::try_from(spec.hash) {
            Ok(Hash::Unspecified | Hash::Murmur3V1) => {}
            Ok(_) => return Err(at.fault("hash", unsupported::unsupported("a foreign hash"))),
            Err(_) => return Err(at.fault("hash", Fault::UnknownValue { value: spec.hash })),
        }
        let id = LayerId(number(index));
        if ids.insert(&spec.key, id).is_some() {
            return Err(at.fault("key", Fault::Duplicate));
        }
        let salt = if spec.salt.is_empty() {
            &spec.key
        } else {
            &spec.salt
        };
        layers.push(Layer {
            key: spec.key.as_str().into(),
            bucketer: Bucketer::new(salt),
        });
    }
    Ok((layers, ids))
}

/// The table of distinct attributes, as it grows.
#[derive(Default)]
struct Attributes {
    list: Vec<Attribute>,
    ids: BTreeMap<Attribute, AttributeId>,
}

impl Attributes {
    fn id(&mut self, attribute: Attribute) -> AttributeId {
        if let Some(id) = self.ids.get(&attribute) {
            return *id;
        }
        let id = AttributeId(number(self.list.len()));
        self.list.push(attribute.clone());
        self.ids.insert(attribute, id);
        id
    }
}

/// A place in a table. The limits keep every table far below `u32::MAX`.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
