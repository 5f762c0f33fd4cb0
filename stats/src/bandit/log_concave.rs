//! Densities with one mode whose logarithm is concave, on the whole line, and how far they reach: what quadrature over
//! several of them needs. A Beta is one in logits, where no end is singular.

use crate::distribution::Beta;

/// Such a density, known up to a factor.
pub(super) trait LogConcave {
    /// Where it is largest.
    fn mode(&self) -> f64;
    /// About how wide it is.
    fn scale(&self) -> f64;
    /// The logarithm of the density at `mode + gap`, relative to the mode.
    fn log_relative(&self, gap: f64) -> f64;
}

/// How far down, in standard deviations of a normal, a density is cut into panels.
pub(super) const CUTS: [f64; 6] = [1.5, 3.0, 4.5, 6.0, 7.5, 9.0];

/// How far on a side of the mode the density has fallen as a normal's has at `cut` standard deviations.
pub(super) fn reach<D: LogConcave>(density: &D, cut: f64, side: f64) -> f64 {
    let level = -0.5 * cut * cut;
    let (mut near, mut far) = (0.0, density.scale());
    while density.log_relative(side * far) > level {
        (near, far) = (far, 2.0 * far);
    }
    // Only a place to cut: a few digits are enough, but near a steep end they are small ones.
    for _ in 0..60 {
        let middle = 0.5 * (near + far);
        if far - near < 1e-6 * far {
            break;
        }
        if density.log_relative(side * middle) > level {
            near = middle;
        } else {
            far = middle;
        }
    }
    side * far
}

/// A Beta distribution in logits.
#[derive(Clone, Copy, Debug)]
pub(super) struct BetaLogit {
    alpha: f64,
    beta: f64,
}

impl From<&Beta> for BetaLogit {
    fn from(beta: &Beta) -> Self {
        Self {
            alpha: beta.a(),
            beta: beta.b(),
        }
    }
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
