//! Whether an effect differs between the segments of an attribute (Cochran's Q), corrected for how many attributes were
//! asked about (Holm).

use crate::distribution::ChiSquared;
use crate::sequential::msprt::Estimate;
use crate::{Result, StatsError, check, many};

/// How much the effects in an attribute's segments differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heterogeneity {
    /// Cochran's Q: squared deviations from the pooled effect in units of their variances.
    pub q: f64,
    /// Segments minus 1.
    pub degrees_of_freedom: f64,
    /// The logarithm of the p-value, by the chi-squared distribution.
    pub log_p: f64,
    /// The same after Holm's correction over all attributes.
    pub log_p_adjusted: f64,
    /// The effect pooled by inverse variances.
    pub pooled: f64,
    /// I²: which share of the variation is more than chance (Higgins and Thompson 2002).
    pub excess: f64,
}

/// One attribute after the other: the effect in each of its segments.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` for a negative variance, `InsufficientData` for an attribute with one
/// segment, `ZeroVariance`.
pub fn by_attribute(attributes: &[Vec<Estimate>]) -> Result<Vec<Heterogeneity>> {
    check::not_empty("attributes", attributes)?;
    let mut found = attributes
        .iter()
        .map(|segments| of_segments(segments))
        .collect::<Result<Vec<_>>>()?;
    let log_p: Vec<f64> = found.iter().map(|one| one.log_p).collect();
    for (one, adjusted) in found.iter_mut().zip(many::holm_log(&log_p)?) {
        one.log_p_adjusted = adjusted;
    }
    Ok(found)
}

fn of_segments(segments: &[Estimate]) -> Result<Heterogeneity> {
    for segment in segments {
        check::finite([("effect", segment.value), ("variance", segment.variance)])?;
    }
    check::not_empty("segments", segments)?;
    for segment in segments {
        check::non_negative("variance", segment.variance)?;
    }
    if segments.len() < 2 {
        return Err(StatsError::InsufficientData {
            input: "segments",
            needs: "at least 2",
        });
    }
    if segments.iter().any(|segment| segment.variance == 0.0) {
        return Err(StatsError::ZeroVariance {
            input: "a segment's effect",
        });
    }
    let weight: f64 = segments
        .iter()
        .map(|segment| segment.variance.recip())
        .sum();
    let pooled = segments
        .iter()
        .map(|segment| segment.value / segment.variance)
        .sum::<f64>()
        / weight;
    let q: f64 = segments
        .iter()
        .map(|segment| (segment.value - pooled).powi(2) / segment.variance)
        .sum();
    let degrees_of_freedom = segments.len() as f64 - 1.0;
    let log_p = ChiSquared::new(degrees_of_freedom)?.log_sf(q);
    let excess = if q > 0.0 {
        (1.0 - degrees_of_freedom / q).max(0.0)
    } else {
        0.0
    };
    Ok(Heterogeneity {
        q,
        degrees_of_freedom,
        log_p,
        log_p_adjusted: log_p,
        pooled,
        excess,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(values: &[f64], variance: f64) -> Vec<Estimate> {
        values
            .iter()
            .map(|value| Estimate {
                value: *value,
                variance,
            })
            .collect()
    }

    #[test]
    fn q_has_the_chi_squared_tail() {
        // Two effects: Q is z² of their difference. Three: the tail is exp(-Q/2).
        let found =
            by_attribute(&[effects(&[0.0, 2.0], 1.0), effects(&[0.0, 0.0, 3.0], 1.0)]).unwrap();
        let two = crate::distribution::normal::log_two_sided(2.0_f64.sqrt());
        assert!((found[0].log_p - two).abs() < 1e-11, "{found:?}");
        assert!(
            (found[1].q - 6.0).abs() < 1e-12 && (found[1].log_p + 3.0).abs() < 1e-11,
            "{found:?}"
        );
        assert!(
            (found[1].log_p_adjusted - (2.0_f64.ln() - 3.0)).abs() < 1e-11,
            "{found:?}"
        );
        assert_eq!(found[0].log_p_adjusted, found[0].log_p);
    }

    #[test]
    fn equal_effects_do_not_differ_and_one_segment_has_none_to_differ_from() {
        let found = by_attribute(&[effects(&[0.5, 0.5], 0.1)]).unwrap();
        assert_eq!((found[0].log_p, found[0].excess), (0.0, 0.0));
        assert_eq!(
            by_attribute(&[effects(&[0.5], 0.1)]).unwrap_err().code(),
            "insufficient_data"
        );
    }
}
