//! Thompson sampling (Thompson 1933) without sampling: the probability of each arm to be the best, by quadrature, for Beta
//! posteriors of shares and normal posteriors of means; and top-two Thompson sampling (Russo 2016), which goes on
//! comparing the best arm with the one that may be better.

use super::log_concave::{BetaLogit, CUTS, LogConcave, reach};
use crate::distribution::Beta;
use crate::quadrature::{self, NODES, ORDER};
use crate::{Result, check};

/// A normal distribution of a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
}

/// Each arm's probability to be the best, and to be the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// The best. They add up to 1.
    pub best: Vec<f64>,
    /// The second. They add up to 1 where there are two arms or more.
    pub second: Vec<f64>,
}

impl Ranks {
    /// Shares for top-two Thompson sampling with a fair coin: `(P(best) + P(second)) / 2`.
    #[must_use]
    pub fn top_two(&self) -> Vec<f64> {
        if self.best.len() < 2 {
            return self.best.clone();
        }
        self.best
            .iter()
            .zip(&self.second)
            .map(|(best, second)| 0.5 * (best + second))
            .collect()
    }
}

/// The ranks of arms with Beta posteriors of their shares. Relative error 1e-10, absolute 1e-14.
///
/// # Errors
/// `EmptyInput`.
pub fn beta(arms: &[Beta]) -> Result<Ranks> {
    check::not_empty("arms", arms)?;
    let in_logits: Vec<BetaLogit> = arms.iter().map(BetaLogit::from).collect();
    Ok(ranks(&in_logits))
}

/// The ranks of arms with normal posteriors. Relative error 1e-10, absolute 1e-14.
///
/// # Errors
/// `NonFiniteInput`, `EmptyInput`, `OutOfRange` for a standard deviation that is not positive.
pub fn normal(arms: &[Normal]) -> Result<Ranks> {
    for arm in arms {
        check::finite([("mean", arm.mean), ("sd", arm.sd)])?;
    }
    check::not_empty("arms", arms)?;
    for arm in arms {
        check::positive("sd", arm.sd)?;
    }
    Ok(ranks(arms))
}

impl LogConcave for Normal {
    fn mode(&self) -> f64 {
        self.mean
    }

    fn scale(&self) -> f64 {
        self.sd
    }

    fn log_relative(&self, gap: f64) -> f64 {
        let z = gap / self.sd;
        -0.5 * z * z
    }
}

/// One arm's density with its panels.
struct Piecewise<'a, D> {
    density: &'a D,
    low: f64,
    high: f64,
    total: f64,
}

/// What an arm adds at the nodes of one panel: its density, and the probability to be below.
struct AtNodes {
    density: [f64; ORDER],
    below: [f64; ORDER],
}

impl<'a, D: LogConcave> Piecewise<'a, D> {
    fn new(density: &'a D, breaks: &mut Vec<f64>) -> Self {
        let mode = density.mode();
        let mut own = vec![mode];
        for cut in CUTS {
            own.push(mode + reach(density, cut, 1.0));
            own.push(mode + reach(density, cut, -1.0));
        }
        own.sort_unstable_by(f64::total_cmp);
        breaks.extend(&own);
        let (low, high) = (
            own.first().copied().unwrap_or(mode),
            own.last().copied().unwrap_or(mode),
        );
        let total = quadrature::composite(&own, |u| density.log_relative(u - mode).exp());
        Self {
            density,
            low,
            high,
            total,
        }
    }

    fn at(&self, u: f64) -> f64 {
        self.density.log_relative(u - self.density.mode()).exp() / self.total
    }

    /// At the nodes from `low` to `high`; `below` is the probability below `low` and moves on to `high`.
    fn at_nodes(&self, low: f64, high: f64, below: &mut f64) -> AtNodes {
        let mut found = AtNodes {
            density: [0.0; ORDER],
            below: [*below; ORDER],
        };
        if high <= self.low || low >= self.high {
            return found;
        }
        let half = 0.5 * (high - low);
        let slots = found.density.iter_mut().zip(&mut found.below);
        for (node, (density, until)) in NODES.iter().zip(slots) {
            let u = low + half * (1.0 + node);
            *density = self.at(u);
            *until = *below + quadrature::panel(low, u, |u| self.at(u));
        }
        *below += quadrature::panel(low, high, |u| self.at(u));
        found
    }
}

