//! Intervals: how often they cover. Where there is no test beside them, that is all.

use super::case::{ALPHA, Answer, Case, Must, sample, successes, within};
use crate::draw::{Draws, normal, uniform};
use watershed_stats::bayes::{self, Prior};
use watershed_stats::fixed::proportions::{agresti_caffo, clopper_pearson, newcombe, wilson};
use watershed_stats::fixed::quantile;
use watershed_stats::results::{
    self, Data, Direction, Evidence, Method, Metric, Phase, Plan, QuantileArm, Role, View,
};
use watershed_stats::variance_reduction::post_stratification::{Stratum, stratified};

/// The 90th percentile of 200 exponentials.
fn percentile(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let mut values: Vec<f64> = (0..200).map(|_| -(1.0 - uniform(draws)).ln()).collect();
    values.sort_by(f64::total_cmp);
    let answer = quantile::of_sorted(&values, 0.9, ALPHA)?;
    Ok(Answer {
        rejects: false,
        covers: within((answer.ci_lo, answer.ci_hi), 10.0_f64.ln()),
    })
}

fn wilson_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let covers = within(wilson(successes(100, 0.1, draws), ALPHA)?, 0.1);
    Ok(Answer {
        rejects: false,
        covers,
    })
}

fn clopper_pearson_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let covers = within(clopper_pearson(successes(100, 0.1, draws), ALPHA)?, 0.1);
    Ok(Answer {
        rejects: false,
        covers,
    })
}

fn newcombe_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let (a, b) = (successes(60, 0.1, draws), successes(60, 0.3, draws));
    Ok(Answer {
        rejects: false,
        covers: within(newcombe(a, b, ALPHA)?, 0.2),
    })
}

fn agresti_caffo_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let (a, b) = (successes(60, 0.1, draws), successes(60, 0.3, draws));
    Ok(Answer {
        rejects: false,
        covers: within(agresti_caffo(a, b, ALPHA)?, 0.2),
    })
}

/// The rate is drawn from the prior, Beta(2, 8): then a credible interval covers it as often as it says.
fn credible_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    // The second smallest of nine uniforms.
    let mut uniforms: Vec<f64> = (0..9).map(|_| uniform(draws)).collect();
    uniforms.sort_by(f64::total_cmp);
    let truth = uniforms.get(1).copied().unwrap_or_default();
    let seen = successes(50, truth, draws);
    let posterior = bayes::posterior(seen.x, seen.n, 2.0, 8.0)?;
    let interval = (
        posterior.quantile(0.5 * ALPHA)?,
        posterior.quantile(1.0 - 0.5 * ALPHA)?,
    );
    Ok(Answer {
        rejects: false,
        covers: within(interval, truth),
    })
}

/// The same for a mean: the effect is drawn from its normal prior.
fn normal_credible_interval(draws: &mut Draws, _: bool) -> anyhow::Result<Answer> {
    let prior = Prior {
        mean: 0.1,
        variance: 0.04,
    };
    let truth = prior.mean + prior.variance.sqrt() * normal(draws);
    let variance: f64 = 2.0 / 100.0;
    let estimate = truth + variance.sqrt() * normal(draws);
    let found = bayes::normal_effect(estimate, variance, Some(prior), ALPHA)?;
    Ok(Answer {
        rejects: false,
        covers: within((found.ci_lo, found.ci_hi), truth),
    })
}

/// Two phases at different levels, split 9 to 1 and then in halves: pooled, the level would look like an effect.
fn phases(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let truth = if effect { 0.25 } else { 0.0 };
    let mut strata = Vec::new();
    for (level, units) in [(0.0, [270, 30]), (2.0, [150, 150])] {
        let [control, treatment] = units;
        strata.push(Stratum {
            weight: None,
            control: sample(control, draws, |draws| level + normal(draws))?,
            treatment: sample(treatment, draws, |draws| level + truth + normal(draws))?,
        });
    }
    let found = stratified(&strata, ALPHA)?;
    Ok(Answer {
        rejects: found.p < ALPHA,
        covers: within(found.interval, truth),
    })
}

