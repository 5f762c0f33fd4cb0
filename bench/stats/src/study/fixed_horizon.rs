//! Tests that look once: how often they reject where there is nothing, how often their intervals cover, and
//! whether their power is what the plan says.

use crate::bounds;
use crate::draw::{Draws, normal, seeded, uniform};
use crate::report::{Study, percent, range};
use watershed_stats::fixed::means::{Test, student, welch};
use watershed_stats::fixed::proportions::{
    Count, agresti_caffo, clopper_pearson, newcombe, wilson, z_pooled, z_unpooled,
};
use watershed_stats::fixed::ratio::{RatioSums, ratio};
use watershed_stats::fixed::relative::{delta, fieller};
use watershed_stats::fixed::{fisher, quantile, table};
use watershed_stats::moments::Moments;
use watershed_stats::plan::proportions::Method;
use watershed_stats::plan::{Design, means, proportions};
use watershed_stats::{Summary, bayes};

const REPEATS: u64 = 20_000;
const ALPHA: f64 = 0.05;

/// What one simulated experiment says.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    rejects: bool,
    covers: Option<bool>,
}

/// What the shares must be.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// This, within the Monte Carlo error.
    Be(f64),
    /// At most this: an exact test of counts can't be exactly at its level.
    BeAtMost(f64),
    /// At least this, for the same reason.
    BeAtLeast(f64),
    /// An approximation: within this much of the level.
    BeNear(f64, f64),
}

impl Must {
    fn holds(self, (low, high): (f64, f64)) -> bool {
        match self {
            Self::Be(share) => low <= share && share <= high,
            Self::BeAtMost(share) => low <= share,
            Self::BeAtLeast(share) => high >= share,
            Self::BeNear(share, by) => low <= share + by && high >= share - by,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Be(share) => percent(share),
            Self::BeAtMost(share) => format!("at most {}", percent(share)),
            Self::BeAtLeast(share) => format!("at least {}", percent(share)),
            Self::BeNear(share, by) => format!("{} ± {}", percent(share), percent(by)),
        }
    }
}

/// A method on its data: an experiment without an effect, or with the one of the plan.
struct Case {
    name: &'static str,
    run: fn(&mut Draws, bool) -> anyhow::Result<Answer>,
    level: Option<Must>,
    coverage: Option<Must>,
    power: Option<f64>,
}

fn successes(n: u32, p: f64, draws: &mut Draws) -> Count {
    let x = (0..n).filter(|_| uniform(draws) < p).count();
    Count {
        x: x as f64,
        n: f64::from(n),
    }
}

fn rates(draws: &mut Draws, effect: bool) -> (Count, Count, f64) {
    let (p, shift) = (0.30, if effect { 0.04 } else { 0.0 });
    let a = successes(2_000, p, draws);
    (a, successes(2_000, p + shift, draws), shift)
}

fn within((low, high): (f64, f64), truth: f64) -> Option<bool> {
    Some(low <= truth && truth <= high)
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
    let a = successes(60, 0.1, draws);
    let b = successes(60, if effect { 0.3 } else { 0.1 }, draws);
    // Without a success anywhere, there is nothing to tell apart.
    let rejects = a.x + b.x > 0.0 && fisher::two_sided(a, b)? < ALPHA;
    Ok(Answer {
        rejects,
        covers: None,
    })
}

fn sample(
    n: u32,
    draws: &mut Draws,
    mut one: impl FnMut(&mut Draws) -> f64,
) -> anyhow::Result<Summary> {
    let values: Vec<f64> = (0..n).map(|_| one(draws)).collect();
    Ok(Moments::of(&values)?.summary())
}

const T_EFFECT: f64 = 0.4;

fn students_t(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let truth = if effect { T_EFFECT } else { 0.0 };
    let a = sample(100, draws, normal)?;
    let b = sample(100, draws, |draws| truth + normal(draws))?;
    let test = Test {
        alpha: ALPHA,
        null: 0.0,
    };
    let answer = student(&a, &b, test)?;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
}

