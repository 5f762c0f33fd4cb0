//! Tests that look once, on data that they are made for.

use super::case::{ALPHA, Answer, Case, Must, sample, successes, within};
use super::power::Curve;
use crate::draw::{Draws, normal, uniform};
use watershed_stats::Summary;
use watershed_stats::distribution::{noncentral_t, student_t};
use watershed_stats::fixed::means::{Test, student, welch};
use watershed_stats::fixed::proportions::{Count, z_pooled, z_unpooled};
use watershed_stats::fixed::ratio::{RatioSums, ratio};
use watershed_stats::fixed::relative::{delta, fieller};
use watershed_stats::fixed::{fisher, table};
use watershed_stats::plan::proportions::Method;
use watershed_stats::plan::{Design, means, proportions};

/// The control's rate and the treatment's.
const RATES: [f64; 2] = [0.30, 0.34];
const MANY: u32 = 2_000;
/// The same for few units, where counts are small.
const RARE: [f64; 2] = [0.1, 0.3];
const FEW: u32 = 60;
const T_EFFECT: f64 = 0.4;
const WELCH_EFFECT: f64 = 2.0;
const RATIO_EFFECT: f64 = 0.06;
const SESSIONS: u32 = 1_000;
const TEST: Test = Test {
    alpha: ALPHA,
    null: 0.0,
};
const DESIGN: Design = Design {
    alpha: ALPHA,
    power: 0.8,
    ratio: 1.0,
    two_sided: true,
};

fn rates(draws: &mut Draws, effect: bool) -> (Count, Count, f64) {
    rates_of(if effect { RATES[1] - RATES[0] } else { 0.0 }, draws)
}

fn rates_of(shift: f64, draws: &mut Draws) -> (Count, Count, f64) {
    let a = successes(MANY, RATES[0], draws);
    (a, successes(MANY, RATES[0] + shift, draws), shift)
}

fn two_proportions(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let (a, b, truth) = rates(draws, effect);
    let interval = z_unpooled(a, b, ALPHA)?;
    Ok(Answer {
        rejects: z_pooled(a, b, ALPHA)?.p_two < ALPHA,
        covers: within((interval.ci_lo, interval.ci_hi), truth),
    })
}

fn chi_squared(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let (a, b, _) = rates(draws, effect);
    let rejects = table::two_by_two(a, b, false)?.p < ALPHA;
    Ok(Answer {
        rejects,
        covers: None,
    })
}

fn chi_squared_with_yates(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let (a, b, _) = rates(draws, effect);
    let rejects = table::two_by_two(a, b, true)?.p < ALPHA;
    Ok(Answer {
        rejects,
        covers: None,
    })
}

fn fisher_exact(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let [p, other] = RARE;
    let a = successes(FEW, p, draws);
    let b = successes(FEW, if effect { other } else { p }, draws);
    Ok(Answer {
        rejects: fisher_rejects(a, b)?,
        covers: None,
    })
}

/// Without a success anywhere, there is nothing to tell apart.
fn fisher_rejects(a: Count, b: Count) -> anyhow::Result<bool> {
    Ok(a.x + b.x > 0.0 && fisher::two_sided(a, b)? < ALPHA)
}

/// How often Fisher's test rejects where the second arm has the rate `q`: the sum over every outcome that there is.
fn fisher_in_theory(q: f64) -> anyhow::Result<f64> {
    let (of_a, of_b) = (binomial(FEW, RARE[0]), binomial(FEW, q));
    let mut sum = 0.0;
    for (x, p) in of_a.iter().enumerate() {
        for (y, q) in of_b.iter().enumerate() {
            let count = |x: usize| Count {
                x: x as f64,
                n: f64::from(FEW),
            };
            if fisher_rejects(count(x), count(y))? {
                sum += p * q;
            }
        }
    }
    Ok(sum)
}

/// The probabilities of 0 to `n` successes, each from the one before it.
fn binomial(n: u32, p: f64) -> Vec<f64> {
    let mut found = vec![(1.0 - p).powi(n as i32)];
    for k in 0..n {
        let last = found.last().copied().unwrap_or_default();
        found.push(last * f64::from(n - k) / f64::from(k + 1) * p / (1.0 - p));
    }
    found
}

fn students_t(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    t_of(if effect { T_EFFECT } else { 0.0 }, draws)
}

fn t_of(truth: f64, draws: &mut Draws) -> anyhow::Result<Answer> {
    let a = sample(100, draws, normal)?;
    let b = sample(100, draws, |draws| truth + normal(draws))?;
    let answer = student(&a, &b, TEST)?;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
}

/// Arms of 15 and 60 units whose standard deviations are 3 to 1: where Student's t fails.
fn welchs_t(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let truth = if effect { WELCH_EFFECT } else { 0.0 };
    let a = sample(15, draws, |draws| 3.0 * normal(draws))?;
    let b = sample(60, draws, |draws| truth + normal(draws))?;
    let answer = welch(&a, &b, TEST)?;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
}

/// The noncentral t at the true variances and their Satterthwaite degrees of freedom: near, as the estimated ones vary.
fn welch_in_theory() -> anyhow::Result<f64> {
    let parts = [9.0 / 15.0, 1.0 / 60.0];
    let variance: f64 = parts.iter().sum();
    let df = variance * variance / (parts[0] * parts[0] / 14.0 + parts[1] * parts[1] / 59.0);
    let critical = student_t::isf(0.5 * ALPHA, df)?;
    let shift = WELCH_EFFECT / variance.sqrt();
    Ok(noncentral_t::sf(critical, df, shift)? + noncentral_t::sf(critical, df, -shift)?)
}

