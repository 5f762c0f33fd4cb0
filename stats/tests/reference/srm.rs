//! Cases of `srm.json`.

use watershed_stats::trust::srm::{self, Watch};

use crate::compare::Outcome;
use crate::fields;
use crate::inputs::Inputs;

pub fn dispatch(name: &str, inputs: &Inputs) -> Option<Outcome> {
    Some(match name {
        "srm_chi2" => chi2(inputs),
        "ssrm_sequential" => sequential(inputs),
        _ => return None,
    })
}

fn chi2(inputs: &Inputs) -> Outcome {
    let test = srm::chi_squared(&inputs.numbers("observed"), &inputs.numbers("weights"))?;
    fields![
        ("chi2", test.chi2),
        ("df", test.df),
        ("p", test.p),
        ("log_p", test.log_p)
    ]
}

fn sequential(inputs: &Inputs) -> Outcome {
    let mut watch = Watch::new(&inputs.numbers("weights"), inputs.number("concentration"))?;
    let (mut factors, mut p) = (Vec::new(), Vec::new());
    for counts in inputs.rows("counts") {
        p.push(watch.look(&counts)?);
        factors.push(watch.log_bayes_factor());
    }
    fields![("log_bayes_factor", factors), ("log_p", p)]
}
