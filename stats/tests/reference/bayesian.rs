//! Cases of `bayesian.json`.

use watershed_stats::Summary;
use watershed_stats::bandit::thompson;
use watershed_stats::bayes::{self, Prior};
use watershed_stats::distribution::Beta;

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "beta_binomial_two_arm" => two_arm(inputs),
        "beta_posterior" => posterior(inputs),
        "beta_prob_best_k" => best(inputs),
        "normal_effect" => effect(inputs),
        _ => return None,
    })
}

fn two_arm(inputs: &Inputs) -> Outcome {
    let a = Beta::new(inputs.number("a_a"), inputs.number("b_a"))?;
    let b = Beta::new(inputs.number("a_b"), inputs.number("b_b"))?;
    let comparison = bayes::compare(&a, &b)?;
    fields![
        ("prob_b_beats_a", comparison.b_beats_a),
        ("prob_a_beats_b", comparison.a_beats_b),
        ("mean_a", a.mean()),
        ("mean_b", b.mean()),
        ("expected_loss_choose_a", comparison.loss_of_a),
        ("expected_loss_choose_b", comparison.loss_of_b),
    ]
}

fn posterior(inputs: &Inputs) -> Outcome {
    let of = |name| inputs.number(name);
    let posterior = bayes::posterior(of("x"), of("n"), of("a0"), of("b0"))?;
    fields![
        ("a", posterior.a()),
        ("b", posterior.b()),
        ("mean", posterior.mean()),
        ("median", posterior.quantile(0.5)?),
        ("ci_lo", posterior.quantile(0.025)?),
        ("ci_hi", posterior.quantile(0.975)?),
    ]
}

fn best(inputs: &Inputs) -> Outcome {
    let arms: Vec<_> = inputs
        .rows("posteriors")
        .iter()
        .map(|shapes| Beta::new(shapes[0], shapes[1]))
        .collect::<watershed_stats::Result<_>>()?;
    fields![("prob_best", thompson::beta(&arms)?.best)]
}

fn effect(inputs: &Inputs) -> Outcome {
    let arm = |arm: &str| {
        let of = |name: &str| inputs.number(&format!("{name}_{arm}"));
        Summary::new(of("n"), of("mean"), of("var"))
    };
    let prior = inputs.flag("proper").then(|| Prior {
        mean: inputs.number("prior_mean"),
        variance: inputs.number("prior_var"),
    });
    let (estimate, variance) = bayes::effect_of(&arm("a"), &arm("b"), inputs.flag("relative"))?;
    let effect = bayes::normal_effect(estimate, variance, prior, inputs.number("alpha"))?;
    fields![
        ("mean", effect.mean),
        ("sd", effect.sd),
        ("chance_to_win", effect.chance_to_win),
        ("chance_to_lose", effect.chance_to_lose),
        ("ci_lo", effect.ci_lo),
        ("ci_hi", effect.ci_hi),
        ("risk_ctrl", effect.risk_control),
        ("risk_trt", effect.risk_treatment),
    ]
}
