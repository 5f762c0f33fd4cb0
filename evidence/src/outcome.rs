//! The outcome: a value that a metric got for a unit, after it was exposed or before. What an
//! application reports; what an upstream says in a header is a part of the exposure.

use crate::Micros;
use crate::unit::Unit;
use serde::Serialize;

/// One value of one metric for one unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The experiment that it counts to; nothing for each that the unit is in.
    pub experiment: Option<String>,
    /// What the unit is.
    pub unit_type: String,
    /// The unit.
    #[serde(flatten)]
    pub unit: Unit,
    /// The metric's name; see [`crate::header::is_metric_name`].
    pub metric: String,
    /// Its value: finite.
    pub value: Value,
    /// When it came about, as the reporter has it.
    #[serde(rename = "time_us")]
    pub time: Micros,
    /// What a reporter sends again with the same outcome. Two of the same unit type, unit, metric and
    /// key are one; without one, each counts.
    pub idempotency_key: Option<String>,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Value(f64);

impl Value {
    /// A finite number; nothing for another.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}
