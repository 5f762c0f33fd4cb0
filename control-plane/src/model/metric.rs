//! Metrics: what is measured of a unit, which way is better, and for how long after a unit's first
//! exposure a value counts. Which values there are is the evidence's to say, and what they mean for an
//! experiment is the statistics'.

use super::check;
use super::duration::Seconds;
use super::fault::Faults;
use super::key::Key;
use super::strategy::Real;
use super::winsorize::{Winsorize, WinsorizeSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long after a unit's first exposure a value counts, where a metric does not say.
const WINDOW: Seconds = Seconds::days(7);
/// The longest window.
const LONGEST: Seconds = Seconds::days(90);

/// A metric as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    /// What is made of the values.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// Which values: of a mean, a proportion or a quantile. The outcomes that are reported under the
    /// metric's key where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SourceSpec>,
    /// What a ratio divides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerator: Option<SourceSpec>,
    /// What a ratio divides by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<SourceSpec>,
    /// Which quantile, as `0.99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Real>,
    /// Which way is better.
    pub direction: Direction,
    /// How long after a unit's first exposure a value counts, as `12h` or `30d`; `7d` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The most that one unit counts for; what is more, counts as this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Real>,
    /// Of a mean or a ratio: between which quantiles, over the units of all variants, a unit's value is clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorize: Option<WinsorizeSpec>,
    /// The smallest effect that matters, as a share of the control's value: `0.02` is 2%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_effect: Option<Real>,
    /// What the values are measured in: `USD`, `ms`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a metric makes of the values.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricType {
    /// A unit's sum, averaged over units; a unit without a value counts as 0.
    Mean,
    /// The share of units that have a value other than 0.
    Proportion,
    /// The sum of one over the sum of another.
    Ratio,
    /// A quantile of the single values.
    Quantile,
}

/// Where values come from, as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceSpec {
    /// The outcomes that are reported under this name.
    Outcome(String),
    /// What Envoy saw of each request.
    Exposure(Seen),
}

/// What Envoy sees of a request that reached a variant.
#[derive(
    Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// 1 for each request.
    Requests,
    /// 1 for a request that failed: a status of 500 or more, or no whole answer.
    Errors,
    /// Milliseconds from the request's first byte to the answer's last.
    LatencyMs,
    /// Milliseconds from the request's first byte to the answer's first.
    TtfbMs,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

/// What a validated metric is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetricDesign {
    /// What is measured.
    pub measure: Measure,
    /// Which way is better.
    pub direction: Direction,
    /// How long after a unit's first exposure a value counts, 1 s to 90 d.
    pub window: Seconds,
    /// The most that one unit counts for in a mean, above 0.
    pub cap: Option<Real>,
    /// Between which quantiles a unit's value is clipped, of a mean or a ratio without a cap.
    pub winsorize: Option<Winsorize>,
    /// The smallest relative effect that matters, above 0 and up to 10.
    pub minimum_effect: Option<Real>,
    /// What the values are measured in.
    pub unit: Option<String>,
    /// Anything worth knowing.
    pub description: Option<String>,
}

/// What is measured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measure {
    /// A unit's sum, averaged over units.
    Mean(Source),
    /// The share of units that have a value other than 0.
    Proportion(Source),
    /// The sum of one over the sum of another.
    Ratio {
        /// What is divided.
        numerator: Source,
        /// What it is divided by.
        denominator: Source,
    },
    /// A quantile of the single values.
    Quantile {
        /// Of which values.
        value: Source,
        /// Which one, 0.001..=0.999.
        at: Real,
    },
}

/// Where values come from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The outcomes that are reported under this name.
    Outcome(Key),
    /// What Envoy saw of each request.
    Exposure(Seen),
}

impl Measure {
    /// What type of metric it makes.
    #[must_use]
    pub fn kind(&self) -> MetricType {
        match self {
            Self::Mean(_) => MetricType::Mean,
            Self::Proportion(_) => MetricType::Proportion,
            Self::Ratio { .. } => MetricType::Ratio,
            Self::Quantile { .. } => MetricType::Quantile,
        }
    }
}

impl MetricSpec {
    /// Validates, noting every fault.
    pub fn validate(&self, key: &Key, faults: &mut Faults) -> Option<MetricDesign> {
        let measure = self.measure(key, faults);
        let window = match &self.window {
            Some(text) => Seconds::within(text, &(Seconds::new(1)..=LONGEST), "/window", faults),
            None => Some(WINDOW),
        };
        let cap = self.capped(faults);
        let winsorize = match &self.winsorize {
            Some(spec) => spec
                .validate(self.kind, self.cap.is_some(), faults)
                .map(Some),
            None => Some(None),
        };
        let effect = self.minimum_effect;
        let minimum_effect = given(
            effect,
            "/minimum_effect",
            faults,
            |it| it > 0.0 && it <= 10.0,
            "a share above 0 and up to 10, as `0.02` for 2%",
        );
        Some(MetricDesign {
            unit: check::text(self.unit.as_ref(), 32, "/unit", faults),
            description: check::text(self.description.as_ref(), 16_384, "/description", faults),
            measure: measure?,
            direction: self.direction,
            window: window?,
            cap: cap?,
            winsorize: winsorize?,
            minimum_effect: minimum_effect?,
        })
    }

