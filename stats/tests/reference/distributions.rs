//! Cases of [`watershed_stats::distribution`].

use watershed_stats::distribution::{kolmogorov, normal};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &[
    "beta",
    "beta_quantile",
    "chi2",
    "chi2_quantile",
    "noncentral_t",
    "student_t",
    "student_t_quantile",
];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "normal" => {
            let x = inputs.number("x");
            fields![
                ("cdf", normal::cdf(x)),
                ("sf", normal::sf(x)),
                ("logsf", normal::log_sf(x))
            ]
        }
        "kolmogorov_limit" => fields![("sf", kolmogorov::sf(inputs.number("x")))],
        "normal_quantile" => normal_quantile(inputs.number("p")),
        _ => return None,
    })
}

fn normal_quantile(p: f64) -> Outcome {
    fields![("ppf", normal::quantile(p)?), ("isf", normal::isf(p)?)]
}
