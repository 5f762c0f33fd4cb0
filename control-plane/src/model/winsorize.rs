//! Winsorisation of a metric: the quantiles at which units' values are clipped. At which values that is follows from
//! the evidence.

use super::fault::Faults;
use super::metric::MetricType;
use super::strategy::Real;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Winsorisation as it is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WinsorizeSpec {
    /// Units below this quantile count as it, as `0.01`; none where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<Real>,
    /// Units above this quantile count as it, as `0.99`; none where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<Real>,
    /// Whether units with 0 are left alone: they do not count for the quantiles, and stay 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_zeros: bool,
}

/// At which quantiles units are clipped: 0 <= lower < upper <= 1, and one of them is neither 0 nor 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Winsorize {
    /// Below this one.
    pub lower: Real,
    /// Above this one.
    pub upper: Real,
    /// Whether units with 0 are left alone.
    pub ignore_zeros: bool,
}

impl WinsorizeSpec {
    /// Validates, noting every fault. There are units' values in a mean and in a ratio, and a cap is another limit.
    pub(super) fn validate(
        &self,
        kind: MetricType,
        is_capped: bool,
        faults: &mut Faults,
    ) -> Option<Winsorize> {
        let at = "/winsorize";
        if !matches!(kind, MetricType::Mean | MetricType::Ratio) {
            let found = format!("does not belong to a {}", kind.as_str());
            faults.add(at, found, "a mean or a ratio");
            return None;
        }
        if is_capped {
            faults.add(at, "is there beside `cap`", "one of them");
            return None;
        }
        let lower = quantile(self.lower, "/winsorize/lower", faults);
        let upper = quantile(self.upper, "/winsorize/upper", faults);
        let (lower, upper) = (lower?.unwrap_or(0.0), upper?.unwrap_or(1.0));
        if lower >= upper {
            let found = format!("goes from {lower} to {upper}");
            faults.add(at, found, "a `lower` below `upper`");
            return None;
        }
        if lower == 0.0 && upper == 1.0 {
            let expected = "a `lower` above 0 or an `upper` below 1, as `upper: 0.99`";
            faults.add(at, "clips nothing", expected);
            return None;
        }
        Some(Winsorize {
            lower: Real::try_from(lower).ok()?,
            upper: Real::try_from(upper).ok()?,
            ignore_zeros: self.ignore_zeros,
        })
    }
}

/// A quantile that may be left out.
fn quantile(given: Option<Real>, at: &str, faults: &mut Faults) -> Option<Option<f64>> {
    match given.map(Real::get) {
        Some(quantile) if !(0.0..=1.0).contains(&quantile) => {
            let found = format!("{quantile} is out of bounds");
            faults.add(at, found, "a number from 0 to 1, as `0.99`");
            None
        }
        quantile => Some(quantile),
    }
}

impl From<Winsorize> for WinsorizeSpec {
    fn from(design: Winsorize) -> Self {
        let unless = |quantile: Real, none: f64| (quantile.get() != none).then_some(quantile);
        Self {
            lower: unless(design.lower, 0.0),
            upper: unless(design.upper, 1.0),
            ignore_zeros: design.ignore_zeros,
        }
    }
}