    fn measure(&self, key: &Key, faults: &mut Faults) -> Option<Measure> {
        let is_ratio = self.kind == MetricType::Ratio;
        let is_quantile = self.kind == MetricType::Quantile;
        let parts = [
            ("/value", self.value.is_some(), !is_ratio),
            ("/numerator", self.numerator.is_some(), is_ratio),
            ("/denominator", self.denominator.is_some(), is_ratio),
            ("/quantile", self.quantile.is_some(), is_quantile),
        ];
        let mut fits = true;
        for (at, is_given, belongs) in parts {
            if is_given && !belongs {
                let kind = self.kind.as_str();
                let expected = "no such field, or another type";
                faults.add(at, format!("does not belong to a {kind}"), expected);
                fits = false;
            }
        }
        let measure = match self.kind {
            MetricType::Mean => Measure::Mean(self.value(key, faults)?),
            MetricType::Proportion => Measure::Proportion(self.value(key, faults)?),
            MetricType::Ratio => {
                let numerator = part(self.numerator.as_ref(), "/numerator", faults);
                let denominator = part(self.denominator.as_ref(), "/denominator", faults);
                Measure::Ratio {
                    numerator: numerator?,
                    denominator: denominator?,
                }
            }
            MetricType::Quantile => {
                let value = self.value(key, faults);
                let expected = "a number from 0.001 to 0.999, as `0.95`";
                let inside = |it| (0.001..=0.999).contains(&it);
                let at = given(self.quantile, "/quantile", faults, inside, expected)?;
                if at.is_none() {
                    faults.add("/quantile", "is missing", expected);
                }
                Measure::Quantile {
                    value: value?,
                    at: at?,
                }
            }
        };
        fits.then_some(measure)
    }

    fn value(&self, key: &Key, faults: &mut Faults) -> Option<Source> {
        match &self.value {
            Some(source) => source.validate("/value", faults),
            None => Some(Source::Outcome(key.clone())),
        }
    }

    /// A unit's sum can be limited; of a share, a ratio or a quantile there is no such sum.
    fn capped(&self, faults: &mut Faults) -> Option<Option<Real>> {
        let cap = given(self.cap, "/cap", faults, |it| it > 0.0, "a number above 0")?;
        if cap.is_some() && self.kind != MetricType::Mean {
            let kind = self.kind.as_str();
            faults.add("/cap", format!("does not belong to a {kind}"), "a mean");
            return None;
        }
        Some(cap)
    }
}

impl SourceSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Source> {
        match self {
            Self::Outcome(name) => {
                check::key(name, &format!("{at}/outcome"), faults).map(Source::Outcome)
            }
            Self::Exposure(seen) => Some(Source::Exposure(*seen)),
        }
    }
}

fn part(spec: Option<&SourceSpec>, at: &str, faults: &mut Faults) -> Option<Source> {
    let Some(spec) = spec else {
        let expected = "where the values come from: `{outcome: NAME}` or `{exposure: …}`";
        faults.add(at, "is missing", expected);
        return None;
    };
    spec.validate(at, faults)
}

/// A number that may be left out, and otherwise has to fit.
fn given(
    number: Option<Real>,
    at: &str,
    faults: &mut Faults,
    fits: impl Fn(f64) -> bool,
    expected: &str,
) -> Option<Option<Real>> {
    match number {
        Some(number) if !fits(number.get()) => {
            faults.add(at, format!("{} is out of bounds", number.get()), expected);
            None
        }
        number => Some(number),
    }
}

impl MetricType {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Proportion => "proportion",
            Self::Ratio => "ratio",
            Self::Quantile => "quantile",
        }
    }
}

impl From<&Source> for SourceSpec {
    fn from(source: &Source) -> Self {
        match source {
            Source::Outcome(name) => Self::Outcome(name.to_string()),
            Source::Exposure(seen) => Self::Exposure(*seen),
        }
    }
}

impl From<&MetricDesign> for MetricSpec {
    fn from(design: &MetricDesign) -> Self {
        let (mut value, mut numerator, mut denominator, mut quantile) = (None, None, None, None);
        match &design.measure {
            Measure::Mean(source) | Measure::Proportion(source) => value = Some(source.into()),
            Measure::Ratio {
                numerator: over,
                denominator: under,
            } => (numerator, denominator) = (Some(over.into()), Some(under.into())),
            Measure::Quantile { value: source, at } => {
                (value, quantile) = (Some(source.into()), Some(*at));
            }
        }
        Self {
            kind: design.measure.kind(),
            value,
            numerator,
            denominator,
            quantile,
            direction: design.direction,
            window: Some(design.window.to_string()),
            cap: design.cap,
            winsorize: design.winsorize.map(Into::into),
            minimum_effect: design.minimum_effect,
            unit: design.unit.clone(),
            description: design.description.clone(),
        }
    }
}
