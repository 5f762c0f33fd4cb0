//! Before an experiment: sample size, power and minimum detectable effect, each from the others. Sizes are of the
//! control arm and real numbers; the treatment has `ratio` times as many.

pub mod means;
pub mod non_inferiority;
pub mod proportions;
pub mod run;

use crate::distribution::normal;
use crate::{Result, check};

/// What a plan holds fixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Level of the test, over both sides where it has two.
    pub alpha: f64,
    /// Power wanted.
    pub power: f64,
    /// Units of the treatment per unit of the control.
    pub ratio: f64,
    /// Whether the test has two sides.
    pub two_sided: bool,
}

impl Design {
    fn finite(&self) -> Result<()> {
        check::finite([
            ("alpha", self.alpha),
            ("power", self.power),
            ("ratio", self.ratio),
        ])
    }

    fn range(&self) -> Result<()> {
        check::open_unit("alpha", self.alpha)?;
        check::open_unit("power", self.power)?;
        check::positive("ratio", self.ratio)
    }

    /// The level of one side.
    fn side(&self) -> f64 {
        if self.two_sided {
            0.5 * self.alpha
        } else {
            self.alpha
        }
    }

    fn z_alpha(&self) -> Result<f64> {
        normal::isf(self.side())
    }

    fn z_sum(&self) -> Result<f64> {
        Ok(self.z_alpha()? + normal::quantile(self.power)?)
    }
}
