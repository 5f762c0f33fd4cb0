//! The regret of bandit policies against published bounds, and the coverage of effects estimated from their data.

use crate::bounds;
use crate::draw::{Draws, seeded, uniform};
use crate::plot::{Plot, Series};
use crate::report::{Study, percent, range};
use rand_distr::Distribution as _;
use watershed_stats::bandit::off_policy::{Decision, Weighting, effect};
use watershed_stats::bandit::thompson;
use watershed_stats::bandit::{Arm, epsilon_greedy, floor, ucb};
use watershed_stats::bayes;
use watershed_stats::distribution::Beta;

const ARMS: [f64; 3] = [0.5, 0.45, 0.35];
const HORIZON: usize = 20_000;
const REPEATS: usize = 100;
const BATCHES: usize = 10;
const BATCH: usize = 200;
const ESTIMATES: u64 = 2_000;

#[derive(Clone, Copy)]
enum Policy {
    Epsilon,
    Ucb1,
    Ucb1Tuned,
    Thompson,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "ε-greedy, ε = 0.1",
            Self::Ucb1 => "UCB1",
            Self::Ucb1Tuned => "UCB1-tuned",
            Self::Thompson => "Thompson",
        }
    }

    fn choose(self, arms: &[Arm], draws: &mut Draws) -> anyhow::Result<usize> {
        Ok(match self {
            Self::Epsilon => pick(&epsilon_greedy::probabilities(arms, 0.1)?, draws),
            Self::Ucb1 => ucb::ucb1(arms, 2.0)?.choice,
            Self::Ucb1Tuned => ucb::ucb1_tuned(arms)?.choice,
            Self::Thompson => {
                let mut best = (0, f64::NEG_INFINITY);
                for (place, arm) in arms.iter().enumerate() {
                    let posterior =
                        rand_distr::Beta::new(1.0 + arm.reward, 1.0 + arm.pulls - arm.reward)?;
                    let value: f64 = posterior.sample(draws);
                    if value > best.1 {
                        best = (place, value);
                    }
                }
                best.0
            }
        })
    }
}

fn pick(probabilities: &[f64], draws: &mut Draws) -> usize {
    let mut left = uniform(draws);
    for (place, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return place;
        }
    }
    probabilities.len() - 1
}

/// The mean regret of a policy at the checkpoints.
fn regret(policy: Policy, checkpoints: &[usize], seed: u64) -> anyhow::Result<Vec<f64>> {
    let mut draws = seeded(seed);
    let mut means = vec![0.0; checkpoints.len()];
    for _ in 0..REPEATS {
        let mut arms = [Arm::default(); ARMS.len()];
        let (mut lost, mut next) = (0.0, 0);
        for step in 1..=HORIZON {
            let choice = policy.choose(&arms, &mut draws)?;
            let reward = f64::from(u8::from(uniform(&mut draws) < ARMS[choice]));
            arms[choice].pulls += 1.0;
            arms[choice].reward += reward;
            arms[choice].squared_reward += reward;
            lost += ARMS[0] - ARMS[choice];
            if checkpoints.get(next) == Some(&step) {
                means[next] += lost / REPEATS as f64;
                next += 1;
            }
        }
    }
    Ok(means)
}

/// Theorem 1 of Auer, Cesa-Bianchi and Fischer 2002.
fn ucb1_bound(n: f64) -> f64 {
    let gaps = || ARMS.iter().map(|p| ARMS[0] - p).filter(|gap| *gap > 0.0);
    8.0 * n.ln() * gaps().map(|gap| 1.0 / gap).sum::<f64>()
        + (1.0 + std::f64::consts::PI.powi(2) / 3.0) * gaps().sum::<f64>()
}

