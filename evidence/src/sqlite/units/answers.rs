//! Answers from what is folded.

use super::{measures, read_sketch};
use crate::fold::{
    CONTAMINATED, Days, STRAYED, Summed, UNITS, UnitState, arms, asked, units_by_variant,
};
use crate::measure::{Measure, Source};
use crate::store::{Counts, Minute, Span, StoreError, Sufficient, Summary, UnitRecord};
use crate::sums::Sums;
use crate::unit::UnitKey;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;

pub(in crate::sqlite) fn sufficient(
    connection: &Connection,
    experiment: &str,
    name: &str,
    behind: u64,
) -> Result<Sufficient, StoreError> {
    let defined = measures(connection)?.with_built_in().0.remove(name);
    let source = Source::Outcome(name.to_owned());
    let measure = match defined {
        Some(measure) => measure,
        None if is_known(connection, &source)? => Measure::of(source),
        None => return Err(StoreError::UnknownMeasure(name.to_owned())),
    };
    let found = days(connection, experiment, &asked(name))?;
    let summed = Summed::of(name, found);
    let mut variants = arms(&summed, measure.denominator.is_some());
    let mut query = connection.prepare_cached(
        "SELECT v.text, s.data FROM sketches s JOIN names v ON v.number = s.variant
         WHERE s.experiment = (SELECT number FROM names WHERE text = ?1)
           AND s.source = (SELECT number FROM names WHERE text = ?2)",
    )?;
    let mut rows = query.query([experiment, &measure.source.name()])?;
    while let Some(row) = rows.next()? {
        let (variant, data): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if let Some(arm) = variants.get_mut(&variant) {
            arm.values = read_sketch(&data)?;
        }
    }
    Ok(Sufficient {
        measure,
        clipping: None,
        variants,
        behind,
    })
}

fn is_known(connection: &Connection, source: &Source) -> Result<bool, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM names WHERE text = ?1)")?;
    Ok(query.query_row([source.name()], |row| row.get(0))?)
}

/// The sums of these names, by variant and day.
fn days(
    connection: &Connection,
    experiment: &str,
    names: &[String],
) -> Result<BTreeMap<String, Days>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT m.text, v.text, s.day, s.n, s.x, s.xx, s.y, s.yy, s.xy, s.c, s.cc, s.xc, s.yc
         FROM sums s JOIN names m ON m.number = s.measure JOIN names v ON v.number = s.variant
         WHERE s.experiment = (SELECT number FROM names WHERE text = ?1)
           AND s.measure IN (SELECT number FROM names
                WHERE text IN (SELECT value FROM json_each(?2)))",
    )?;
    let mut rows = query.query([experiment, &serde_json::json!(names).to_string()])?;
    let mut found: BTreeMap<String, Days> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut parts = [0.0; 9];
        for (part, column) in parts.iter_mut().zip(4..) {
            *part = row.get(column)?;
        }
        let sums = Sums::from_parts(row.get(3)?, parts);
        let days = found.entry(row.get(0)?).or_default();
        days.insert((row.get(1)?, row.get(2)?), sums);
    }
    Ok(found)
}

pub(in crate::sqlite) fn summary(
    connection: &Connection,
    experiment: &str,
    behind: u64,
) -> Result<Summary, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT exposures, execution_failures, forced, fallbacks, attributed, early, late, orphans
         FROM counts WHERE experiment = (SELECT number FROM names WHERE text = ?1)",
    )?;
    let counts = query.query_row([experiment], |row| {
        Ok(Counts {
            exposures: row.get(0)?,
            execution_failures: row.get(1)?,
            forced: row.get(2)?,
            fallbacks: row.get(3)?,
            attributed: row.get(4)?,
            early: row.get(5)?,
            late: row.get(6)?,
            orphans: row.get(7)?,
        })
    });
    let counted = [UNITS, CONTAMINATED, STRAYED].map(str::to_owned);
    let mut found = days(connection, experiment, &counted)?;
    let mut units = |name| units_by_variant(found.remove(name).unwrap_or_default());
    Ok(Summary {
        units: units(UNITS),
        contaminated: units(CONTAMINATED),
        strayed: units(STRAYED),
        counts: counts.optional()?.unwrap_or_default(),
        behind,
    })
}

pub(in crate::sqlite) fn timeline(
    connection: &Connection,
    experiment: &str,
    span: Span,
) -> Result<Vec<Minute>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT m.minute, v.text, m.requests, m.errors, m.execution_failures, m.latency, m.ttfb
         FROM minutes m JOIN names v ON v.number = m.variant
         WHERE m.experiment = (SELECT number FROM names WHERE text = ?1)
           AND m.minute >= ?2 AND m.minute < ?3 ORDER BY m.minute, v.text",
    )?;
    let mut rows = query.query(params![experiment, span.from, span.to])?;
    let mut minutes = Vec::new();
    while let Some(row) = rows.next()? {
        let (latency, ttfb): (Vec<u8>, Vec<u8>) = (row.get(5)?, row.get(6)?);
        minutes.push(Minute {
            at: row.get(0)?,
            variant: row.get(1)?,
            requests: row.get(2)?,
            errors: row.get(3)?,
            execution_failures: row.get(4)?,
            latency: read_sketch(&latency)?,
            ttfb: read_sketch(&ttfb)?,
        });
    }
    Ok(minutes)
}

pub(in crate::sqlite) fn unit(
    connection: &Connection,
    key: UnitKey,
) -> Result<Vec<UnitRecord>, StoreError> {
    let names = super::names(connection)?;
    let mut query = connection.prepare_cached(
        "SELECT experiment, first, variant, contaminated, slots FROM units
         WHERE unit = ?1 ORDER BY experiment",
    )?;
    let states = query.query_map([key.0], super::state)?;
    let record = |(experiment, state): (u32, UnitState)| state.record(experiment, &names);
    Ok(states.map(|it| it.map(record)).collect::<Result<_, _>>()?)
}
