//! Comparisons: bounds on a value as a number, a semantic version or text, and what each of them
//! looks like. What is greater than what is the engine's.

use super::fault::Faults;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;
use watershed_engine::compile::limits;
use watershed_engine::condition::number::Number;
use watershed_engine::condition::version::Version;

/// How two values are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ordering {
    /// As integers or decimals of any length, exactly.
    Number,
    /// By the precedence of Semantic Versioning 2.0.0.
    Semver,
    /// Byte by byte: for times and dates.
    Text,
}

/// On which side of a bound a value must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// On it.
    Equal,
    /// Below it.
    Less,
    /// Below or on it.
    AtMost,
    /// Above it.
    Greater,
    /// Above or on it.
    AtLeast,
}

/// One bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The side.
    pub operator: Operator,
    /// The bound itself.
    pub value: String,
}

/// Bounds as they are written: one or more, and all must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonSpec {
    /// The value is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Scalar>,
    /// The value is below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub less: Option<Scalar>,
    /// The value is below this or this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Scalar>,
    /// The value is above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greater: Option<Scalar>,
    /// The value is above this or this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Scalar>,
}

/// A text, or a number that is kept as the text it was.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Scalar(pub String);

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or a number that is read as the text it is.",
            "type": ["string", "number"],
        })
    }
}

/// The integers up to which every one has a floating-point number of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                if number.abs() < EXACT {
                    return Ok(Scalar(number.to_string()));
                }
                Err(E::custom(
                    "the number is too large to be exact, expected it as text",
                ))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

impl ComparisonSpec {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub(super) fn validate(
        &self,
        ordering: Ordering,
        at: &str,
        faults: &mut Faults,
    ) -> Option<Vec<Bound>> {
        let given: Vec<_> = self.bounds().into_iter().flatten().collect();
        if given.is_empty() {
            faults.add(
                at,
                "has no bound",
                "one or more of equals, less, at_most, greater, at_least",
            );
            return None;
        }
        let read: Vec<Option<Bound>> = given
            .into_iter()
            .map(|(operator, Scalar(value))| {
                let place = format!("{at}/{}", operator.as_str());
                ordering.validate(value, &place, faults)?;
                let value = value.clone();
                Some(Bound { operator, value })
            })
            .collect();
        read.into_iter().collect()
    }

    fn bounds(&self) -> [Option<(Operator, &Scalar)>; 5] {
        [
            (Operator::Equal, &self.equals),
            (Operator::Less, &self.less),
            (Operator::AtMost, &self.at_most),
            (Operator::Greater, &self.greater),
            (Operator::AtLeast, &self.at_least),
        ]
        .map(|(operator, value)| value.as_ref().map(|value| (operator, value)))
    }
}

impl From<&[Bound]> for ComparisonSpec {
    fn from(bounds: &[Bound]) -> Self {
        let mut spec = Self::default();
        for Bound { operator, value } in bounds {
            let field = match operator {
                Operator::Equal => &mut spec.equals,
                Operator::Less => &mut spec.less,
                Operator::AtMost => &mut spec.at_most,
                Operator::Greater => &mut spec.greater,
                Operator::AtLeast => &mut spec.at_least,
            };
            *field = Some(Scalar(value.clone()));
        }
        spec
    }
}

impl Operator {
    /// The word for it, as in a document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equals",
            Self::Less => "less",
            Self::AtMost => "at_most",
            Self::Greater => "greater",
            Self::AtLeast => "at_least",
        }
    }
}

impl Ordering {
    fn validate(self, value: &str, at: &str, faults: &mut Faults) -> Option<()> {
        let (good, expected) = match self {
            Self::Number => (
                Number::parse(value.as_bytes()).is_some(),
                "an integer or decimal without exponent, as `5` or `-0.25`",
            ),
            Self::Semver => (
                Version::parse(value.as_bytes()).is_some(),
                "a semantic version, as `2.0.0` or `1.4.0-rc.1`",
            ),
            Self::Text => (!value.is_empty(), "a text that is not empty"),
        };
        if good && value.len() <= limits::VALUE_BYTES {
            return Some(());
        }
        let shown: String = value.escape_debug().take(64).collect();
        faults.add(at, format!("`{shown}` does not fit"), expected);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_as_it_was_written() {
        let read = |json: &str| serde_json::from_str::<Scalar>(json).map(|scalar| scalar.0);
        for (json, text) in [
            ("5", "5"),
            ("-3", "-3"),
            ("18446744073709551615", "18446744073709551615"),
            ("0.1", "0.1"),
            ("1e3", "1000"),
            ("\"2.0.0\"", "2.0.0"),
        ] {
            assert_eq!(read(json).unwrap(), text);
        }
        for bad in ["1e300", "99999999999999999999", "true", "null", "[]", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
