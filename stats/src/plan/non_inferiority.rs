//! Plans that ask whether a treatment is not worse by more than a margin: one-sided, the margin added to the difference
//! that is expected (Julious 2004; Chow, Shao and Wang, Sample Size Calculations in Clinical Research, sections 3.2.2
//! and 4.2.2). Larger is better; negate values where it is not.

use super::Design;
use crate::{Result, StatsError, check};

/// What one comparison varies by: each arm's variance of one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variances {
    /// The control's.
    pub control: f64,
    /// The treatment's.
    pub treatment: f64,
}

impl Variances {
    /// Those of two proportions.
    ///
    /// # Errors
    /// Rates that are not numbers from 0 to 1.
    pub fn of_rates(control: f64, treatment: f64) -> Result<Self> {
        check::finite([("p1", control), ("p2", treatment)])?;
        check::unit("p1", control)?;
        check::unit("p2", treatment)?;
        Ok(Self {
            control: control * (1.0 - control),
            treatment: treatment * (1.0 - treatment),
        })
    }
}

fn checked(expected: f64, margin: f64, variances: Variances, design: &Design) -> Result<f64> {
    check::finite([
        ("expected", expected),
        ("margin", margin),
        ("var_a", variances.control),
        ("var_b", variances.treatment),
    ])?;
    design.finite()?;
    check::positive("margin", margin)?;
    check::non_negative("var_a", variances.control)?;
    check::non_negative("var_b", variances.treatment)?;
    design.range()?;
    check::range("two_sided", !design.two_sided, "false: this has one side")?;
    let spread = variances.control + variances.treatment / design.ratio;
    if spread > 0.0 {
        Ok(spread)
    } else {
        Err(StatsError::ZeroVariance { input: "both arms" })
    }
}

/// Control units to show that a treatment whose true difference is `expected` is not worse than the control by `margin`.
///
/// # Errors
/// What is not finite or out of range; a design of two sides; no variance; a treatment that is expected to be worse by
/// the margin or more.
pub fn size(expected: f64, margin: f64, variances: Variances, design: &Design) -> Result<f64> {
    let spread = checked(expected, margin, variances, design)?;
    let room = expected + margin;
    if room <= 0.0 {
        return Err(StatsError::NoSolution {
            unknown: "sample size",
        });
    }
    let z = design.z_sum()? / room;
    Ok(z * z * spread)
}

/// The power of `n` control units.
///
/// # Errors
/// As [`size`]; `n` not above 0.
pub fn power(
    expected: f64,
    margin: f64,
    n: f64,
    variances: Variances,
    design: &Design,
) -> Result<f64> {
    check::finite([("n1", n)])?;
    let spread = checked(expected, margin, variances, design)?;
    check::positive("n1", n)?;
    let shift = (expected + margin) * (n / spread).sqrt();
    Ok(crate::distribution::normal::sf(design.z_alpha()? - shift))
}

/// The smallest margin that `n` control units can hold a treatment of the true difference `expected` to.
///
/// # Errors
/// As [`power`]; no margin above 0.
pub fn margin(expected: f64, n: f64, variances: Variances, design: &Design) -> Result<f64> {
    check::finite([("n1", n)])?;
    let spread = checked(expected, 1.0, variances, design)?;
    check::positive("n1", n)?;
    let margin = design.z_sum()? * (spread / n).sqrt() - expected;
    if margin > 0.0 {
        Ok(margin)
    } else {
        Err(StatsError::NoSolution { unknown: "margin" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGN: Design = Design {
        alpha: 0.05,
        power: 0.8,
        ratio: 1.0,
        two_sided: false,
    };

    #[test]
    fn chow_shao_and_wang_need_twenty_five_units() {
        // Section 4.2.4: rates 0.65 and 0.85, margin 0.1, one-sided 5%, power 80%: 25 a group, and section 3.2.4: means
        // that differ by 0 with sd 0.1, margin 0.05: 50 in their rounding, 49.5 before it.
        let rates = Variances::of_rates(0.65, 0.85).unwrap();
        assert_eq!(size(0.2, 0.1, rates, &DESIGN).unwrap().ceil(), 25.0);
        let means = Variances {
            control: 0.01,
            treatment: 0.01,
        };
        assert_eq!(size(0.0, 0.05, means, &DESIGN).unwrap().ceil(), 50.0);
    }

    #[test]
    fn size_power_and_margin_are_each_others_inverse() {
        let variances = Variances {
            control: 4.0,
            treatment: 9.0,
        };
        let design = Design {
            ratio: 0.5,
            ..DESIGN
        };
        let n = size(-0.1, 0.5, variances, &design).unwrap();
        assert!((power(-0.1, 0.5, n, variances, &design).unwrap() - 0.8).abs() < 1e-12);
        assert!((margin(-0.1, n, variances, &design).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let variances = Variances::of_rates(0.5, 0.5).unwrap();
        let code = |found: Result<f64>| found.unwrap_err().code();
        assert_eq!(code(size(-0.2, 0.1, variances, &DESIGN)), "no_solution");
        assert_eq!(code(size(0.0, 0.0, variances, &DESIGN)), "out_of_range");
        let two = Design {
            two_sided: true,
            ..DESIGN
        };
        assert_eq!(code(size(0.0, 0.1, variances, &two)), "out_of_range");
    }
}
