//! Tests that look once: how often they reject where there is nothing, how often their intervals cover, and
//! whether their power is what the plan says.

mod case;
mod intervals;
mod methods;
pub mod power;

use crate::bounds;
use crate::draw::seeded;
use crate::report::{Study, percent, range};
use case::Must;

const REPEATS: u64 = 20_000;

/// The study.
///
/// # Errors
/// What a method answers that should not.
pub fn study() -> anyhow::Result<Study> {
    let mut study = Study {
        title: "Tests that look once: level, coverage and power",
        text: format!(
            "{REPEATS} A/A tests and {REPEATS} with an effect, α = 5%. What is exact in theory must be met within the exact 99%\n\
             interval around what was counted; an exact test of counts is on the safe side; of an approximation it is said how\n\
             far it may be away. The power is held against what `plan` says, within one point."
        ),
        head: vec![
            "method",
            "A/A rejected",
            "must be",
            "coverage",
            "must be",
            "power",
            "planned",
            "holds",
        ],
        ..Study::default()
    };
    let cases = methods::cases()?.into_iter().chain(intervals::cases()?);
    for (place, case) in cases.enumerate() {
        let mut draws = seeded(700 + place as u64);
        let (mut rejected, mut found, mut covered) = (0, 0, 0);
        for _ in 0..REPEATS {
            rejected += u64::from((case.run)(&mut draws, false)?.rejects);
            let answer = (case.run)(&mut draws, true)?;
            found += u64::from(answer.rejects);
            covered += u64::from(answer.covers == Some(true));
        }
        let held = |must: Option<Must>, count| {
            must.is_none_or(|must| must.holds(bounds::both(count, REPEATS, 0.99)))
        };
        let share = |count: u64| count as f64 / REPEATS as f64;
        let power = case
            .power
            .is_none_or(|power| (share(found) - power).abs() < 0.01);
        let holds = held(case.level, rejected) && held(case.coverage, covered) && power;
        let word = study.check(holds, case.name);
        let shown = |must: Option<Must>, count| match must {
            Some(must) => {
                let interval = range(bounds::both(count, REPEATS, 0.99));
                [
                    format!("{} ({interval})", percent(share(count))),
                    must.word(),
                ]
            }
            None => [String::new(), String::new()],
        };
        let [rejects, level] = shown(case.level, rejected);
        let [covers, coverage] = shown(case.coverage, covered);
        study.rows.push(vec![
            case.name.to_owned(),
            rejects,
            level,
            covers,
            coverage,
            if case.level.is_some() {
                percent(share(found))
            } else {
                String::new()
            },
            case.power.map(percent).unwrap_or_default(),
            word,
        ]);
    }
    Ok(study)
}
