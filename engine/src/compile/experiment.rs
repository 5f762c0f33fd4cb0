//! Experiments: each one's own fields. What concerns several at once is in [`scope`](super::scope).

use super::fault::{At, CompileError, EntryKind, Fault, readable};
use super::{Attributes, Compiled, LayerIds, audience, limits, text};
use crate::attribute::AttributeId;
use crate::hash::Bucketer;
use crate::plan::{Experiment, Share, Variant, Window};
use crate::ranges::Ranges;
use std::collections::{BTreeMap, BTreeSet};
use watershed_proto::filter::v1::{Experiment as ExperimentSpec, Mode, Variant as VariantSpec};

pub(super) struct Builder<'a, 'b> {
    pub(super) layers: &'b LayerIds<'a>,
    pub(super) services: &'b BTreeMap<&'a str, usize>,
    pub(super) attributes: &'b mut Attributes,
    /// How many variants there were so far, over all experiments.
    pub(super) variants: u32,
}

impl Builder<'_, '_> {
    pub(super) fn experiments<'s>(
        &mut self,
        specs: &'s [ExperimentSpec],
    ) -> Result<Vec<Compiled<'s>>, CompileError> {
        let mut keys = BTreeSet::new();
        let mut compiled = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let at = At::new(EntryKind::Experiment, index, &spec.key);
            if !keys.insert(&spec.key) {
                return Err(at.fault("key", Fault::Duplicate));
            }
            compiled.push(self.experiment(at, spec)?);
        }
        Ok(compiled)
    }

    fn experiment<'s>(
        &mut self,
        at: At<'s>,
        spec: &ExperimentSpec,
    ) -> Result<Compiled<'s>, CompileError> {
        text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
        text::printable(&spec.salt, limits::TEXT_BYTES).map_err(|f| at.fault("salt", f))?;
        text::printable(&spec.unit_type, limits::TEXT_BYTES)
            .map_err(|fault| at.fault("unit_type", fault))?;
        let layer = self.layers.get(spec.layer.as_str()).copied();
        let layer = layer.ok_or_else(|| at.fault("layer", dangling(&spec.layer)))?;
        let unit = self.unit(at, spec)?;
        let audience = match &spec.audience {
            None => None,
            Some(rule) => Some(audience::rule(at, "audience", rule, self.attributes)?),
        };
        let allocation = Ranges::from_proto(&spec.allocation)
            .map_err(|fault| at.fault("allocation", fault.into()))?;
        let routes = spec.variants.iter().any(|one| !one.cluster.is_empty());
        let services = self.services(at, spec, routes)?;
        let variants = self.variants(at, spec, routes)?;
        let fallback = variants.iter().position(|one| *one.key == *spec.fallback);
        let fallback = fallback.ok_or_else(|| at.fault("fallback", dangling(&spec.fallback)))?;
        Ok(Compiled {
            at,
            unit,
            services,
            routes,
            experiment: Experiment {
                key: spec.key.as_str().into(),
                layer,
                unit_type: spec.unit_type.as_str().into(),
                window: window(spec).map_err(|fault| at.fault("end_ms", fault))?,
                allocation,
                audience,
                bucketer: Bucketer::new(&format!("{}:{}", spec.key, spec.salt)),
                variants,
                shares: shares(at, &spec.variants)?,
                fallback: small(fallback),
                rolled_back: rolled_back(spec.mode).map_err(|fault| at.fault("mode", fault))?,
            },
        })
    }

    fn unit(
        &mut self,
        at: At<'_>,
        spec: &ExperimentSpec,
    ) -> Result<Box<[AttributeId]>, CompileError> {
        let sources = &spec.unit_sources;
        if sources.is_empty() {
            return Err(at.fault("unit_sources", Fault::Missing));
        }
        text::count(sources.len(), limits::UNIT_SOURCES)
            .map_err(|fault| at.fault("unit_sources", fault))?;
        sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                let field = format!("unit_sources[{index}]");
                audience::attribute(at, &field, source, self.attributes)
            })
            .collect()
    }

    /// The places of the services that the experiment names, `None` for all.
    fn services(
        &self,
        at: At<'_>,
        spec: &ExperimentSpec,
        routes: bool,
    ) -> Result<Option<Vec<usize>>, CompileError> {
        if spec.services.is_empty() {
            return if routes {
                Err(at.fault("services", Fault::RoutesUnnamed))
            } else {
                Ok(None)
            };
        }
        text::count(spec.services.len(), limits::NAMED_SERVICES)
            .map_err(|fault| at.fault("services", fault))?;
        let mut places = Vec::with_capacity(spec.services.len());
        for (index, key) in spec.services.iter().enumerate() {
            let field = format_args!("services[{index}]");
            let Some(&place) = self.services.get(key.as_str()) else {
                return Err(at.fault(field, dangling(key)));
            };
            if places.contains(&place) {
                return Err(at.fault(field, Fault::Duplicate));
            }
            places.push(place);
        }
        Ok(Some(places))
    }

    fn variants(
        &mut self,
        at: At<'_>,
        spec: &ExperimentSpec,
        routes: bool,
    ) -> Result<Box<[Variant]>, CompileError> {
        if spec.variants.is_empty() {
            return Err(at.fault("variants", Fault::Missing));
        }
        text::count(spec.variants.len(), limits::VARIANTS)
            .map_err(|fault| at.fault("variants", fault))?;
        let mut keys = BTreeSet::new();
        let mut variants = Vec::with_capacity(spec.variants.len());
        for (index, variant) in spec.variants.iter().enumerate() {
            variant_names(at, index, variant, routes)?;
            if !keys.insert(&variant.key) {
                return Err(at.fault(format_args!("variants[{index}].key"), Fault::Duplicate));
            }
            variants.push(Variant {
                key: variant.key.as_str().into(),
                cluster: routes.then(|| variant.cluster.as_str().into()),
                ordinal: self.variants,
            });
            self.variants = self.variants.saturating_add(1);
        }
        Ok(variants.into())
    }
}

