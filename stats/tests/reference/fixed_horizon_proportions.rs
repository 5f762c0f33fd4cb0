//! Cases of `fixed_horizon_proportions.json`.

use watershed_stats::fixed::proportions::{self, Count};
use watershed_stats::fixed::{fisher, table};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "two_proportion_z_pooled" => pooled(inputs),
        "two_proportion_z_unpooled" => unpooled(inputs),
        "fisher_exact" => exact(inputs),
        "proportion_diff_ci" => difference(inputs),
        "chi2_2x2" => two_by_two(inputs),
        "proportion_ci" => single(inputs),
        "chi2_rxc" => independence(inputs),
        _ => return None,
    })
}

fn arms(inputs: &Inputs) -> (Count, Count) {
    let arm = |x, n| Count {
        x: inputs.number(x),
        n: inputs.number(n),
    };
    (arm("x_a", "n_a"), arm("x_b", "n_b"))
}

fn pooled(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    let effect = proportions::z_pooled(a, b, inputs.number("alpha"))?;
    fields![
        ("statistic", effect.statistic),
        ("p_two", effect.p_two),
        ("p_greater", effect.p_greater),
        ("p_less", effect.p_less),
        ("log_p_two", effect.log_p_two),
    ]
}

fn unpooled(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    let effect = proportions::z_unpooled(a, b, inputs.number("alpha"))?;
    fields![
        ("statistic", effect.statistic),
        ("p_two", effect.p_two),
        ("log_p_two", effect.log_p_two),
        ("diff", effect.estimate),
        ("se", effect.se),
        ("ci_lo", effect.ci_lo),
        ("ci_hi", effect.ci_hi),
    ]
}

fn exact(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    fields![("p_two", fisher::two_sided(a, b)?)]
}

fn difference(inputs: &Inputs) -> Outcome {
    let ((a, b), alpha) = (arms(inputs), inputs.number("alpha"));
    let newcombe = proportions::newcombe(a, b, alpha)?;
    let agresti = proportions::agresti_caffo(a, b, alpha)?;
    fields![
        ("diff", b.rate() - a.rate()),
        ("newcombe_lo", newcombe.0),
        ("newcombe_hi", newcombe.1),
        ("agresti_caffo_lo", agresti.0),
        ("agresti_caffo_hi", agresti.1),
    ]
}

fn two_by_two(inputs: &Inputs) -> Outcome {
    let (a, b) = arms(inputs);
    let (plain, yates) = (
        table::two_by_two(a, b, false)?,
        table::two_by_two(a, b, true)?,
    );
    fields![
        ("chi2", plain.chi2),
        ("p", plain.p),
        ("chi2_yates", yates.chi2),
        ("p_yates", yates.p),
        ("min_expected", plain.min_expected),
    ]
}

fn single(inputs: &Inputs) -> Outcome {
    let (arm, alpha) = (
        Count {
            x: inputs.number("x"),
            n: inputs.number("n"),
        },
        inputs.number("alpha"),
    );
    let wilson = proportions::wilson(arm, alpha)?;
    let exact = proportions::clopper_pearson(arm, alpha)?;
    fields![
        ("wilson_lo", wilson.0),
        ("wilson_hi", wilson.1),
        ("clopper_pearson_lo", exact.0),
        ("clopper_pearson_hi", exact.1),
    ]
}

fn independence(inputs: &Inputs) -> Outcome {
    let rows = inputs.rows("table");
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let test = table::independence(&rows)?;
    fields![("chi2", test.chi2), ("df", test.df), ("p", test.p)]
}
