//! Densities with one mode whose logarithm is concave, on the whole line: how far they reach, and what share of one is on
//! a side of a point, by quadrature. A Beta is one in logits and a gamma in logarithms, where no end is singular.

use crate::quadrature;

/// Such a density, known up to a factor.
pub(crate) trait LogConcave {
    /// Where it is largest.
    fn mode(&self) -> f64;
    /// About how wide it is.
    fn scale(&self) -> f64;
    /// The logarithm of the density at `mode + gap`, relative to the mode.
    fn log_relative(&self, gap: f64) -> f64;
}

/// How far down, in standard deviations of a normal, a density is cut into panels.
pub(crate) const CUTS: [f64; 6] = [1.5, 3.0, 4.5, 6.0, 7.5, 9.0];

/// How far on a side of the mode the density has fallen as a normal's has at `cut` standard deviations.
pub(crate) fn reach<D: LogConcave>(density: &D, cut: f64, side: f64) -> f64 {
    fall(density, 0.0, cut, side)
}

/// How far from `mode + from`, going outwards, the density has fallen by as much as a normal's at `cut`.
fn fall<D: LogConcave>(density: &D, from: f64, cut: f64, side: f64) -> f64 {
    let level = density.log_relative(from) - 0.5 * cut * cut;
    let (mut near, mut far) = (0.0, density.scale());
    while density.log_relative(from + side * far) > level {
        (near, far) = (far, 2.0 * far);
    }
    // Only a place to cut: a few digits are enough, but near a steep end they are small ones.
    for _ in 0..60 {
        let middle = 0.5 * (near + far);
        if far - near < 1e-6 * far {
            break;
        }
        if density.log_relative(from + side * middle) > level {
            near = middle;
        } else {
            far = middle;
        }
    }
    side * far
}

/// The logarithm of the share of the density that is below `at`, or above it. Relative error 1e-12.
pub(crate) fn log_share<D: LogConcave>(density: &D, at: f64, above: bool) -> f64 {
    let side = if above { 1.0 } else { -1.0 };
    let gap = at - density.mode();
    let towards = |from: f64, side: f64| integral(density, from, side);
    let (with_mode, rest) = (towards(0.0, side), towards(0.0, -side));
    let total = with_mode + rest;
    if gap * side >= 0.0 {
        // A tail: it is integrated from its own largest value on.
        return density.log_relative(gap) + towards(gap, side).ln() - total.ln();
    }
    let left_out = (density.log_relative(gap) + towards(gap, -side).ln() - total.ln()).exp();
    (-left_out).ln_1p()
}

/// The integral from `mode + from` outwards, relative to the density there.
fn integral<D: LogConcave>(density: &D, from: f64, side: f64) -> f64 {
    let start = density.log_relative(from);
    let mut breaks = vec![0.0];
    breaks.extend(CUTS.map(|cut| side * fall(density, from, cut, side)));
    quadrature::composite(&breaks, |distance| {
        (density.log_relative(from + side * distance) - start).exp()
    })
}

/// A Beta distribution in logits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BetaLogit {
    /// The first parameter.
    pub(crate) alpha: f64,
    /// The second parameter.
    pub(crate) beta: f64,
}

impl LogConcave for BetaLogit {
    fn mode(&self) -> f64 {
        (self.alpha / self.beta).ln()
    }

    fn scale(&self) -> f64 {
        (1.0 / self.alpha + 1.0 / self.beta).sqrt()
    }

    fn log_relative(&self, gap: f64) -> f64 {
        // The Beta of 1 - x is the same backwards: of the two forms the one whose terms do not cancel.
        if self.alpha > self.beta {
            Self {
                alpha: self.beta,
                beta: self.alpha,
            }
            .log_relative_small(-gap)
        } else {
            self.log_relative_small(gap)
        }
    }
}

impl BetaLogit {
    /// With the first parameter at most the second.
    fn log_relative_small(&self, gap: f64) -> f64 {
        let total = self.alpha + self.beta;
        let share = self.alpha / total;
        // ln of (1 + e^u) / (1 + e^mode), also where e^gap overflows.
        let grown = if gap > 30.0 {
            share.ln() + gap + ((1.0 - share) / share * (-gap).exp()).ln_1p()
        } else {
            (share * gap.exp_m1()).ln_1p()
        };
        self.alpha * gap - total * grown
    }
}

/// A gamma distribution of scale 1, in logarithms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GammaLog {
    /// The shape.
    pub(crate) shape: f64,
}

impl LogConcave for GammaLog {
    fn mode(&self) -> f64 {
        self.shape.ln()
    }

    fn scale(&self) -> f64 {
        self.shape.sqrt().recip()
    }

    fn log_relative(&self, gap: f64) -> f64 {
        self.shape * (gap - gap.exp_m1())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_gamma_of_shape_one_are_exponentials() {
        let gamma = GammaLog { shape: 1.0 };
        for x in [1e-9_f64, 0.3, 1.0, 5.0, 300.0] {
            let above = log_share(&gamma, x.ln(), true);
            assert!((above + x).abs() <= 1e-12 * (1.0 + x), "at {x}: {above}");
            let below = log_share(&gamma, x.ln(), false);
            assert!(
                (below - (-(-x).exp_m1()).ln()).abs() < 1e-11,
                "at {x}: {below}"
            );
        }
    }

    #[test]
    fn a_uniform_share_is_its_point() {
        let uniform = BetaLogit {
            alpha: 1.0,
            beta: 1.0,
        };
        for x in [1e-6_f64, 0.25, 0.5, 0.75] {
            let below = log_share(&uniform, (x / (1.0 - x)).ln(), false);
            assert!((below - x.ln()).abs() < 1e-11, "at {x}: {below}");
        }
    }
}
