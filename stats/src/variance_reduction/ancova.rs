//! The regression `outcome ~ 1 + treatment + covariate` by least squares, with the classical and the HC3
//! standard error of the effect (MacKinnon and White 1985). It needs each unit; CUPED from sums is in
//! `cuped.rs`.

use super::joint::Joint;
use crate::distribution::student_t;
use crate::{Result, StatsError};

/// One arm's units: covariate and outcome, in the same order.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    /// The covariate.
    pub x: &'a [f64],
    /// The outcome.
    pub y: &'a [f64],
}

/// The regression's answer; the effect is treatment minus control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ancova {
    /// The effect.
    pub effect: f64,
    /// The covariate's coefficient.
    pub theta: f64,
    /// The classical standard error of the effect.
    pub standard_error: f64,
    /// Its HC3 standard error, which holds where the variances differ.
    pub standard_error_hc3: f64,
    /// Degrees of freedom: units minus 3.
    pub degrees_of_freedom: f64,
    /// The two-sided p-value, by the classical standard error.
    pub p: f64,
}

/// Fits the regression.
///
/// # Errors
/// `NonFiniteInput`, `LengthMismatch`, `InsufficientData` (a unit in each arm, four in all),
/// `SingularMatrix` where the covariate does not vary within the arms, `ZeroVariance` where the outcome
/// is explained wholly.
pub fn ancova(control: Units<'_>, treatment: Units<'_>) -> Result<Ancova> {
    let a = Joint::from_columns(control.y, &[control.x])?;
    let b = Joint::from_columns(treatment.y, &[treatment.x])?;
    if a.n() == 0 || b.n() == 0 || a.n() + b.n() < 4 {
        return Err(StatsError::InsufficientData {
            input: "an arm",
            needs: "at least 1 unit, and 4 in both",
        });
    }
    let within = a.pooled_within(&b);
    let (xx, xy, yy) = (
        within.product(1, 1),
        within.product(1, 0),
        within.product(0, 0),
    );
    if xx <= 0.0 {
        return Err(StatsError::SingularMatrix {
            input: "the covariate does not vary within the arms",
        });
    }
    let theta = xy / xx;
    let [y_a, x_a] = *a.means() else {
        return Err(StatsError::LengthMismatch { input: "x" });
    };
    let [y_b, x_b] = *b.means() else {
        return Err(StatsError::LengthMismatch { input: "x" });
    };
    let gap = x_b - x_a;
    let effect = (y_b - y_a) - theta * gap;
    let (n_a, n_b) = (a.n() as f64, b.n() as f64);
    let degrees_of_freedom = n_a + n_b - 3.0;
    let residual = (yy - theta * xy).max(0.0) / degrees_of_freedom;
    if residual <= 0.0 {
        return Err(StatsError::ZeroVariance {
            input: "the residuals",
        });
    }
    let standard_error = (residual * (1.0 / n_a + 1.0 / n_b + gap * gap / xx)).sqrt();
    let fit = Fit { theta, gap, xx };
    let hc3 = fit.hc3(control, (x_a, y_a), -1.0) + fit.hc3(treatment, (x_b, y_b), 1.0);
    Ok(Ancova {
        effect,
        theta,
        standard_error,
        standard_error_hc3: hc3.sqrt(),
        degrees_of_freedom,
        p: student_t::two_sided(effect / standard_error, degrees_of_freedom)?,
    })
}

struct Fit {
    theta: f64,
    gap: f64,
    xx: f64,
}

impl Fit {
    /// An arm's part of the variance: each unit's weight in the effect times its residual, which is made
    /// larger by its leverage.
    fn hc3(&self, arm: Units<'_>, (x_mean, y_mean): (f64, f64), sign: f64) -> f64 {
        let n = arm.x.len() as f64;
        arm.x
            .iter()
            .zip(arm.y)
            .map(|(x, y)| {
                let deviation = x - x_mean;
                let weight = sign / n - self.gap * deviation / self.xx;
                let leverage = 1.0 / n + deviation * deviation / self.xx;
                let residual = (y - y_mean) - self.theta * deviation;
                let term = weight * residual / (1.0 - leverage);
                if leverage < 1.0 { term * term } else { 0.0 }
            })
            .sum()
    }
}
