//! What most methods need to know of an arm: how many, how much, how varied. It is input from outside, so each method
//! has it checked; accumulating one from data is [`crate::moments`]' part.

use crate::{Result, StatsError, check};

/// One arm's sufficient statistics for a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Units observed.
    pub n: f64,
    /// Their mean.
    pub mean: f64,
    /// Their unbiased variance (divided by n - 1).
    pub variance: f64,
}

impl Summary {
    /// An arm; nothing is checked until a method reads it.
    #[must_use]
    pub const fn new(n: f64, mean: f64, variance: f64) -> Self {
        Self { n, mean, variance }
    }

    /// The squared standard error of the mean.
    #[must_use]
    pub fn mean_variance(&self) -> f64 {
        self.variance / self.n
    }

    /// Both arms hold finite numbers in range, and at least two units each.
    pub(crate) fn check_pair(a: &Self, b: &Self) -> Result<()> {
        check::finite([
            ("n_a", a.n),
            ("mean_a", a.mean),
            ("var_a", a.variance),
            ("n_b", b.n),
            ("mean_b", b.mean),
            ("var_b", b.variance),
        ])?;
        check::non_negative("n_a", a.n)?;
        check::non_negative("n_b", b.n)?;
        check::non_negative("var_a", a.variance)?;
        check::non_negative("var_b", b.variance)?;
        for (input, n) in [("n_a", a.n), ("n_b", b.n)] {
            if n < 2.0 {
                return Err(StatsError::InsufficientData {
                    input,
                    needs: "at least 2 units",
                });
            }
        }
        Ok(())
    }
}
