//! Strategies: how a variant is chosen for an eligible unit, by hash, by chance, or by a linear
//! model over features of the request. Scoring is the engine's.

use super::attribute::{Attribute, AttributeSpec};
use super::check;
use super::fault::{Faults, segment};
use super::key::Key;
use super::unique::Unique;
use super::variant::VariantDesign;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use watershed_engine::compile::limits;

/// The most features of a contextual strategy.
pub const MAX_FEATURES: usize = 32;

/// How a variant is chosen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Strategy {
    /// By the hash of the unit.
    #[default]
    Deterministic,
    /// By chance on every request.
    Random,
    /// By a linear model.
    Contextual(Contextual),
}

/// LinUCB (Li, Chu, Langford, Schapire 2010).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contextual {
    /// What the model sees; never empty.
    pub features: Vec<Feature>,
    /// How much the model's own doubt counts.
    pub alpha: Real,
    /// The share of units, 0 to 1, that the hash decides.
    pub exploration: Real,
    /// One for each variant, in the variants' order.
    pub models: Vec<(Key, LinearModel)>,
}

/// One number of the feature vector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Feature {
    /// 1.
    Constant,
    /// (value - offset) * scale; 0 where the attribute is missing or no number.
    Numeric(Attribute, Numeric),
    /// 1 where the attribute equals the text, else 0.
    OneHot(Attribute, String),
}

/// A number of a model: finite, so that it equals itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Real(f64);

impl Eq for Real {}

impl JsonSchema for Real {
    fn schema_name() -> Cow<'static, str> {
        "Real".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "format": "double"})
    }
}

/// A strategy as it is written: `deterministic`, `random`, or an object with `contextual`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrategySpec {
    /// By the hash of the unit.
    Deterministic,
    /// By chance on every request.
    Random,
    /// By a linear model.
    Contextual(ContextualSpec),
}

/// A contextual strategy as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextualSpec {
    /// What the model sees.
    pub features: Vec<FeatureSpec>,
    /// How much the model's own doubt counts.
    pub alpha: Real,
    /// The share of units, 0 to 1, that the hash decides.
    pub exploration: Real,
    /// The model of each variant, by its key.
    pub models: Unique<LinearModel>,
}

/// A feature as it is written: `constant: true`, or an attribute with `number` or `one_hot`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureSpec {
    /// Where true: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<bool>,
    /// What is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<AttributeSpec>,
    /// The value as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Numeric>,
    /// 1 where the value is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_hot: Option<String>,
}

/// How a number is brought to the model's scale: (value - offset) * scale.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Numeric {
    /// What is taken away.
    pub offset: Real,
    /// What it is then multiplied with; not 0.
    pub scale: Real,
}

/// What a model has learnt of one variant.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearModel {
    /// A weight for each feature.
    pub theta: Vec<Real>,
    /// The inverse of A, row by row; features by features.
    pub a_inverse: Vec<Vec<Real>>,
}

impl Default for Numeric {
    fn default() -> Self {
        Self {
            offset: Real(0.0),
            scale: Real(1.0),
        }
    }
}

impl Real {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Real {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if number.is_finite() {
            Ok(Self(number))
        } else {
            Err("not a finite number, expected one")
        }
    }
}

impl From<Real> for f64 {
    fn from(real: Real) -> Self {
        real.0
    }
}

const AT: &str = "/strategy/contextual";

impl StrategySpec {
    /// Validates, noting every fault. Without variants there is nothing to hold the models against.
    pub(super) fn validate(
        &self,
        variants: Option<&[VariantDesign]>,
        faults: &mut Faults,
    ) -> Option<Strategy> {
        match self {
            Self::Deterministic => Some(Strategy::Deterministic),
            Self::Random => Some(Strategy::Random),
            Self::Contextual(spec) => spec.validate(variants, faults).map(Strategy::Contextual),
        }
    }
}

impl ContextualSpec {
    fn validate(
        &self,
        variants: Option<&[VariantDesign]>,
        faults: &mut Faults,
    ) -> Option<Contextual> {
        let features = self.features(faults);
        let alpha = within(self.alpha, 0.0, 1e6, &format!("{AT}/alpha"), faults);
        let exploration = within(
            self.exploration,
            0.0,
            1.0,
            &format!("{AT}/exploration"),
            faults,
        );
        let models = variants.and_then(|variants| self.models(variants, faults));
        Some(Contextual {
            features: features?,
            alpha: alpha?,
            exploration: exploration?,
            models: models?,
        })
    }

    fn features(&self, faults: &mut Faults) -> Option<Vec<Feature>> {
        let at = format!("{AT}/features");
        check::length(self.features.len(), &(1..=MAX_FEATURES), &at, faults)?;
        let read: Vec<Option<Feature>> = self
            .features
            .iter()
            .enumerate()
            .map(|(index, feature)| feature.validate(&format!("{at}/{index}"), faults))
            .collect();
        read.into_iter().collect()
    }

