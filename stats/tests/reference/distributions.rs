//! Cases of [`watershed_stats::distribution`].

use watershed_stats::distribution::{
    Beta, ChiSquared, kolmogorov, noncentral_t, normal, student_t,
};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

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
        "student_t" => student_t_tails(inputs.number("t"), inputs.number("df")),
        "student_t_quantile" => student_t_quantile(inputs.number("p"), inputs.number("df")),
        "normal_quantile" => normal_quantile(inputs.number("p")),
        "chi2" => chi2(inputs),
        "chi2_quantile" => chi2_quantile(inputs),
        "noncentral_t" => noncentral(inputs),
        "beta" => beta(inputs),
        "beta_quantile" => beta_quantile(inputs),
        _ => return None,
    })
}

fn normal_quantile(p: f64) -> Outcome {
    fields![("ppf", normal::quantile(p)?), ("isf", normal::isf(p)?)]
}

fn student_t_tails(t: f64, df: f64) -> Outcome {
    fields![
        ("sf", student_t::sf(t, df)?),
        ("two_sided", student_t::two_sided(t, df)?),
        ("cdf_neg", student_t::sf(t, df)?),
        ("logsf", student_t::log_sf(t, df)?)
    ]
}

fn student_t_quantile(p: f64, df: f64) -> Outcome {
    fields![("isf", student_t::isf(p, df)?)]
}

fn chi2(inputs: &Inputs) -> Outcome {
    let (distribution, x) = (ChiSquared::new(inputs.number("df"))?, inputs.number("x"));
    fields![("sf", distribution.sf(x)), ("cdf", distribution.cdf(x))]
}

fn chi2_quantile(inputs: &Inputs) -> Outcome {
    fields![(
        "isf",
        ChiSquared::new(inputs.number("df"))?.isf(inputs.number("p"))?
    )]
}

fn beta(inputs: &Inputs) -> Outcome {
    let (distribution, x) = (
        Beta::new(inputs.number("a"), inputs.number("b"))?,
        inputs.number("x"),
    );
    fields![("cdf", distribution.cdf(x)), ("sf", distribution.sf(x))]
}

fn beta_quantile(inputs: &Inputs) -> Outcome {
    fields![(
        "ppf",
        Beta::new(inputs.number("a"), inputs.number("b"))?.quantile(inputs.number("p"))?
    )]
}

fn noncentral(inputs: &Inputs) -> Outcome {
    fields![(
        "sf",
        noncentral_t::sf(inputs.number("t"), inputs.number("df"), inputs.number("nc"))?
    )]
}