/// Revenue a session over units of 1 to 5 sessions: numerator and denominator hang together.
fn sessions(rate: f64, draws: &mut Draws) -> RatioSums {
    let mut sums = RatioSums {
        n: 0.0,
        sum_m: 0.0,
        sum_d: 0.0,
        sum_m2: 0.0,
        sum_d2: 0.0,
        sum_md: 0.0,
    };
    for _ in 0..SESSIONS {
        let d = 1.0 + (5.0 * uniform(draws)).floor();
        let m = d * rate + d.sqrt() * normal(draws) + 0.5 * (d - 3.0);
        sums.n += 1.0;
        sums.sum_m += m;
        sums.sum_d += d;
        sums.sum_m2 += m * m;
        sums.sum_d2 += d * d;
        sums.sum_md += m * d;
    }
    sums
}

fn ratio_by_delta(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    ratio_of(if effect { RATIO_EFFECT } else { 0.0 }, draws)
}

fn ratio_of(truth: f64, draws: &mut Draws) -> anyhow::Result<Answer> {
    let (a, b) = (sessions(2.0, draws), sessions(2.0 + truth, draws));
    let answer = ratio(&a, &b, ALPHA)?.absolute;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
}

/// A unit's numerator less the ratio times its denominator is `sqrt(d) z + (d - 3) / 2`, of variance 3 + 2/4.
fn ratio_sd() -> f64 {
    3.5_f64.sqrt() / 3.0
}

fn spendings(draws: &mut Draws, effect: bool) -> anyhow::Result<(Summary, Summary, f64)> {
    let lift = if effect { 0.1 } else { 0.0 };
    let one = |draws: &mut Draws| (0.5 * normal(draws)).exp();
    let a = sample(500, draws, one)?;
    let b = sample(500, draws, |draws| (1.0 + lift) * one(draws))?;
    Ok((a, b, lift))
}

fn lift_by_delta(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let (a, b, truth) = spendings(draws, effect)?;
    let answer = delta(&a, &b, ALPHA)?;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
}

fn lift_by_fieller(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let (a, b, truth) = spendings(draws, effect)?;
    let answer = fieller(&a, &b, ALPHA)?;
    let interval = (answer.ci_lo, answer.ci_hi);
    Ok(Answer {
        rejects: within(interval, 0.0) == Some(false),
        covers: within(interval, truth),
    })
}

/// All of them.
pub(super) fn cases() -> anyhow::Result<Vec<Case>> {
    let near = |by| {
        (
            Some(Must::BeNear(ALPHA, by)),
            Some(Must::BeNear(1.0 - ALPHA, by)),
        )
    };
    let exact = (Some(Must::Be(ALPHA)), Some(Must::Be(1.0 - ALPHA)));
    let level = |must| (Some(must), None);
    let case = |name, run, (level, coverage), power| Case {
        name,
        run,
        level,
        coverage,
        power,
    };
    let n = f64::from(MANY);
    let of_rates = proportions::power(RATES[0], RATES[1], n, &DESIGN, Method::Pooled)?.both_tails;
    let of_means = means::power_t(T_EFFECT, 1.0, 100.0, &DESIGN)?;
    let of_ratio = means::power_z(RATIO_EFFECT, ratio_sd(), f64::from(SESSIONS), &DESIGN)?;
    let of_fisher = fisher_in_theory(RARE[1])?;
    Ok(vec![
        case(
            "two proportions, z",
            two_proportions,
            near(0.002),
            Some(of_rates),
        ),
        case(
            "chi-squared",
            chi_squared,
            level(Must::BeNear(ALPHA, 0.002)),
            Some(of_rates),
        ),
        case(
            "chi-squared, Yates",
            chi_squared_with_yates,
            level(Must::BeAtMost(ALPHA)),
            None,
        ),
        case(
            "Fisher, 60 an arm",
            fisher_exact,
            level(Must::Be(fisher_in_theory(RARE[0])?)),
            Some(of_fisher),
        ),
        case("Student's t", students_t, exact, Some(of_means)),
        case(
            "Welch's t, 15 and 60 units, 3:1",
            welchs_t,
            near(0.003),
            Some(welch_in_theory()?),
        ),
        case(
            "ratio, delta method",
            ratio_by_delta,
            near(0.002),
            Some(of_ratio),
        ),
        case("lift, delta method", lift_by_delta, near(0.003), None),
        case("lift, Fieller", lift_by_fieller, near(0.003), None),
    ])
}

/// Tests whose power is followed over the size of the effect: up to half as much again as above.
pub(super) fn curves() -> Vec<Curve> {
    vec![
        Curve {
            name: "two proportions, z",
            largest: 1.5 * (RATES[1] - RATES[0]),
            rejects: |shift, draws| {
                let (a, b, _) = rates_of(shift, draws);
                Ok(z_pooled(a, b, ALPHA)?.p_two < ALPHA)
            },
            planned: |shift| {
                let (n, other) = (f64::from(MANY), RATES[0] + shift);
                Ok(proportions::power(RATES[0], other, n, &DESIGN, Method::Pooled)?.both_tails)
            },
        },
        Curve {
            name: "Student's t",
            largest: 1.5 * T_EFFECT,
            rejects: |effect, draws| Ok(t_of(effect, draws)?.rejects),
            planned: |effect| Ok(means::power_t(effect, 1.0, 100.0, &DESIGN)?),
        },
        Curve {
            name: "ratio (delta)",
            largest: 1.5 * RATIO_EFFECT,
            rejects: |effect, draws| Ok(ratio_of(effect, draws)?.rejects),
            planned: |effect| {
                Ok(means::power_z(
                    effect,
                    ratio_sd(),
                    f64::from(SESSIONS),
                    &DESIGN,
                )?)
            },
        },
    ]
}
