//! Bayesian answers without Monte Carlo: beta posteriors of proportions by quadrature, and the normal effect in closed
//! form. Losses are what choosing an arm costs in expectation.

use crate::bandit::thompson;
use crate::distribution::{Beta, normal};
use crate::quadrature;
use crate::{Result, StatsError, Summary, check};

/// The posterior of a proportion: a Beta prior and counts.
///
/// # Errors
/// What is not finite, shapes not above 0, successes that are not from 0 to n.
pub fn posterior(successes: f64, n: f64, prior_a: f64, prior_b: f64) -> Result<Beta> {
    check::finite([("x", successes), ("n", n), ("a0", prior_a), ("b0", prior_b)])?;
    check::range(
        "x",
        successes >= 0.0 && successes <= n,
        "a count from 0 to n",
    )?;
    check::positive("a0", prior_a)?;
    check::positive("b0", prior_b)?;
    Beta::new(prior_a + successes, prior_b + (n - successes))
}

/// Two proportions compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// P(the treatment's rate is the larger).
    pub b_beats_a: f64,
    /// P(the control's is).
    pub a_beats_b: f64,
    /// E max(rate_b - rate_a, 0).
    pub loss_of_a: f64,
    /// E max(rate_a - rate_b, 0).
    pub loss_of_b: f64,
}

/// The chance to beat and the expected losses of two posteriors.
///
/// # Errors
/// What the quadrature of the ranks refuses.
pub fn compare(a: &Beta, b: &Beta) -> Result<Comparison> {
    let best = thompson::beta(&[*a, *b])?.best;
    let [a_beats_b, b_beats_a] = best.as_slice() else {
        return Err(StatsError::EmptyInput {
            input: "posteriors",
        });
    };
    let breaks = breaks([a, b]);
    // E max(A - B, 0) is the integral of P(B < x < A).
    let loss =
        |low: &Beta, high: &Beta| quadrature::composite(&breaks, |x| low.cdf(x) * high.sf(x));
    Ok(Comparison {
        b_beats_a: *b_beats_a,
        a_beats_b: *a_beats_b,
        loss_of_a: loss(a, b),
        loss_of_b: loss(b, a),
    })
}

/// Panels that follow both distributions: every one and a half standard deviations about each mean.
fn breaks(arms: [&Beta; 2]) -> Vec<f64> {
    let mut breaks = vec![0.0, 1.0];
    for arm in arms {
        let sd = arm.variance().sqrt();
        breaks.extend(
            (-8..=8)
                .map(|k| arm.mean() + 1.5 * sd * f64::from(k))
                .filter(|x| *x > 0.0 && *x < 1.0),
        );
    }
    // A density with few counts may have a root or a pole at an end: panels that halve towards it.
    if arms.iter().any(|arm| arm.a().min(arm.b()) < 10.0) {
        breaks.extend((1..=48).flat_map(|k| [0.5_f64.powi(k), 1.0 - 0.5_f64.powi(k)]));
    }
    breaks.sort_by(f64::total_cmp);
    breaks.dedup();
    breaks
}

/// A normal prior of the effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Its mean.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
}

/// The posterior of an effect that is normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalEffect {
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// P(effect > 0).
    pub chance_to_win: f64,
    /// P(effect < 0).
    pub chance_to_lose: f64,
    /// Lower bound of the central credible interval.
    pub ci_lo: f64,
    /// Upper bound of it.
    pub ci_hi: f64,
    /// E max(effect, 0): what keeping the control costs.
    pub risk_control: f64,
    /// E max(-effect, 0): what choosing the treatment costs.
    pub risk_treatment: f64,
}

/// The posterior from an estimate and its variance; without a prior, a flat one.
///
/// # Errors
/// What is not finite or out of range.
pub fn normal_effect(
    estimate: f64,
    variance: f64,
    prior: Option<Prior>,
    alpha: f64,
) -> Result<NormalEffect> {
    check::finite([
        ("estimate", estimate),
        ("variance", variance),
        ("alpha", alpha),
    ])?;
    check::positive("variance", variance)?;
    let (mean, variance) = match prior {
        None => (estimate, variance),
        Some(prior) => {
            check::finite([("prior_mean", prior.mean), ("prior_var", prior.variance)])?;
            check::positive("prior_var", prior.variance)?;
            let total = variance + prior.variance;
            (
                (estimate * prior.variance + prior.mean * variance) / total,
                variance / total * prior.variance,
            )
        }
    };
    check::open_unit("alpha", alpha)?;
    let sd = variance.sqrt();
    let half = normal::isf(0.5 * alpha)? * sd;
    let z = mean / sd;
    Ok(NormalEffect {
        mean,
        sd,
        chance_to_win: normal::cdf(z),
        chance_to_lose: normal::sf(z),
        ci_lo: mean - half,
        ci_hi: mean + half,
        risk_control: sd * overshoot(-z),
        risk_treatment: sd * overshoot(z),
    })
}

/// E max(Z - z, 0), never below 0.
fn overshoot(z: f64) -> f64 {
    (normal::pdf(z) - z * normal::sf(z)).max(0.0)
}

/// The difference of two means, or their lift by the delta method, with its variance: what [`normal_effect`] takes.
///
/// # Errors
/// What is not finite or out of range, below two units an arm, no variance, a lift of a zero baseline.
pub fn effect_of(a: &Summary, b: &Summary, relative: bool) -> Result<(f64, f64)> {
    Summary::check_pair(a, b)?;
    let (var_a, var_b) = (a.mean_variance(), b.mean_variance());
    if var_a + var_b <= 0.0 {
        return Err(StatsError::ZeroVariance { input: "both arms" });
    }
    if !relative {
        return Ok((b.mean - a.mean, var_a + var_b));
    }
    if a.mean == 0.0 {
        return Err(StatsError::ZeroBaseline);
    }
    let ratio = b.mean / a.mean;
    Ok((
        (b.mean - a.mean) / a.mean.abs(),
        (var_b + var_a * ratio * ratio) / (a.mean * a.mean),
    ))
}
