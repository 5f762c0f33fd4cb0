//! Cases of `streaming_moments.json`.

use watershed_stats::Summary;
use watershed_stats::moments::{Moments, variance_from_sums};

use crate::compare::{Got, Outcome};
use crate::fields;
use crate::inputs::Inputs;

/// Functions whose method is still to come.
pub const LATER: &[&str] = &["nist_strd_univariate"];

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "moments" => Moments::of(&inputs.numbers("data")).map(|moments| fields(&moments)),
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
