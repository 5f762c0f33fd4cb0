//! Cases of `cuped.json`.

use watershed_stats::variance_reduction::ancova::{Units, ancova};
use watershed_stats::variance_reduction::cuped::{Cuped, cuped};
use watershed_stats::variance_reduction::joint::{Joint, Sums};

use crate::compare::{Got, Outcome};
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "cuped_two_sample" => two_sample(inputs),
        "cuped_from_sums" => from_sums(inputs),
        _ => return None,
    })
}

fn answer(found: &Cuped) -> Vec<(&'static str, Got)> {
    [
        ("theta", found.theta[0]),
        ("theta_within", found.theta_within[0]),
        ("adj_mean_a", found.means.0),
        ("adj_mean_b", found.means.1),
        ("adj_var_a", found.variances.0),
        ("adj_var_b", found.variances.1),
        ("diff", found.effect),
        ("se", found.standard_error),
        ("df", found.degrees_of_freedom),
        ("p_two", found.p),
        ("ci_lo", found.interval.0),
        ("ci_hi", found.interval.1),
        ("variance_reduction", found.variance_reduction),
    ]
    .map(|(name, value)| (name, Got::from(value)))
    .to_vec()
}

fn two_sample(inputs: &Inputs) -> Outcome {
    let arm = |name: &str| {
        (
            inputs.object(name).numbers("x"),
            inputs.object(name).numbers("y"),
        )
    };
    let ((x_a, y_a), (x_b, y_b)) = (arm("a"), arm("b"));
    let (a, b) = (
        Joint::from_columns(&y_a, &[&x_a])?,
        Joint::from_columns(&y_b, &[&x_b])?,
    );
    let mut fields = answer(&cuped(&a, &b, inputs.number("alpha"))?);
    if let Ok(found) = ancova(Units { x: &x_a, y: &y_a }, Units { x: &x_b, y: &y_b }) {
        let regression = [
            ("ancova_effect", found.effect),
            ("ancova_theta", found.theta),
            ("ancova_se", found.standard_error),
            ("ancova_se_hc3", found.standard_error_hc3),
            ("ancova_p", found.p),
        ];
        fields.extend(regression.map(|(name, value)| (name, Got::from(value))));
    }
    Ok(fields)
}

fn from_sums(inputs: &Inputs) -> Outcome {
    let arm = |name: &str| {
        let arm = inputs.object(name);
        Joint::from_sums(Sums {
            n: arm.count("n") as u64,
            y: arm.number("sum_y"),
            y_squared: arm.number("sum_y2"),
            x: arm.number("sum_x"),
            x_squared: arm.number("sum_x2"),
            xy: arm.number("sum_xy"),
        })
    };
    Ok(answer(&cuped(
        &arm("a")?,
        &arm("b")?,
        inputs.number("alpha"),
    )?))
}
