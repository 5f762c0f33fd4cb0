//! Experiments: each one's own fields. What concerns several at once is in [`scope`](super::scope)
//! and [`requirement`](super::requirement).

use super::fault::{At, CompileError, EntryKind, Fault};
use super::layer::LayerIds;
use super::path::Path;
use super::tables::{Map, Tables};
use super::{Compiled, attribute, dangling, limits, rule, small, strategy, text, variant};
use crate::bucketer::Bucketer;
use crate::experiment::{Experiment, Stickiness, Window};
use crate::pin::fingerprint_salt;
use crate::plan::{Layer, UnitId};
use crate::ranges::Ranges;
use std::collections::BTreeSet;
use watershed_proto::filter::v1::{Attribute as AttributeSpec, Experiment as Spec, Hash, Mode};

/// 30 days.
const STICKY_SECONDS: u32 = 30 * 24 * 60 * 60;

pub(super) struct Builder<'b, 'c> {
    pub(super) layers: &'b [Layer],
    pub(super) layer_ids: &'b LayerIds<'c>,
    pub(super) services: &'b Map<&'c str, usize>,
    pub(super) tables: &'b mut Tables<'c>,
    /// How many variants there were so far, over all experiments.
    pub(super) variants: u32,
    /// The global kill switch.
    pub(super) is_off: bool,
    /// Whether there are keys to sign cookies with.
    pub(super) has_keys: bool,
}

impl<'c> Builder<'_, 'c> {
    pub(super) fn experiments(
        &mut self,
        specs: &'c [Spec],
    ) -> Result<Vec<Compiled<'c>>, CompileError> {
        let mut keys: Map<&str, ()> = Map::default();
        let mut compiled = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let at = At::new(EntryKind::Experiment, index, &spec.key);
            if keys.insert(&spec.key, ()).is_some() {
                return Err(at.fault("key", Fault::Duplicate));
            }
            compiled.push(self.experiment(at, spec)?);
        }
        Ok(compiled)
    }

    fn experiment(&mut self, at: At<'c>, spec: &'c Spec) -> Result<Compiled<'c>, CompileError> {
        names(at, spec)?;
        let layer_id = self.layer_ids.get(spec.layer.as_str()).copied();
        let layer_id = layer_id.ok_or_else(|| at.fault("layer", dangling(&spec.layer)))?;
        let layer = self.layers.get(layer_id.0 as usize);
        let layer_buckets = layer.map_or(0, |layer| layer.bucketer.buckets());
        self.tables.take_uses();
        let unit = self.unit(at, &spec.unit_sources)?;
        let audience = match &spec.audience {
            None => None,
            Some(rule) => Some(rule::rule(self.tables, at, &Path::new("audience"), rule)?),
        };
        let allocation = Ranges::from_proto(&spec.allocation).map_err(Fault::from);
        let allocation = allocation
            .and_then(|ranges| variant::within(&ranges, layer_buckets).map(|()| ranges))
            .map_err(|fault| at.fault("allocation", fault))?;
        let routes = spec.variants.iter().any(|one| !one.cluster.is_empty());
        let services = self.services(at, spec, routes)?;
        let bucketer = bucketer(at, spec)?;
        let variants = variant::variants(at, &spec.variants, routes, &mut self.variants)?;
        let fallback = variants.iter().position(|one| *one.key == *spec.fallback);
        let fallback = fallback.ok_or_else(|| at.fault("fallback", dangling(&spec.fallback)))?;
        let experiment = Experiment {
            key: spec.key.as_str().into(),
            layer: layer_id,
            unit_type: self.tables.unit_type(&spec.unit_type),
            unit,
            services,
            window: window(spec).map_err(|fault| at.fault("end_ms", fault))?,
            allocation,
            audience,
            requires: Box::default(),
            shares: variant::shares(at, &spec.variants, bucketer.buckets())?,
            strategy: strategy::compile(self.tables, at, spec)?,
            stickiness: self.stickiness(at, spec)?,
            bucketer,
            variants,
            fallback: small(fallback),
            rolled_back: rolled_back(spec.mode).map_err(|fault| at.fault("mode", fault))?,
            is_off: self.is_off || spec.disabled,
            is_plain: false,
        };
        Ok(Compiled {
            at,
            spec,
            uses: self.tables.take_uses(),
            draws_in: Vec::new(),
            experiment,
        })
    }

    fn unit(&mut self, at: At<'_>, sources: &'c [AttributeSpec]) -> Result<UnitId, CompileError> {
        let list = Path::new("unit_sources");
        if sources.is_empty() {
            return Err(at.fault(list, Fault::Missing));
        }
        text::count(sources.len(), limits::UNIT_SOURCES).map_err(|f| at.fault(list, f))?;
        let mut ids = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            ids.push(self.tables.attribute(at, &list.index(index), source)?);
        }
        Ok(self.tables.unit(ids))
    }

    /// The places of the services that the experiment names, `None` for all, nothing for one that is
    /// elsewhere.
    fn services(
        &self,
        at: At<'_>,
        spec: &Spec,
        routes: bool,
    ) -> Result<Option<Box<[u32]>>, CompileError> {
        let list = Path::new("services");
        if spec.elsewhere {
            return if spec.services.is_empty() {
                Ok(Some(Box::default()))
            } else {
                Err(at.fault(list, Fault::Elsewhere))
            };
        }
        if spec.services.is_empty() {
            return if routes {
                Err(at.fault(list, Fault::RoutesUnnamed))
            } else {
                Ok(None)
            };
        }
        text::count(spec.services.len(), limits::NAMED_SERVICES).map_err(|f| at.fault(list, f))?;
        let mut places = BTreeSet::new();
        for (index, key) in spec.services.iter().enumerate() {
            let field = list.index(index);
            let Some(&place) = self.services.get(key.as_str()) else {
                return Err(at.fault(field, dangling(key)));
            };
            if !places.insert(super::number(place)) {
                return Err(at.fault(field, Fault::Duplicate));
            }
        }
        Ok(Some(places.into_iter().collect()))
    }

    fn stickiness(
        &self,
        at: At<'_>,
        experiment: &Spec,
    ) -> Result<Option<Box<Stickiness>>, CompileError> {
        let Some(spec) = &experiment.sticky else {
            return Ok(None);
        };
        let field = Path::new("sticky");
        if !self.has_keys {
            return Err(at.fault(field, Fault::NeedsKeys));
        }
        text::token(&spec.cookie).map_err(|fault| at.fault(field.field("cookie"), fault))?;
        let max_age_seconds = attribute::seconds(spec.max_age_seconds, STICKY_SECONDS)
            .map_err(|fault| at.fault(field.field("max_age_seconds"), fault))?;
        Ok(Some(Box::new(Stickiness {
            cookie: spec.cookie.as_str().into(),
            max_age_seconds,
            salt: fingerprint_salt(&experiment.key, &experiment.salt),
        })))
    }
}

