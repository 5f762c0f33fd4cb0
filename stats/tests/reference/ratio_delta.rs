//! Cases of `ratio_delta.json`.

use watershed_stats::fixed::ratio::{RatioSums, ratio};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    (name == "ratio_metric").then(|| metric(inputs))
}

fn sums(inputs: &Inputs) -> RatioSums {
    RatioSums {
        n: inputs.number("n"),
        sum_m: inputs.number("sum_m"),
        sum_d: inputs.number("sum_d"),
        sum_m2: inputs.number("sum_m2"),
        sum_d2: inputs.number("sum_d2"),
        sum_md: inputs.number("sum_md"),
    }
}

fn metric(inputs: &Inputs) -> Outcome {
    let effect = ratio(
        &sums(&inputs.object("a")),
        &sums(&inputs.object("b")),
        inputs.number("alpha"),
    )?;
    let (absolute, mut fields) = (effect.absolute, Vec::new());
    if let Some(lift) = effect.relative {
        fields = vec![
            ("lift", lift.estimate.into()),
            ("lift_se", lift.se.into()),
            ("lift_p_two", lift.p_two.into()),
            ("lift_ci_lo", lift.ci_lo.into()),
            ("lift_ci_hi", lift.ci_hi.into()),
        ];
    }
    let rest: Outcome = fields![
        ("ratio_a", effect.a.mean),
        ("ratio_b", effect.b.mean),
        ("var_a", effect.a.variance),
        ("var_b", effect.b.variance),
        ("diff", absolute.estimate),
        ("se", absolute.se),
        ("df", absolute.df.unwrap_or_default()),
        ("p_two", absolute.p_two),
        ("ci_lo", absolute.ci_lo),
        ("ci_hi", absolute.ci_hi),
    ];
    fields.extend(rest?);
    Ok(fields)
}