/// The 90th percentiles of two arms of 2,000 exponentials, compared as results compare them.
fn percentiles(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let scale = if effect { 1.1 } else { 1.0 };
    let mut arms = Vec::new();
    for scale in [1.0, scale] {
        let mut values: Vec<f64> = (0..2_000)
            .map(|_| -scale * (1.0 - uniform(draws)).ln())
            .collect();
        values.sort_by(f64::total_cmp);
        let found = quantile::of_sorted(&values, 0.9, ALPHA)?;
        arms.push(QuantileArm {
            n: values.len() as f64,
            estimate: found.estimate,
            lower: Some(found.ci_lo),
            upper: Some(found.ci_hi),
        });
    }
    let results = results::of(&compared(arms))?;
    let comparison = results
        .metrics
        .first()
        .and_then(|it| it.comparisons.first());
    let numbers = comparison.and_then(|it| it.numbers.as_ref());
    let numbers = numbers.ok_or_else(|| anyhow::anyhow!("the percentiles have no numbers"))?;
    let interval = (numbers.absolute.lower, numbers.absolute.upper);
    Ok(Answer {
        rejects: numbers.p < ALPHA,
        covers: within(interval, (scale - 1.0) * 10.0_f64.ln()),
    })
}

fn compared(arms: Vec<QuantileArm>) -> Evidence {
    Evidence {
        variants: vec!["a".into(), "b".into()],
        control: 0,
        view: View::IntentToTreat,
        plan: Plan {
            method: Method::Fixed,
            ..Plan::default()
        },
        phases: vec![Phase {
            weights: vec![1.0, 1.0],
            units: vec![2_000, 2_000],
        }],
        telemetry: None,
        contaminated: 0,
        aa_history: Vec::new(),
        metrics: vec![Metric {
            key: "latency".into(),
            role: Role::Primary,
            direction: Direction::Decrease,
            minimum_effect: None,
            winsorized: None,
            data: Data::Quantile {
                q: 0.9,
                alpha: ALPHA,
                phases: vec![arms],
            },
            ages: Vec::new(),
        }],
    }
}

/// All of them.
pub(super) fn cases() -> anyhow::Result<Vec<Case>> {
    let near = |by| Must::BeNear(1.0 - ALPHA, by);
    let case = |name, run, level, coverage| Case {
        name,
        run,
        level,
        coverage: Some(coverage),
        power: None,
    };
    let ranks = quantile::ranks(200, 0.9, ALPHA)?;
    Ok(vec![
        case(
            "two phases, post-stratified",
            phases,
            Some(Must::BeNear(ALPHA, 0.003)),
            near(0.003),
        ),
        case(
            "two 90th percentiles, as results compare them",
            percentiles,
            Some(Must::BeNear(ALPHA, 0.01)),
            near(0.01),
        ),
        case(
            "90th percentile, order statistics",
            percentile,
            None,
            Must::Be(ranks.coverage),
        ),
        case("one rate, Wilson", wilson_interval, None, near(0.02)),
        case(
            "one rate, Clopper-Pearson",
            clopper_pearson_interval,
            None,
            Must::BeAtLeast(1.0 - ALPHA),
        ),
        case("two rates, Newcombe", newcombe_interval, None, near(0.01)),
        case(
            "two rates, Agresti-Caffo",
            agresti_caffo_interval,
            None,
            near(0.01),
        ),
        case(
            "one rate, credible, truth from the prior",
            credible_interval,
            None,
            Must::Be(1.0 - ALPHA),
        ),
        case(
            "an effect, credible, truth from the prior",
            normal_credible_interval,
            None,
            Must::Be(1.0 - ALPHA),
        ),
    ])
}
