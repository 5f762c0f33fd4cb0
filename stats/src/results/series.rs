//! The effects over time: of all units that were first exposed up to each day, judged as the whole is.

use super::answer::DayResult;
use super::estimate::{Kind, Table};
use super::input::{Data, Metric, Slice};
use super::judge::Judge;
use super::{Shape, absolute};
use crate::Result;

/// The effects with all units up to each day.
pub(super) fn of(
    metric: &Metric,
    table: &Table,
    shape: &Shape<'_>,
    judge: &Judge<'_>,
) -> Result<Vec<DayResult>> {
    let (Data::Mean { slices, .. } | Data::Proportion { slices } | Data::Ratio { slices }) =
        &metric.data
    else {
        return Ok(Vec::new());
    };
    let mut days: Vec<(&String, &Slice)> = slices
        .iter()
        .filter_map(|slice| slice.day.as_ref().map(|day| (day, slice)))
        .collect();
    if days.len() < slices.len() || days.is_empty() {
        return Ok(Vec::new());
    }
    days.sort_by_key(|(day, _)| *day);
    let evidence = shape.evidence;
    let kind = table.kind().unwrap_or(Kind::Proportion);
    let mut so_far = Table::empty(kind, evidence.phases.len(), evidence.variants.len());
    let mut found = Vec::new();
    for of_day in days.chunk_by(|(a, _), (b, _)| a == b) {
        for (_, slice) in of_day {
            so_far.add(slice)?;
        }
        let Some((day, _)) = of_day.first() else {
            continue;
        };
        let effects = shape
            .treatments()
            .map(|(treatment, _)| {
                let contrast = so_far.contrast(evidence.control, treatment).ok()?;
                let tuning = shape.tuning(metric, treatment);
                let interval = judge.interval(&contrast, tuning).ok()?;
                Some(absolute(&contrast, interval.value))
            })
            .collect();
        let units = so_far.total();
        found.push(DayResult {
            day: (*day).clone(),
            effects,
            units: if units.is_finite() { units } else { 0.0 },
        });
    }
    Ok(found)
}
