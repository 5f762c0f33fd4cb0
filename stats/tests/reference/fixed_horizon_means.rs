//! Cases of `fixed_horizon_means.json`.

use watershed_stats::fixed::means::{self, Test};
use watershed_stats::fixed::{Effect, relative};
use watershed_stats::moments::Moments;
use watershed_stats::{Result, Summary};

use crate::compare::{Got, Outcome};
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "welch_t_test" => tested(inputs, means::welch),
        "z_test" => tested(inputs, means::z),
        "student_t_test" => tested(inputs, means::student),
        "welch_t_test_raw" => raw(inputs),
        "relative_lift_fieller" => fieller(inputs),
        "relative_lift_delta" => delta(inputs),
        _ => return None,
    })
}

fn arms(inputs: &Inputs) -> (Summary, Summary) {
    let arm = |arm: &str| {
        let of = |name: &str| inputs.number(&format!("{name}_{arm}"));
        Summary::new(of("n"), of("mean"), of("var"))
    };
    (arm("a"), arm("b"))
}

fn test(inputs: &Inputs) -> Test {
    Test {
        alpha: inputs.number("alpha"),
        null: inputs.number_or("null", 0.0),
    }
}

fn tested(inputs: &Inputs, method: fn(&Summary, &Summary, Test) -> Result<Effect>) -> Outcome {
    let (a, b) = arms(inputs);
    Ok(fields(&method(&a, &b, test(inputs))?))
}

fn raw(inputs: &Inputs) -> Outcome {
    let (a, b) = (
        Moments::of(&inputs.numbers("a"))?,
        Moments::of(&inputs.numbers("b"))?,
    );
    Ok(fields(&means::welch(
        &a.summary(),
        &b.summary(),
        test(inputs),
    )?))
}

fn fields(effect: &Effect) -> Vec<(&'static str, Got)> {
    let mut fields = vec![
        ("diff", effect.estimate.into()),
        ("se", effect.se.into()),
        ("statistic", effect.statistic.into()),
        ("p_two", effect.p_two.into()),
        ("p_greater", effect.p_greater.into()),
        ("p_less", effect.p_less.into()),
        ("log_p_two", effect.log_p_two.into()),
        ("ci_lo", effect.ci_lo.into()),
        ("ci_hi", effect.ci_hi.into()),
    ];
    fields.extend(effect.df.map(|df| ("df", df.into())));
    fields
}

fn fieller(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    let interval = relative::fieller(&a, &b, inputs.number("alpha"))?;
    fields![
        ("ratio", interval.ratio),
        ("g", interval.g),
        ("ci_lo", interval.ci_lo),
        ("ci_hi", interval.ci_hi),
    ]
}

fn delta(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    let effect = relative::delta(&a, &b, inputs.number("alpha"))?;
    fields![
        ("lift", effect.estimate),
        ("se", effect.se),
        ("df", effect.df.unwrap_or_default()),
        ("p_two", effect.p_two),
        ("ci_lo", effect.ci_lo),
        ("ci_hi", effect.ci_hi),
    ]
}