    fn models(
        &self,
        variants: &[VariantDesign],
        faults: &mut Faults,
    ) -> Option<Vec<(Key, LinearModel)>> {
        let known: Vec<&str> = variants.iter().map(|v| v.key.as_str()).collect();
        let expected = format!(
            "a model for each variant and no other: {}",
            known.join(", ")
        );
        let mut good = true;
        for name in self.models.0.keys() {
            if !known.contains(&name.as_str()) {
                let at = format!("{AT}/models/{}", segment(name));
                faults.add(at, "is not a variant", &*expected);
                good = false;
            }
        }
        let models: Vec<Option<(Key, LinearModel)>> = variants
            .iter()
            .map(|variant| {
                let at = format!("{AT}/models/{}", variant.key);
                let Some(model) = self.models.0.get(variant.key.as_str()) else {
                    faults.add(at, "is missing", &*expected);
                    return None;
                };
                model.fits(self.features.len(), &at, faults)?;
                Some((variant.key.clone(), model.clone()))
            })
            .collect();
        let models: Option<Vec<_>> = models.into_iter().collect();
        models.filter(|_| good)
    }
}

impl LinearModel {
    fn fits(&self, features: usize, at: &str, faults: &mut Faults) -> Option<()> {
        let theta = (format!("{at}/theta"), self.theta.len());
        let rows = (format!("{at}/a_inverse"), self.a_inverse.len());
        let each = self.a_inverse.iter().enumerate();
        let each = each.map(|(row, numbers)| (format!("{at}/a_inverse/{row}"), numbers.len()));
        let mut good = Some(());
        for (place, length) in [theta, rows].into_iter().chain(each) {
            if length != features {
                let message = format!("has {length} entries");
                faults.add(place, message, format!("{features}, one for each feature"));
                good = None;
            }
        }
        good
    }
}

impl FeatureSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Feature> {
        let parts = (self.constant, &self.attribute, self.number, &self.one_hot);
        match parts {
            (Some(true), None, None, None) => Some(Feature::Constant),
            (None, Some(attribute), Some(numeric), None) => {
                let attribute = attribute.validate(&format!("{at}/attribute"), faults);
                if numeric.scale.get() == 0.0 {
                    let expected = "another number; a feature times 0 is none";
                    faults.add(format!("{at}/number/scale"), "is 0", expected);
                    return None;
                }
                Some(Feature::Numeric(attribute?, numeric))
            }
            (None, Some(attribute), None, Some(value)) => {
                let attribute = attribute.validate(&format!("{at}/attribute"), faults);
                if value.is_empty() || value.len() > limits::VALUE_BYTES {
                    let expected = format!("1 to {} bytes", limits::VALUE_BYTES);
                    let message = format!("has {} bytes", value.len());
                    faults.add(format!("{at}/one_hot"), message, expected);
                    return None;
                }
                Some(Feature::OneHot(attribute?, value.clone()))
            }
            _ => {
                let expected =
                    "`constant: true`, or an `attribute` with either `number` or `one_hot`";
                faults.add(at, "is no feature", expected);
                None
            }
        }
    }
}

fn within(real: Real, low: f64, high: f64, at: &str, faults: &mut Faults) -> Option<Real> {
    if (low..=high).contains(&real.get()) {
        return Some(real);
    }
    let message = format!("{} is out of bounds", real.get());
    faults.add(at, message, format!("a number in {low}..={high}"));
    None
}

impl Strategy {
    /// As it is written: nothing where it is the usual one.
    pub(super) fn written(&self) -> Option<StrategySpec> {
        match self {
            Self::Deterministic => None,
            Self::Random => Some(StrategySpec::Random),
            Self::Contextual(contextual) => Some(StrategySpec::Contextual(contextual.into())),
        }
    }

    /// Whether both choose in the same way, whatever a model has learnt since.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl From<&Contextual> for ContextualSpec {
    fn from(contextual: &Contextual) -> Self {
        let models = contextual.models.iter();
        Self {
            features: contextual.features.iter().map(FeatureSpec::from).collect(),
            alpha: contextual.alpha,
            exploration: contextual.exploration,
            models: models
                .map(|(key, model)| (key.to_string(), model.clone()))
                .collect(),
        }
    }
}

impl From<&Feature> for FeatureSpec {
    fn from(feature: &Feature) -> Self {
        match feature {
            Feature::Constant => Self {
                constant: Some(true),
                ..Self::default()
            },
            Feature::Numeric(attribute, numeric) => Self {
                attribute: Some(attribute.into()),
                number: Some(*numeric),
                ..Self::default()
            },
            Feature::OneHot(attribute, value) => Self {
                attribute: Some(attribute.into()),
                one_hot: Some(value.clone()),
                ..Self::default()
            },
        }
    }
}
