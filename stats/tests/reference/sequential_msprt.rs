//! Cases of `sequential_msprt.json`.

use watershed_stats::Summary;
use watershed_stats::sequential::msprt::{Estimate, Msprt, RunningP};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "msprt_normal" => msprt_normal(inputs),
        "msprt_two_sample" => msprt_two_sample(inputs),
        "msprt_sequence_known_variance" => msprt_sequence(inputs),
        "msprt_proportions" => msprt_proportions(inputs),
        "msprt_johari_normal" => msprt_johari(inputs),
        _ => return None,
    })
}

fn msprt_look(test: Msprt, estimate: Estimate, alpha: f64) -> Outcome {
    let look = test.look(estimate, alpha)?;
    fields![
        ("log_lambda", look.log_ratio),
        ("log_p", look.log_p),
        ("p", look.p()),
        ("ci_lo", look.interval.0),
        ("ci_hi", look.interval.1)
    ]
}

fn msprt_normal(inputs: &Inputs) -> Outcome {
    let test = Msprt::new(inputs.number("theta0"), inputs.number("tau2"))?;
    let estimate = Estimate {
        value: inputs.number("estimate"),
        variance: inputs.number("variance"),
    };
    msprt_look(test, estimate, inputs.number("alpha"))
}

fn msprt_two_sample(inputs: &Inputs) -> Outcome {
    let (a, b) = crate::inputs::arms(inputs);
    msprt_look(
        Msprt::new(0.0, inputs.number("tau2"))?,
        Estimate::difference(&a, &b)?,
        inputs.number("alpha"),
    )
}

fn msprt_sequence(inputs: &Inputs) -> Outcome {
    let (a, b) = (inputs.numbers("a"), inputs.numbers("b"));
    let test = Msprt::new(0.0, inputs.number("tau2"))?;
    let mut running = RunningP::default();
    let (mut ratios, mut ps) = (Vec::new(), Vec::new());
    for look in inputs.numbers("looks") {
        let upto = |values: &[f64]| {
            let (sum, _) = values.iter().fold((0.0, 0.0), |(sum, n), value| {
                if n < look {
                    (sum + value, n + 1.0)
                } else {
                    (sum, n)
                }
            });
            sum / look
        };
        let estimate = Estimate {
            value: upto(&b) - upto(&a),
            variance: 2.0 * inputs.number("sigma2") / look,
        };
        let ratio = test.log_ratio(estimate)?;
        ratios.push(ratio);
        ps.push(running.take((-ratio).min(0.0)));
    }
    fields![("log_lambda", ratios), ("log_p_running", ps)]
}

fn msprt_proportions(inputs: &Inputs) -> Outcome {
    let n = inputs.number("n");
    let arm = |successes: f64| {
        let share = successes / n;
        Summary::new(n, share, share * (1.0 - share))
    };
    let estimate = Estimate::difference(&arm(inputs.number("x_a")), &arm(inputs.number("x_b")))?;
    msprt_look(
        Msprt::new(0.0, inputs.number("tau2"))?,
        estimate,
        inputs.number("alpha"),
    )
}

fn msprt_johari(inputs: &Inputs) -> Outcome {
    let variance = 2.0 * inputs.number("sigma2") / inputs.number("n_per_arm");
    let test = Msprt::new(0.0, inputs.number("tau2"))?;
    fields![(
        "log_lambda",
        test.log_ratio(Estimate {
            value: inputs.number("diff"),
            variance
        })?
    )]
}