/// Arms of 15 and 60 units whose standard deviations are 3 to 1: where Student's t fails.
fn welchs_t(draws: &mut Draws, effect: bool) -> anyhow::Result<Answer> {
    let truth = if effect { 2.0 } else { 0.0 };
    let a = sample(15, draws, |draws| 3.0 * normal(draws))?;
    let b = sample(60, draws, |draws| truth + normal(draws))?;
    let test = Test {
        alpha: ALPHA,
        null: 0.0,
    };
    let answer = welch(&a, &b, test)?;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
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
    for _ in 0..1_000 {
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
    let truth = if effect { 0.06 } else { 0.0 };
    let (a, b) = (sessions(2.0, draws), sessions(2.0 + truth, draws));
    let answer = ratio(&a, &b, ALPHA)?.absolute;
    Ok(Answer {
        rejects: answer.p_two < ALPHA,
        covers: within((answer.ci_lo, answer.ci_hi), truth),
    })
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

fn cases() -> anyhow::Result<Vec<Case>> {
    let design = Design {
        alpha: ALPHA,
        power: 0.8,
        ratio: 1.0,
        two_sided: true,
    };
    let of_rates = proportions::power(0.30, 0.34, 2_000.0, &design, Method::Pooled)?.both_tails;
    let of_means = means::power_t(T_EFFECT, 1.0, 100.0, &design)?;
    let (level, coverage) = (Must::Be(ALPHA), Must::Be(1.0 - ALPHA));
    let near = Must::BeNear(1.0 - ALPHA, 0.01);
    let case = |name, run, level, coverage, power| Case {
        name,
        run,
        level,
        coverage,
        power,
    };
    Ok(vec![
        case(
            "two proportions, z",
            two_proportions,
            Some(Must::BeNear(ALPHA, 0.002)),
            Some(Must::BeNear(0.95, 0.002)),
            Some(of_rates),
        ),
        case(
            "chi-squared",
            chi_squared,
            Some(Must::BeNear(ALPHA, 0.002)),
            None,
            Some(of_rates),
        ),
        case(
            "chi-squared, Yates",
            chi_squared_with_yates,
            Some(Must::BeAtMost(ALPHA)),
            None,
            None,
        ),
        case(
            "Fisher, 60 an arm",
            fisher_exact,
            Some(Must::BeAtMost(ALPHA)),
            None,
            None,
        ),
        case(
            "Student's t",
            students_t,
            Some(level),
            Some(coverage),
            Some(of_means),
        ),
        case(
            "Welch's t, 15 and 60 units, 3:1",
            welchs_t,
            Some(Must::BeNear(ALPHA, 0.003)),
            Some(Must::BeNear(0.95, 0.003)),
            None,
        ),
        case(
            "ratio, delta method",
            ratio_by_delta,
            Some(Must::BeNear(ALPHA, 0.002)),
            Some(Must::BeNear(0.95, 0.002)),
            None,
        ),
        case(
            "lift, delta method",
            lift_by_delta,
            Some(Must::BeNear(ALPHA, 0.003)),
            Some(Must::BeNear(0.95, 0.003)),
            None,
        ),
        case(
            "lift, Fieller",
            lift_by_fieller,
            Some(Must::BeNear(ALPHA, 0.003)),
            Some(Must::BeNear(0.95, 0.003)),
            None,
        ),
        case(
            "90th percentile, order statistics",
            percentile,
            None,
            Some(Must::Be(quantile::ranks(200, 0.9, ALPHA)?.coverage)),
            None,
        ),
        case(
            "one rate, Wilson",
            wilson_interval,
            None,
            Some(Must::BeNear(0.95, 0.02)),
            None,
        ),
        case(
            "one rate, Clopper-Pearson",
            clopper_pearson_interval,
            None,
            Some(Must::BeAtLeast(0.95)),
            None,
        ),
        case(
            "two rates, Newcombe",
            newcombe_interval,
            None,
            Some(near),
            None,
        ),
        case(
            "two rates, Agresti-Caffo",
            agresti_caffo_interval,
            None,
            Some(near),
            None,
        ),
        case(
            "one rate, credible, truth from the prior",
            credible_interval,
            None,
            Some(coverage),
            None,
        ),
    ])
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "Tests that look once: level, coverage and power",
        text: format!(
            "{REPEATS} A/A tests and {REPEATS} with an effect, α = 5%. What is exact in theory must be met within the exact 99%\n\
             interval around what was counted; an exact test of counts is on the safe side; of an approximation it is said how\n\
             far it may be away. The power is held against what `plan` says, within one point."
        ),
        head: vec![
            "method",
            "A/A rejected",
            "must be",
            "coverage",
            "must be",
            "power",
            "planned",
            "holds",
        ],
        ..Study::default()
    };
    for (place, case) in cases()?.into_iter().enumerate() {
        let mut draws = seeded(700 + place as u64);
        let (mut rejected, mut found, mut covered) = (0, 0, 0);
        for _ in 0..REPEATS {
            rejected += u64::from((case.run)(&mut draws, false)?.rejects);
            let answer = (case.run)(&mut draws, true)?;
            found += u64::from(answer.rejects);
            covered += u64::from(answer.covers == Some(true));
        }
        let held = |must: Option<Must>, count| {
            must.is_none_or(|must| must.holds(bounds::both(count, REPEATS, 0.99)))
        };
        let share = |count: u64| count as f64 / REPEATS as f64;
        let power = case
            .power
            .is_none_or(|power| (share(found) - power).abs() < 0.01);
        let holds = held(case.level, rejected) && held(case.coverage, covered) && power;
        let word = study.check(holds, case.name);
        let shown = |must: Option<Must>, count| match must {
            Some(must) => {
                let interval = range(bounds::both(count, REPEATS, 0.99));
                [
                    format!("{} ({interval})", percent(share(count))),
                    must.word(),
                ]
            }
            None => [String::new(), String::new()],
        };
        let [rejects, level] = shown(case.level, rejected);
        let [covers, coverage] = shown(case.coverage, covered);
        study.rows.push(vec![
            case.name.to_owned(),
            rejects,
            level,
            covers,
            coverage,
            if case.level.is_some() {
                percent(share(found))
            } else {
                String::new()
            },
            case.power.map(percent).unwrap_or_default(),
            word,
        ]);
    }
    Ok(study)
}
