//! At which values units' values were clipped before they were summed up (winsorisation). The sums have it in them
//! already; it is told on, so that somebody else comes to the same.

use super::describe::short;
use crate::{Result, check};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where units were clipped: at quantiles over the units of all variants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Winsorized {
    /// Of the values (of a ratio: the numerators), and of the covariate as well.
    pub value: Clip,
    /// Of a ratio's denominators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<Clip>,
    /// Whether values of 0 were left alone: they do not count for the quantiles, and stay 0.
    #[serde(default)]
    pub ignore_zeros: bool,
}

/// Between which values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clip {
    /// What is below counts as this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<Limit>,
    /// What is above counts as this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<Limit>,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The quantile.
    pub quantile: f64,
    /// The value that it came to.
    pub at: f64,
}

impl Winsorized {
    /// What goes into an answer is finite.
    pub(super) fn check(&self) -> Result<()> {
        let clips = [Some(self.value), self.denominator].into_iter().flatten();
        for limit in clips.flat_map(|it| [it.lower, it.upper]).flatten() {
            check::finite([
                ("a limit's quantile", limit.quantile),
                ("a limit", limit.at),
            ])?;
        }
        Ok(())
    }
}

impl fmt::Display for Winsorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "winsorised: values {}", self.value)?;
        if let Some(clip) = self.denominator {
            write!(f, ", denominators {clip}")?;
        }
        match self.ignore_zeros {
            true => f.write_str(", over all units but those with 0, which stay"),
            false => f.write_str(", over all units"),
        }
    }
}

impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.lower, self.upper) {
            (None, None) => f.write_str("as they are"),
            (Some(lower), None) => write!(f, "at least {lower}"),
            (None, Some(upper)) => write!(f, "at most {upper}"),
            (Some(lower), Some(upper)) => write!(f, "from {lower} to {upper}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (quantile {})", short(self.at), self.quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words() {
        let limit = |quantile, at| Some(Limit { quantile, at });
        let clip = |lower, upper| Clip { lower, upper };
        let mut told = Winsorized {
            value: clip(None, limit(0.99, 19.0)),
            denominator: None,
            ignore_zeros: false,
        };
        assert_eq!(
            told.to_string(),
            "winsorised: values at most 19.00 (quantile 0.99), over all units"
        );
        told.value.lower = limit(0.01, -2.5);
        told.denominator = Some(clip(None, None));
        told.ignore_zeros = true;
        assert_eq!(
            told.to_string(),
            "winsorised: values from -2.500 (quantile 0.01) to 19.00 (quantile 0.99), denominators as they are, \
             over all units but those with 0, which stay"
        );
    }
}
