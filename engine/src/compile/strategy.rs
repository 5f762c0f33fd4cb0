//! Strategies: models whose every number is checked, so that scoring need not.

use super::condition::readable_attribute;
use super::fault::{At, CompileError, Fault};
use super::path::Path;
use super::tables::Tables;
use super::{dangling, limits, text};
use crate::bucketer::Bucketer;
use crate::strategy::{Contextual, Feature, LinearModel, MAX_FEATURES, Strategy};
use watershed_proto::filter::v1::{
    Contextual as Spec, Experiment, Feature as FeatureSpec, LinearModel as ModelSpec,
    feature::Encoding, strategy::Strategy as Kind,
};

pub(super) fn compile<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    spec: &'c Experiment,
) -> Result<Strategy, CompileError> {
    let field = Path::new("strategy");
    let Some(strategy) = &spec.strategy else {
        return Ok(Strategy::Deterministic);
    };
    let kind = strategy.strategy.as_ref();
    match kind.ok_or_else(|| at.fault(field, Fault::Missing))? {
        Kind::Deterministic(_) => Ok(Strategy::Deterministic),
        Kind::Random(_) => Ok(Strategy::Random),
        Kind::Contextual(model) => {
            let field = field.field("contextual");
            let contextual = contextual(tables, at, &field, model, spec)?;
            Ok(Strategy::Contextual(Box::new(contextual)))
        }
    }
}

fn contextual<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c Spec,
    experiment: &'c Experiment,
) -> Result<Contextual, CompileError> {
    let list = field.field("features");
    if spec.features.is_empty() {
        return Err(at.fault(list, Fault::Missing));
    }
    text::count(spec.features.len(), MAX_FEATURES).map_err(|fault| at.fault(list, fault))?;
    let mut features = Vec::with_capacity(spec.features.len());
    for (index, one) in spec.features.iter().enumerate() {
        features.push(feature(tables, at, &list.index(index), one)?);
    }
    number(
        spec.alpha,
        spec.alpha >= 0.0,
        "a finite number, not negative,",
    )
    .map_err(|fault| at.fault(field.field("alpha"), fault))?;
    let is_share = (0.0..=1.0).contains(&spec.exploration);
    number(spec.exploration, is_share, "a share from 0 to 1")
        .map_err(|fault| at.fault(field.field("exploration"), fault))?;
    Ok(Contextual {
        features: features.into(),
        alpha: spec.alpha,
        exploration: spec.exploration,
        explorer: Bucketer::new(&format!("{}:{}:explore", experiment.key, experiment.salt)),
        models: models(at, &field.field("models"), spec, experiment)?,
    })
}

fn feature<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    field: &Path<'_>,
    spec: &'c FeatureSpec,
) -> Result<Feature, CompileError> {
    let attribute = match &spec.attribute {
        None => None,
        Some(source) => {
            let place = field.field("attribute");
            Some(readable_attribute(tables, at, &place, source)?)
        }
    };
    match (attribute, &spec.encoding) {
        (None, None) => Ok(Feature::Constant(1.0)),
        (None, Some(_)) => Err(at.fault(field.field("attribute"), Fault::Missing)),
        (Some(_), None) => Err(at.fault(field, Fault::Missing)),
        (Some(attribute), Some(Encoding::OneHot(value))) => {
            text::length(value, limits::VALUE_BYTES).map_err(|fault| at.fault(field, fault))?;
            Ok(Feature::OneHot {
                attribute,
                value: value.as_bytes().into(),
            })
        }
        (Some(attribute), Some(Encoding::Numeric(numeric))) => {
            finite(numeric.offset).map_err(|f| at.fault(field.field("numeric.offset"), f))?;
            finite(numeric.scale).map_err(|f| at.fault(field.field("numeric.scale"), f))?;
            let scale = if numeric.scale == 0.0 {
                1.0
            } else {
                numeric.scale
            };
            Ok(Feature::Numeric {
                attribute,
                offset: numeric.offset,
                scale,
            })
        }
    }
}

/// The models in the order of the variants, one for each.
fn models(
    at: At<'_>,
    list: &Path<'_>,
    spec: &Spec,
    experiment: &Experiment,
) -> Result<Box<[LinearModel]>, CompileError> {
    let features = spec.features.len();
    let mut found: Vec<Option<LinearModel>> = experiment.variants.iter().map(|_| None).collect();
    for (index, model) in spec.models.iter().enumerate() {
        let field = list.index(index);
        let mut variants = experiment.variants.iter();
        let place = variants.position(|variant| variant.key == model.variant);
        let slot = place.and_then(|place| found.get_mut(place));
        let named = field.field("variant");
        let slot = slot.ok_or_else(|| at.fault(named, dangling(&model.variant)))?;
        if slot.is_some() {
            return Err(at.fault(named, Fault::Duplicate));
        }
        *slot = Some(linear(at, &field, model, features)?);
    }
    let (expected, count) = (found.len(), spec.models.len());
    let models: Option<Box<[LinearModel]>> = found.into_iter().collect();
    models.ok_or_else(|| at.fault(list, Fault::Count { count, expected }))
}

fn linear(
    at: At<'_>,
    field: &Path<'_>,
    spec: &ModelSpec,
    features: usize,
) -> Result<LinearModel, CompileError> {
    let checked = |name: &str, values: &[f64], expected: usize| {
        let place = field.field(name);
        if values.len() != expected {
            let count = values.len();
            return Err(at.fault(place, Fault::Count { count, expected }));
        }
        for value in values {
            finite(*value).map_err(|fault| at.fault(place, fault))?;
        }
        Ok(values.into())
    };
    Ok(LinearModel {
        theta: checked("theta", &spec.theta, features)?,
        a_inverse: checked(
            "a_inverse",
            &spec.a_inverse,
            features.saturating_mul(features),
        )?,
    })
}

fn finite(value: f64) -> Result<(), Fault> {
    number(value, true, "a finite number")
}

fn number(value: f64, is_legal: bool, expected: &'static str) -> Result<(), Fault> {
    if value.is_finite() && is_legal {
        return Ok(());
    }
    Err(Fault::Number { value, expected })
}