/// The slope that no consistent policy beats in the long run (Lai and Robbins 1985), times ln n.
fn lai_robbins(n: f64) -> f64 {
    let divergence = |p: f64, q: f64| p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
    n.ln()
        * ARMS
            .iter()
            .skip(1)
            .map(|p| (ARMS[0] - p) / divergence(*p, ARMS[0]))
            .sum::<f64>()
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "Bandits: regret, and effects from their data",
        text: format!(
            "Bernoulli arms {ARMS:?}, {HORIZON} pulls, mean of {REPEATS} runs. UCB1's regret must be below the bound that Auer,\n\
             Cesa-Bianchi and Fischer (2002) prove, Thompson's below twice Lai and Robbins' slope (it is asymptotically optimal)\n\
             plus the same constant, at each checkpoint."
        ),
        head: vec![
            "policy",
            "regret at 1,000",
            "at 20,000",
            "bound at 20,000",
            "below its bound throughout",
        ],
        ..Study::default()
    };
    let checkpoints: Vec<usize> = (0..=26)
        .map(|step| (100.0 * 10_f64.powf(f64::from(step) * 0.0885)).round() as usize)
        .collect();
    let mut series = Vec::new();
    for (place, policy) in [
        Policy::Epsilon,
        Policy::Ucb1,
        Policy::Ucb1Tuned,
        Policy::Thompson,
    ]
    .into_iter()
    .enumerate()
    {
        let found = regret(policy, &checkpoints, 400 + place as u64)?;
        let constant = ucb1_bound(1.0);
        let bound: Option<fn(f64) -> f64> = match policy {
            Policy::Epsilon => None,
            Policy::Ucb1 | Policy::Ucb1Tuned => Some(ucb1_bound),
            Policy::Thompson => Some(|n| 2.0 * lai_robbins(n)),
        };
        let extra = if matches!(policy, Policy::Thompson) {
            constant
        } else {
            0.0
        };
        let holds = bound.map(|bound| {
            checkpoints
                .iter()
                .zip(&found)
                .all(|(n, regret)| *regret <= bound(*n as f64) + extra)
        });
        let word = holds.map_or("(none: its regret is linear)".to_owned(), |holds| {
            study.check(holds, format!("{}'s regret", policy.name()))
        });
        let at = |n: usize| {
            checkpoints
                .iter()
                .zip(&found)
                .rfind(|(c, _)| **c <= n)
                .map_or(0.0, |(_, r)| *r)
        };
        study.rows.push(vec![
            policy.name().into(),
            format!("{:.0}", at(1_000)),
            format!("{:.0}", at(HORIZON)),
            bound.map_or("–".into(), |bound| {
                format!("{:.0}", bound(HORIZON as f64) + extra)
            }),
            word,
        ]);
        let points = checkpoints.iter().map(|n| *n as f64).zip(found).collect();
        series.push(Series {
            name: policy.name().into(),
            points,
            dashed: false,
        });
    }
    let points = checkpoints
        .iter()
        .map(|n| (*n as f64, lai_robbins(*n as f64)))
        .collect();
    series.push(Series {
        name: "Lai-Robbins slope".into(),
        points,
        dashed: true,
    });
    study.plots.push(Plot {
        file: "bandit-regret",
        title: "Regret of bandit policies".into(),
        axes: ("pulls", "mean regret"),
        log_x: true,
        series,
    });
    off_policy(&mut study)?;
    Ok(study)
}

/// Adds the coverage of effects from Thompson data, in batches with a floor of 5%.
fn off_policy(study: &mut Study) -> anyhow::Result<()> {
    let truth = ARMS[1] - ARMS[0];
    let mut draws = seeded(450);
    let (mut covered, mut mean) = ([0_u64; 3], [0.0; 3]);
    for _ in 0..ESTIMATES {
        let decisions = batches(&mut draws)?;
        let plain: Vec<Decision> = decisions
            .iter()
            .map(|d| Decision {
                expected: vec![0.0; ARMS.len()],
                ..d.clone()
            })
            .collect();
        for (place, (data, weighting)) in [
            (&plain, Weighting::Uniform),
            (&decisions, Weighting::Uniform),
            (&decisions, Weighting::Adaptive),
        ]
        .into_iter()
        .enumerate()
        {
            let found = effect(data, (0, 1), weighting, 0.05)?;
            covered[place] += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
            mean[place] += found.effect / ESTIMATES as f64;
        }
    }
    let mut text = format!(
        "\n\nEffects from adaptive data: {ESTIMATES} experiments of {BATCHES} batches of {BATCH} by Thompson sampling with a floor of 5%; the\n\
         true effect of the second arm is {truth:.3}. Nominal coverage is 95%.\n\n\
         | estimate | mean | coverage | 99% interval |\n| --- | --- | --- | --- |\n"
    );
    for (place, name) in [
        "inverse propensity",
        "doubly robust",
        "doubly robust, adaptive weights",
    ]
    .into_iter()
    .enumerate()
    {
        let interval = bounds::both(covered[place], ESTIMATES, 0.99);
        text.push_str(&format!(
            "| {name} | {:.4} | {} | {} |\n",
            mean[place],
            percent(covered[place] as f64 / ESTIMATES as f64),
            range(interval)
        ));
        study.check(interval.1 >= 0.95, format!("coverage of {name}"));
        study.check(
            (mean[place] - truth).abs() < 0.004,
            format!("bias of {name}"),
        );
    }
    study.text.push_str(text.trim_end());
    study.text.push_str("\n\nRegret:");
    Ok(())
}

fn batches(draws: &mut Draws) -> anyhow::Result<Vec<Decision>> {
    let mut arms = [Arm::default(); ARMS.len()];
    let mut decisions = Vec::with_capacity(BATCHES * BATCH);
    for _ in 0..BATCHES {
        let posteriors: Vec<Beta> = arms
            .iter()
            .map(|arm| bayes::posterior(arm.reward, arm.pulls, 1.0, 1.0))
            .collect::<watershed_stats::Result<_>>()?;
        let probabilities = floor::floored(&thompson::beta(&posteriors)?.best, 0.05)?;
        let expected: Vec<f64> = arms.iter().map(|arm| arm.mean().unwrap_or(0.5)).collect();
        for _ in 0..BATCH {
            let arm = pick(&probabilities, draws);
            let reward = f64::from(u8::from(uniform(draws) < ARMS[arm]));
            arms[arm].pulls += 1.0;
            arms[arm].reward += reward;
            decisions.push(Decision {
                arm,
                probabilities: probabilities.clone(),
                reward,
                expected: expected.clone(),
            });
        }
    }
    Ok(decisions)
}
