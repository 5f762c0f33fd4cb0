//! Eppo's published form of the confidence sequence: `B = √((t + ρ)/t · ln((t + ρ)/(ρ (1 - c)²)))` times
//! the standard error, with `ρ = N / (ln(ln(e/(1 - c)²)) - 2 ln(1 - c))`. It is the sequence of
//! `confidence_sequence.rs` with ρ in other units.

use crate::{Result, check};

/// The sample size that Eppo tunes to unless told otherwise.
pub const TARGET: f64 = 10_000.0;

/// Eppo's parametrisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EppoSequence {
    confidence: f64,
    rho: f64,
}

impl EppoSequence {
    /// A sequence with `confidence` in (0, 1), tuned to `target` observations.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange`.
    pub fn tuned(confidence: f64, target: f64) -> Result<Self> {
        check::finite([("confidence", confidence)])?;
        check::finite([("n_tune", target)])?;
        check::open_unit("confidence", confidence)?;
        check::positive("n_tune", target)?;
        let odds = -2.0 * (1.0 - confidence).ln();
        Ok(Self {
            confidence,
            rho: target / (odds.ln_1p() + odds),
        })
    }

    /// The tuning parameter, in observations.
    #[must_use]
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// What the standard error is multiplied with after `n` observations.
    ///
    /// # Errors
    /// `NonFiniteInput`, `OutOfRange` where `n` is not positive.
    pub fn multiplier(&self, n: f64) -> Result<f64> {
        check::positive("t", n)?;
        let odds = -2.0 * (1.0 - self.confidence).ln();
        Ok(((1.0 + self.rho / n) * ((n / self.rho).ln_1p() + odds)).sqrt())
    }
}
