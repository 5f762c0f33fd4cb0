//! The mixture sequential probability ratio test, with a look at every observation: how often it ever rejects
//! where there is nothing.

use crate::bounds;
use crate::draw::{ALL, Data, Draws, seeded};
use crate::report::{Study, percent};
use watershed_stats::sequential::msprt::{Estimate, Msprt};

const REPEATS: u64 = 4_000;
/// Observations of an arm.
const PLANNED: usize = 5_000;
const ALPHA: f64 = 0.05;

/// Whether it ever rejects, with the variance of an observation known.
fn one_run(data: Data, test: &Msprt, draws: &mut Draws) -> anyhow::Result<bool> {
    let variance = data.sd() * data.sd();
    let mut difference = 0.0;
    for n in 1..=PLANNED {
        difference += data.draw(draws) - data.draw(draws);
        let estimate = Estimate {
            value: difference / n as f64,
            variance: 2.0 * variance / n as f64,
        };
        if test.log_ratio(estimate)? >= -ALPHA.ln() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "The mixture ratio test (mSPRT), with a look at every pair",
        text: format!(
            "{REPEATS} A/A tests of {PLANNED} observations an arm at α = 5%, the variance known and the mixing variance that of a\n\
             thousandth of it. For normal data the guarantee is exact, and the 99% upper bound must be at most 5%. For other data it\n\
             is that of the normal limit, which the table shows: what `results` uses are the confidence sequences above."
        ),
        head: vec!["data", "rejected", "99% upper bound", "at most 5%"],
        ..Study::default()
    };
    for (place, data) in ALL.into_iter().enumerate() {
        let mut draws = seeded(900 + place as u64);
        let test = Msprt::new(0.0, 0.001 * data.sd() * data.sd())?;
        let mut rejected = 0;
        for _ in 0..REPEATS {
            rejected += u64::from(one_run(data, &test, &mut draws)?);
        }
        let upper = bounds::upper(rejected, REPEATS, 0.99);
        let word = match (data, upper <= ALPHA) {
            (Data::Normal, holds) => study.check(holds, "mSPRT on normal data"),
            (_, true) => "yes".to_owned(),
            (_, false) => "no".to_owned(),
        };
        let share = percent(rejected as f64 / REPEATS as f64);
        study
            .rows
            .push(vec![data.name(), share, percent(upper), word]);
    }
    Ok(study)
}