fn names(at: At<'_>, spec: &Spec) -> Result<(), CompileError> {
    text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
    text::printable(&spec.salt, limits::TEXT_BYTES).map_err(|f| at.fault("salt", f))?;
    text::printable(&spec.unit_type, limits::TEXT_BYTES).map_err(|f| at.fault("unit_type", f))
}

/// Our hash has the key in its salt, so that experiments are independent whatever their salts; a
/// foreign one has the salt that the other system had.
fn bucketer(at: At<'_>, spec: &Spec) -> Result<Bucketer, CompileError> {
    let hash = hash(spec.hash).map_err(|fault| at.fault("hash", fault))?;
    let ours = format!("{}:{}", spec.key, spec.salt);
    let salt = match hash {
        Hash::Unspecified | Hash::Murmur3V1 => &ours,
        _ if spec.salt.is_empty() => &spec.key,
        _ => &spec.salt,
    };
    hashed(hash, salt, spec.buckets).map_err(|fault| at.fault("buckets", fault))
}

pub(super) fn hash(number: i32) -> Result<Hash, Fault> {
    Hash::try_from(number).map_err(|_| Fault::UnknownValue { value: number })
}

pub(super) fn hashed(hash: Hash, salt: &str, buckets: u32) -> Result<Bucketer, Fault> {
    u16::try_from(buckets)
        .ok()
        .and_then(|buckets| Bucketer::with_hash(hash, salt, buckets))
        .ok_or(Fault::Buckets { buckets })
}

fn window(spec: &Spec) -> Result<Option<Box<Window>>, Fault> {
    if spec.end_ms != 0 && spec.start_ms >= spec.end_ms {
        return Err(Fault::Window);
    }
    let is_bounded = spec.start_ms != 0 || spec.end_ms != 0;
    Ok(is_bounded.then(|| {
        Box::new(Window {
            start: Some(spec.start_ms).filter(|start| *start != 0),
            end: Some(spec.end_ms).filter(|end| *end != 0),
        })
    }))
}

fn rolled_back(mode: i32) -> Result<bool, Fault> {
    match Mode::try_from(mode) {
        Ok(Mode::Unspecified | Mode::Run) => Ok(false),
        Ok(Mode::Fallback) => Ok(true),
        Err(_) => Err(Fault::UnknownValue { value: mode }),
    }
}
