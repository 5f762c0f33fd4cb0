//! Twyman's law: any figure that looks interesting is usually wrong. A lift that is far from what changes of this kind
//! have ever brought is to be looked into before it is believed. What such changes bring is a prior: lifts are normal
//! around 0 with a standard deviation that the house knows.

use crate::distribution::normal;
use crate::sequential::msprt::Estimate;
use crate::{Result, check};

/// How surprising a lift is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surprise {
    /// P, under the prior and the estimate's own error, of a lift at least as far from 0.
    pub p: f64,
    /// What remains of the lift when the prior is believed as far as it deserves.
    pub shrunk: f64,
}

/// How surprising the lift is where lifts usually have this standard deviation (0.1: nine of ten are within 16%).
///
/// # Errors
/// What is not finite, a negative variance, a standard deviation that is not positive.
pub fn surprise(lift: Estimate, usual_sd: f64) -> Result<Surprise> {
    check::finite([
        ("lift", lift.value),
        ("variance", lift.variance),
        ("usual_sd", usual_sd),
    ])?;
    check::non_negative("variance", lift.variance)?;
    check::positive("usual_sd", usual_sd)?;
    let prior = usual_sd * usual_sd;
    let total = prior + lift.variance;
    Ok(Surprise {
        p: normal::two_sided(lift.value / total.sqrt()),
        shrunk: lift.value * (prior / total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lift(value: f64, variance: f64) -> Estimate {
        Estimate { value, variance }
    }

    #[test]
    fn a_doubled_metric_is_a_surprise_and_two_percent_is_none() {
        assert!(surprise(lift(1.0, 1e-4), 0.1).unwrap().p < 1e-10);
        assert!(surprise(lift(0.02, 1e-4), 0.1).unwrap().p > 0.5);
    }

    #[test]
    fn a_large_lift_with_a_large_error_is_shrunk_and_no_surprise() {
        let found = surprise(lift(0.3, 0.09), 0.1).unwrap();
        assert!(
            found.p > 0.3 && (found.shrunk - 0.03).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn what_is_no_lift_is_refused() {
        assert_eq!(
            surprise(lift(f64::NAN, 1.0), 0.1).unwrap_err().code(),
            "non_finite_input"
        );
        assert_eq!(
            surprise(lift(0.0, -1.0), 0.1).unwrap_err().code(),
            "out_of_range"
        );
        assert_eq!(
            surprise(lift(0.0, 1.0), 0.0).unwrap_err().code(),
            "out_of_range"
        );
    }
}