fn variant_names(
    at: At<'_>,
    index: usize,
    variant: &VariantSpec,
    routes: bool,
) -> Result<(), CompileError> {
    text::key(&variant.key)
        .map_err(|fault| at.fault(format_args!("variants[{index}].key"), fault))?;
    let cluster = match (routes, variant.cluster.as_str()) {
        (false, _) => Ok(()),
        (true, "") => Err(Fault::MissingCluster),
        (true, name) => text::cluster(name),
    };
    cluster.map_err(|fault| at.fault(format_args!("variants[{index}].cluster"), fault))
}

/// The variants' buckets in ascending order, each bucket owned once and none left over.
fn shares(at: At<'_>, variants: &[VariantSpec]) -> Result<Box<[Share]>, CompileError> {
    let mut owned: Vec<(&str, Ranges)> = Vec::with_capacity(variants.len());
    let mut taken = Ranges::default();
    let mut shares = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let field = format_args!("variants[{index}].ranges");
        let ranges =
            Ranges::from_proto(&variant.ranges).map_err(|fault| at.fault(field, fault.into()))?;
        if let Some(bucket) = taken.first_common(&ranges) {
            let holder = owned.iter().find(|(_, other)| other.contains(bucket));
            let fault = Fault::Overlap {
                kind: "variant",
                key: holder.map_or("", |(key, _)| key).to_owned(),
                bucket,
            };
            return Err(at.fault(field, fault));
        }
        taken = taken.union(&ranges);
        shares.extend(ranges.iter().map(|(_, end)| Share {
            end,
            variant: small(index),
        }));
        owned.push((&variant.key, ranges));
    }
    if let Some(bucket) = taken.complement().first() {
        return Err(at.fault("variants", Fault::Uncovered { bucket }));
    }
    shares.sort_unstable();
    Ok(shares.into())
}

fn window(spec: &ExperimentSpec) -> Result<Window, Fault> {
    if spec.end_ms != 0 && spec.start_ms >= spec.end_ms {
        return Err(Fault::Window);
    }
    Ok(Window {
        start: Some(spec.start_ms).filter(|start| *start != 0),
        end: Some(spec.end_ms).filter(|end| *end != 0),
    })
}

fn rolled_back(mode: i32) -> Result<bool, Fault> {
    match Mode::try_from(mode) {
        Ok(Mode::Unspecified | Mode::Run) => Ok(false),
        Ok(Mode::Fallback) => Ok(true),
        Err(_) => Err(Fault::UnknownValue { value: mode }),
    }
}

fn dangling(name: &str) -> Fault {
    if name.is_empty() {
        return Fault::Missing;
    }
    Fault::Dangling {
        value: readable(name),
    }
}

/// A place among variants; [`limits::VARIANTS`] keeps it small.
fn small(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
