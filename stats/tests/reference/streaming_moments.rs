//! Cases of `streaming_moments.json`.

use watershed_stats::moments::{Moments, lag_one, variance_from_sums};
use watershed_stats::{StatsError, Summary};

use crate::compare::{Got, Outcome};
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "moments" => Moments::of(&inputs.numbers("data")).map(|moments| fields(&moments)),
        "nist_strd_univariate" => nist(inputs),
        "merge_moments" => merged(inputs),
        "variance_from_sums" => from_sums(inputs),
        _ => return None,
    })
}

fn fields(moments: &Moments) -> Vec<(&'static str, Got)> {
    let mut fields = vec![("n", moments.n().into())];
    fields.extend(moments.mean().map(|mean| ("mean", mean.into())));
    fields.extend(
        moments
            .variance()
            .map(|variance| ("variance", variance.into())),
    );
    fields
}

fn merged(inputs: &Inputs) -> Outcome {
    let mut all = Moments::new();
    for part in inputs.objects("parts") {
        all.merge(&Moments::from_summary(Summary::new(
            part.number("n"),
            part.number("mean"),
            part.number_or("variance", 0.0),
        ))?);
    }
    Ok(fields(&all))
}

fn from_sums(inputs: &Inputs) -> Outcome {
    fields![(
        "variance",
        variance_from_sums(
            inputs.number("n"),
            inputs.number("sum"),
            inputs.number("sum_squares")
        )?
    )]
}

/// The certified data of NIST's Statistical Reference Datasets, or the rule that makes them: the first value, then two
/// others in turn.
fn nist(inputs: &Inputs) -> Outcome {
    let data = if inputs.has("data") {
        inputs.numbers("data")
    } else {
        let (first, a, b, n) = (
            inputs.number("first"),
            inputs.number("a"),
            inputs.number("b"),
            inputs.number("n"),
        );
        let turns = [a, b].into_iter().cycle();
        std::iter::once(first)
            .chain(turns)
            .zip(1_u32..)
            .take_while(|(_, k)| f64::from(*k) <= n)
            .map(|(x, _)| x)
            .collect()
    };
    let moments = Moments::of(&data)?;
    let empty = || StatsError::EmptyInput { input: "data" };
    let (mean, variance) = (
        moments.mean().ok_or_else(empty)?,
        moments.variance().ok_or_else(empty)?,
    );
    let (sd, lag) = (variance.sqrt(), lag_one(&data)?);
    fields![
        ("n", moments.n()),
        ("certified_mean", mean),
        ("certified_sd", sd),
        ("certified_lag1", lag),
        ("mean_f64", mean),
        ("sd_f64", sd),
        ("lag1_f64", lag),
    ]
}
