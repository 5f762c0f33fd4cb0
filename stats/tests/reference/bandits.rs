//! Cases of `bandits.json`.

use watershed_stats::bandit::{Arm, epsilon_greedy, floor, lin_ucb::LinUcb, thompson, ucb};
use watershed_stats::bayes;

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "epsilon_greedy" => epsilon(inputs),
        "ucb1" => ucb1(inputs),
        "ucb1_tuned" => ucb1_tuned(inputs),
        "linucb" => linucb(inputs),
        "thompson_beta" => thompson_beta(inputs),
        "thompson_gaussian" => thompson_gaussian(inputs),
        "weight_floor" => weight_floor(inputs),
        _ => return None,
    })
}

fn arms(inputs: &Inputs) -> Vec<Arm> {
    let squares = if inputs.has("reward_sq_sum") {
        inputs.numbers("reward_sq_sum")
    } else {
        Vec::new()
    };
    inputs
        .numbers("pulls")
        .into_iter()
        .zip(inputs.numbers("reward_sum"))
        .enumerate()
        .map(|(place, (pulls, reward))| Arm {
            pulls,
            reward,
            squared_reward: squares.get(place).copied().unwrap_or_default(),
        })
        .collect()
}

fn epsilon(inputs: &Inputs) -> Outcome {
    fields![(
        "probabilities",
        epsilon_greedy::probabilities(&arms(inputs), inputs.number("epsilon"))?
    )]
}

fn ucb1(inputs: &Inputs) -> Outcome {
    let found = ucb::ucb1(&arms(inputs), inputs.number_or("c", 2.0))?;
    fields![("index", found.index), ("choice", found.choice as f64)]
}

fn ucb1_tuned(inputs: &Inputs) -> Outcome {
    let found = ucb::ucb1_tuned(&arms(inputs))?;
    fields![("index", found.index), ("choice", found.choice as f64)]
}

fn linucb(inputs: &Inputs) -> Outcome {
    let context = inputs.numbers("x");
    let mut model = LinUcb::new(context.len(), inputs.number("lambda_"))?;
    for (x, reward) in inputs
        .rows("updates_x")
        .iter()
        .zip(inputs.numbers("updates_r"))
    {
        model.update(x, reward)?;
    }
    let found = model.score(&context, inputs.number("alpha"))?;
    fields![
        ("theta", found.theta),
        ("mean", found.mean),
        ("width", found.width),
        ("score", found.score)
    ]
}

fn thompson_beta(inputs: &Inputs) -> Outcome {
    let (a, b) = (inputs.number("prior_a"), inputs.number("prior_b"));
    let posteriors = inputs
        .numbers("pulls")
        .into_iter()
        .zip(inputs.numbers("successes"))
        .map(|(pulls, successes)| bayes::posterior(successes, pulls, a, b))
        .collect::<watershed_stats::Result<Vec<_>>>()?;
    let best = thompson::beta(&posteriors)?.best;
    let weights = floor::floored(&best, inputs.number("floor"))?;
    let posteriors: Vec<Vec<f64>> = posteriors
        .iter()
        .map(|posterior| vec![posterior.a(), posterior.b()])
        .collect();
    fields![
        ("posteriors", posteriors),
        ("prob_best", best),
        ("weights", weights)
    ]
}

fn thompson_gaussian(inputs: &Inputs) -> Outcome {
    let posteriors: Vec<thompson::Normal> = inputs
        .numbers("mean")
        .into_iter()
        .zip(inputs.numbers("sd"))
        .map(|(mean, sd)| thompson::Normal { mean, sd })
        .collect();
    let found = thompson::normal(&posteriors)?;
    let floor = inputs.number("floor");
    let top_two = found.top_two();
    fields![
        ("weights", floor::floored(&found.best, floor)?),
        ("weights_top_two", floor::floored(&top_two, floor)?),
        ("prob_best", found.best),
        ("prob_second", found.second),
        ("top_two", top_two)
    ]
}

fn weight_floor(inputs: &Inputs) -> Outcome {
    fields![(
        "weights",
        floor::floored(&inputs.numbers("p"), inputs.number("floor"))?
    )]
}
