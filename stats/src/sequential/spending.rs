//! Spending functions (Lan and DeMets 1983): how much of a test's error may have been spent by the time
//! that a fraction of the planned information is in. The boundaries that follow are in `boundary.rs`.

use super::upper_quantile;
use crate::distribution::normal;
use crate::{Result, check};
use serde::{Deserialize, Serialize};

/// How the error is spent over the information time `t` in (0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spending {
    /// Like O'Brien and Fleming: `2 (1 - Φ(z(α/2) / √t))`. Very little early.
    ObrienFleming,
    /// Like Pocock: `α ln(1 + (e - 1) t)`. Nearly constant boundaries.
    Pocock,
    /// Kim and DeMets 1987: `α t^ρ` with ρ > 0. With ρ = 2 it is what Spotify uses.
    KimDeMets {
        /// The power ρ.
        rho: f64,
    },
    /// Hwang, Shih and DeCani 1990: `α (1 - e^(-γt)) / (1 - e^(-γ))`, and `α t` where γ is 0.
    HwangShihDeCani {
        /// The parameter γ: negative spends late, positive early.
        gamma: f64,
    },
}

impl Spending {
    /// Checks the parameter.
    ///
    /// # Errors
    /// `NonFiniteInput` and `OutOfRange`, which name it.
    pub fn check(self) -> Result<()> {
        match self {
            Self::ObrienFleming | Self::Pocock => Ok(()),
            Self::KimDeMets { rho } => {
                check::finite([("rho", rho)]).and_then(|()| check::positive("rho", rho))
            }
            Self::HwangShihDeCani { gamma } => check::finite([("gamma", gamma)]),
        }
    }

    /// How much of `alpha` has been spent at the information time `t`.
    #[must_use]
    pub fn spent(self, alpha: f64, t: f64) -> f64 {
        match self {
            Self::ObrienFleming => 2.0 * normal::sf(upper_quantile(0.5 * alpha) / t.sqrt()),
            Self::Pocock => alpha * ((std::f64::consts::E - 1.0) * t).ln_1p(),
            Self::KimDeMets { rho } => alpha * t.powf(rho),
            Self::HwangShihDeCani { gamma: 0.0 } => alpha * t,
            Self::HwangShihDeCani { gamma } if gamma > 0.0 => {
                alpha * (-gamma * t).exp_m1() / (-gamma).exp_m1()
            }
            // The same, divided by e^(-γ), so that nothing overflows.
            Self::HwangShihDeCani { gamma } => {
                alpha * (gamma * (1.0 - t)).exp() * (gamma * t).exp_m1() / gamma.exp_m1()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Spending; 6] = [
        Spending::ObrienFleming,
        Spending::Pocock,
        Spending::KimDeMets { rho: 0.5 },
        Spending::HwangShihDeCani { gamma: 0.0 },
        Spending::HwangShihDeCani { gamma: 4.0 },
        Spending::HwangShihDeCani { gamma: -800.0 },
    ];

    #[test]
    fn every_function_spends_all_in_the_end_and_never_takes_back() {
        for spending in ALL {
            let mut before = 0.0;
            for step in 1..=100 {
                let spent = spending.spent(0.025, f64::from(step) / 100.0);
                assert!(
                    spent >= before,
                    "{spending:?} at {step}: {spent} < {before}"
                );
                before = spent;
            }
            assert!((before - 0.025).abs() < 1e-15, "{spending:?}: {before}");
        }
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let error = Spending::KimDeMets { rho: 0.0 }.check().unwrap_err();
        assert!(error.to_string().contains("rho"), "{error}");
    }
}
