//! Experiments: each one's own fields. What concerns several at once is in [`scope`](super::scope)
//! and [`requirement`](super::requirement).

use super::fault::{At, CompileError, EntryKind, Fault};
use super::layer::LayerIds;
use super::path::Path;
use super::tables::{Map, Tables, Uses};
use super::wire::Spec as Source;
use super::{Compiled, attribute, dangling, limits, rule, small, strategy, text, variant};
use crate::audience::Rule;
use crate::bucketer::Bucketer;
use crate::experiment::{Experiment, Share, Stickiness, Window};
use crate::pin::fingerprint_salt;
use crate::plan::{Layer, UnitId};
use crate::ranges::Ranges;
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
    /// The units and audiences that may be met again, by their numbers.
    pub(super) who: Vec<Option<Who>>,
    /// Room for a salt.
    pub(super) salt: String,
    /// The global kill switch.
    pub(super) is_off: bool,
    /// Whether there are keys to sign cookies with.
    pub(super) has_keys: bool,
}

/// Who is in an experiment.
#[derive(Clone)]
pub(super) struct Who {
    unit: UnitId,
    audience: Option<Rule>,
    uses: Uses,
}

impl<'c> Builder<'_, 'c> {
    pub(super) fn experiments(
        &mut self,
        sources: &[Source<'c>],
    ) -> Result<Vec<Compiled<'c>>, CompileError> {
        let mut keys: Map<&str, ()> = Map::default();
        keys.reserve(sources.len());
        let mut compiled = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            let key = &source.rest.key;
            let at = At::new(EntryKind::Experiment, index, key);
            if keys.insert(key, ()).is_some() {
                return Err(at.fault("key", Fault::Duplicate));
            }
            compiled.push(self.experiment(at, *source)?);
        }
        Ok(compiled)
    }

    fn experiment(&mut self, at: At<'c>, source: Source<'c>) -> Result<Compiled<'c>, CompileError> {
        let spec = source.rest;
        names(at, source)?;
        let layer_id = self.layer_ids.get(spec.layer.as_str()).copied();
        let layer_id = layer_id.ok_or_else(|| at.fault("layer", dangling(&spec.layer)))?;
        let layer = self.layers.get(layer_id.0 as usize);
        let layer_buckets = layer.map_or(0, |layer| layer.bucketer.buckets());
        self.tables.take_uses();
        let Who {
            unit,
            audience,
            uses,
        } = self.who(at, source)?;
        self.tables.note(uses);
        let allocation = Ranges::from_proto(&spec.allocation).map_err(Fault::from);
        let allocation = allocation
            .and_then(|ranges| variant::within(&ranges, layer_buckets).map(|()| ranges))
            .map_err(|fault| at.fault("allocation", fault))?;
        let routes = spec.variants.iter().any(|one| !one.cluster.is_empty());
        let services = self.services(at, &source.who.services, spec.elsewhere, routes)?;
        let bucketer = self.bucketer(at, spec)?;
        let variants = variant::variants(at, &spec.variants, routes, &mut self.variants)?;
        let fallback = variants.iter().position(|one| *one.key == *spec.fallback);
        let fallback = fallback.ok_or_else(|| at.fault("fallback", dangling(&spec.fallback)))?;
        let shares = variant::shares(at, &spec.variants, bucketer.buckets())?;
        let experiment = Experiment {
            near: Share::near(&shares),
            key: spec.key.as_str().into(),
            layer: layer_id,
            unit_type: self.tables.unit_type(&source.who.unit_type),
            unit,
            services,
            window: window(spec).map_err(|fault| at.fault("end_ms", fault))?,
            allocation,
            audience,
            audience_number: u32::MAX,
            checks: u32::MAX,
            requires: Box::default(),
            shares,
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

    fn who(&mut self, at: At<'_>, source: Source<'c>) -> Result<Who, CompileError> {
        let known = source
            .number
            .and_then(|number| self.who.get(number)?.clone());
        if let Some(who) = known {
            if let Some(rule) = &who.audience {
                self.tables.share(rule);
            }
            return Ok(who);
        }
        let unit = self.unit(at, &source.who.unit_sources)?;
        let audience = match &source.who.audience {
            None => None,
            Some(rule) => Some(rule::rule(self.tables, at, &Path::new("audience"), rule)?),
        };
        let uses = self.tables.take_uses();
        let who = Who {
            unit,
            audience,
            uses,
        };
        if let Some(number) = source.number {
            if self.who.len() <= number {
                self.who.resize(number.saturating_add(1), None);
            }
            if let Some(place) = self.who.get_mut(number) {
                *place = Some(who.clone());
            }
        }
        Ok(who)
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

    /// Our hash has the key in its salt, so that experiments are independent whatever their salts; a
    /// foreign one has the salt that the other system had.
    fn bucketer(&mut self, at: At<'_>, spec: &Spec) -> Result<Bucketer, CompileError> {
        let hash = hash(spec.hash).map_err(|fault| at.fault("hash", fault))?;
        let salt = match hash {
            Hash::Unspecified | Hash::Murmur3V1 => {
                self.salt.clear();
                for part in [&spec.key, ":", &spec.salt] {
                    self.salt.push_str(part);
                }
                &self.salt
            }
            _ if spec.salt.is_empty() => &spec.key,
            _ => &spec.salt,
        };
        hashed(hash, salt, spec.buckets).map_err(|fault| at.fault("buckets", fault))
    }

    /// The places of the services that the experiment names, `None` for all, nothing for one that is
    /// elsewhere.
    fn services(
        &self,
        at: At<'_>,
        named: &[String],
        elsewhere: bool,
        routes: bool,
    ) -> Result<Option<Box<[u32]>>, CompileError> {
        let list = Path::new("services");
        if elsewhere {
            return if named.is_empty() {
                Ok(Some(Box::default()))
            } else {
                Err(at.fault(list, Fault::Elsewhere))
            };
        }
        if named.is_empty() {
            return if routes {
                Err(at.fault(list, Fault::RoutesUnnamed))
            } else {
                Ok(None)
            };
        }
        text::count(named.len(), limits::NAMED_SERVICES).map_err(|f| at.fault(list, f))?;
        let mut places = Vec::with_capacity(named.len());
        for (index, key) in named.iter().enumerate() {
            let Some(&place) = self.services.get(key.as_str()) else {
                return Err(at.fault(list.index(index), dangling(key)));
            };
            places.push(super::number(place));
        }
        places.sort_unstable();
        if !places.is_sorted_by(|left, right| left < right) {
            let twice = (1..named.len()).find(|at| {
                let (before, behind) = named.split_at_checked(*at).unwrap_or_default();
                behind.first().is_some_and(|key| before.contains(key))
            });
            return Err(at.fault(list.index(twice.unwrap_or_default()), Fault::Duplicate));
        }
        Ok(Some(places.into()))
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

fn names(at: At<'_>, source: Source<'_>) -> Result<(), CompileError> {
    let (spec, unit_type) = (source.rest, &source.who.unit_type);
    text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
    text::printable(&spec.salt, limits::TEXT_BYTES).map_err(|f| at.fault("salt", f))?;
    text::printable(unit_type, limits::TEXT_BYTES).map_err(|f| at.fault("unit_type", f))
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