fn ranks<D: LogConcave>(arms: &[D]) -> Ranks {
    let mut breaks = Vec::new();
    let pieces: Vec<Piecewise<D>> = arms
        .iter()
        .map(|arm| Piecewise::new(arm, &mut breaks))
        .collect();
    breaks.sort_unstable_by(f64::total_cmp);
    breaks.dedup();
    let mut below = vec![0.0; arms.len()];
    let mut ranks = Ranks {
        best: vec![0.0; arms.len()],
        second: vec![0.0; arms.len()],
    };
    for pair in breaks.windows(2) {
        let [low, high] = *pair else { continue };
        let values: Vec<AtNodes> = pieces
            .iter()
            .zip(&mut below)
            .map(|(piece, below)| piece.at_nodes(low, high, below))
            .collect();
        let mut place = 0;
        quadrature::nodes(low, high, |_, weight| {
            add_node(&values, place, weight, &mut ranks);
            place += 1;
        });
    }
    normalise(&mut ranks.best);
    if arms.len() > 1 {
        normalise(&mut ranks.second);
    }
    ranks
}

/// Adds what the arms have at one node: an arm is best when all others are below it, second when one is not.
fn add_node(values: &[AtNodes], place: usize, weight: f64, ranks: &mut Ranks) {
    let get = |list: &[f64; ORDER]| list.get(place).copied().unwrap_or_default();
    for (arm, own) in values.iter().enumerate() {
        let density = weight * get(&own.density);
        if density == 0.0 {
            continue;
        }
        // The probability that none, and that exactly one, of the others is above.
        let (mut none, mut one) = (1.0, 0.0);
        for other in values
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != arm)
            .map(|(_, value)| value)
        {
            let below = get(&other.below).min(1.0);
            one = one * below + none * (1.0 - below);
            none *= below;
        }
        if let (Some(best), Some(second)) = (ranks.best.get_mut(arm), ranks.second.get_mut(arm)) {
            *best += density * none;
            *second += density * one;
        }
    }
}

/// Takes out what the cut tails and rounding left.
fn normalise(shares: &mut [f64]) {
    let total: f64 = shares.iter().sum();
    for share in shares {
        *share /= total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_normals_have_the_closed_form() {
        let found =
            normal(&[Normal { mean: 0.0, sd: 3.0 }, Normal { mean: 1.0, sd: 4.0 }]).unwrap();
        let expected = crate::distribution::normal::cdf(1.0 / 5.0);
        assert!((found.best[1] - expected).abs() < 1e-13, "{found:?}");
        assert!((found.second[0] - expected).abs() < 1e-13, "{found:?}");
    }

    #[test]
    fn two_uniform_shares_are_alike_and_a_dominated_arm_has_nothing() {
        let flat = Beta::new(1.0, 1.0).unwrap();
        let found = beta(&[flat, flat]).unwrap();
        assert!((found.best[0] - 0.5).abs() < 1e-14, "{found:?}");
        let sure = Beta::new(9e8, 1e8).unwrap();
        let found = beta(&[sure, Beta::new(1e8, 9e8).unwrap()]).unwrap();
        assert_eq!(found.best, [1.0, 0.0]);
    }

    #[test]
    fn beta_against_uniform_is_its_mean() {
        // P(X > U) = E(X).
        let found = beta(&[Beta::new(0.02, 0.5).unwrap(), Beta::new(1.0, 1.0).unwrap()]).unwrap();
        assert!((found.best[0] - 0.02 / 0.52).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn one_arm_is_the_best_there_is() {
        let found = normal(&[Normal { mean: 0.0, sd: 1.0 }]).unwrap();
        assert_eq!(
            (found.best.as_slice(), found.top_two().as_slice()),
            ([1.0].as_slice(), [1.0].as_slice())
        );
    }
}
