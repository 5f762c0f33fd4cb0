//! Answers from what is folded.

use super::sums::read_sketch;
use super::units;
use super::{count, log};
use crate::fold::{CONTAMINATED, Days, STRAYED, Summed, UNITS, arms, asked, units_by_variant};
use crate::measure::{Measure, Measures, Source};
use crate::store::{Counts, Minute, Span, StoreError, Sufficient, Summary, UnitRecord};
use crate::sums::Sums;
use crate::unit::UnitKey;
use sqlx::{PgConnection, PgPool, Row as _};
use std::collections::BTreeMap;

pub(super) async fn sufficient(
    connection: &mut PgConnection,
    experiment: &str,
    name: &str,
) -> Result<Sufficient, StoreError> {
    let behind = log::behind(connection).await?;
    let measure = measure(connection, name).await?;
    let found = days(connection, experiment, &asked(name)).await?;
    let summed = Summed::of(name, found);
    let mut variants = arms(&summed, measure.denominator.is_some());
    let rows = sqlx::query(
        "SELECT v.text, s.data FROM evidence_sketches s JOIN evidence_names v ON v.number = s.variant
         WHERE s.experiment = (SELECT number FROM evidence_names WHERE text = $1)
           AND s.source = (SELECT number FROM evidence_names WHERE text = $2)",
    )
    .bind(experiment)
    .bind(measure.source.name())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(arm) = variants.get_mut(row.try_get::<&str, _>(0)?) {
            arm.values = read_sketch(row.try_get(1)?)?;
        }
    }
    Ok(Sufficient {
        measure,
        clipping: None,
        variants,
        behind,
    })
}

/// What is measured.
pub(super) async fn measures(connection: &mut PgConnection) -> Result<Measures, StoreError> {
    let text: String = sqlx::query_scalar("SELECT measures FROM evidence_progress")
        .fetch_one(connection)
        .await?;
    serde_json::from_str(&text).map_err(|fault| StoreError::Database(format!("measures: {fault}")))
}

/// The measure of a name: a defined one, a built-in one, or the sum of outcomes that are called so.
async fn measure(connection: &mut PgConnection, name: &str) -> Result<Measure, StoreError> {
    let measures = measures(&mut *connection).await?;
    if let Some(measure) = measures.with_built_in().0.remove(name) {
        return Ok(measure);
    }
    let source = Source::Outcome(name.to_owned());
    let known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM evidence_names WHERE text = $1)")
            .bind(source.name())
            .fetch_one(connection)
            .await?;
    match known {
        true => Ok(Measure::of(source)),
        false => Err(StoreError::UnknownMeasure(name.to_owned())),
    }
}

/// The sums of these names, by variant and day.
async fn days(
    connection: &mut PgConnection,
    experiment: &str,
    names: &[String],
) -> Result<BTreeMap<String, Days>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.text, v.text, s.day, s.n, s.x, s.xx, s.y, s.yy, s.xy, s.c, s.cc, s.xc, s.yc
         FROM evidence_sums s JOIN evidence_names m ON m.number = s.measure
            JOIN evidence_names v ON v.number = s.variant
         WHERE s.experiment = (SELECT number FROM evidence_names WHERE text = $1)
           AND s.measure IN (SELECT number FROM evidence_names WHERE text = ANY($2))",
    )
    .bind(experiment)
    .bind(names)
    .fetch_all(connection)
    .await?;
    let mut found: BTreeMap<String, Days> = BTreeMap::new();
    for row in &rows {
        let mut parts = [0.0; 9];
        for (part, column) in parts.iter_mut().zip(4_usize..) {
            *part = row.try_get(column)?;
        }
        let key = (row.try_get(1)?, row.try_get(2)?);
        let sums = Sums::from_parts(row.try_get(3)?, parts);
        found.entry(row.try_get(0)?).or_default().insert(key, sums);
    }
    Ok(found)
}

pub(super) async fn summary(
    connection: &mut PgConnection,
    experiment: &str,
) -> Result<Summary, StoreError> {
    let behind = log::behind(connection).await?;
    let row = sqlx::query(
        "SELECT exposures, execution_failures, forced, fallbacks, attributed, early, late, orphans
         FROM evidence_counts
         WHERE experiment = (SELECT number FROM evidence_names WHERE text = $1)",
    )
    .bind(experiment)
    .fetch_optional(&mut *connection)
    .await?;
    let mut counts = Counts::default();
    if let Some(row) = row {
        counts = Counts {
            exposures: count(row.try_get(0)?),
            execution_failures: count(row.try_get(1)?),
            forced: count(row.try_get(2)?),
            fallbacks: count(row.try_get(3)?),
            attributed: count(row.try_get(4)?),
            early: count(row.try_get(5)?),
            late: count(row.try_get(6)?),
            orphans: count(row.try_get(7)?),
        };
    }
    let counted = [UNITS, CONTAMINATED, STRAYED].map(str::to_owned);
    let mut found = days(connection, experiment, &counted).await?;
    let mut units = |name| units_by_variant(found.remove(name).unwrap_or_default());
    Ok(Summary {
        units: units(UNITS),
        contaminated: units(CONTAMINATED),
        strayed: units(STRAYED),
        counts,
        behind,
    })
}

pub(super) async fn timeline(
    pool: &PgPool,
    experiment: &str,
    span: Span,
) -> Result<Vec<Minute>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.minute, v.text, m.requests, m.errors, m.execution_failures, m.latency, m.ttfb
         FROM evidence_minutes m JOIN evidence_names v ON v.number = m.variant
         WHERE m.experiment = (SELECT number FROM evidence_names WHERE text = $1)
           AND m.minute >= $2 AND m.minute < $3 ORDER BY m.minute, v.text",
    )
    .bind(experiment)
    .bind(span.from)
    .bind(span.to)
    .fetch_all(pool)
    .await?;
    let minute = |row: &sqlx::postgres::PgRow| {
        Ok(Minute {
            at: row.try_get(0)?,
            variant: row.try_get(1)?,
            requests: count(row.try_get(2)?),
            errors: count(row.try_get(3)?),
            execution_failures: count(row.try_get(4)?),
            latency: read_sketch(row.try_get(5)?)?,
            ttfb: read_sketch(row.try_get(6)?)?,
        })
    };
    rows.iter().map(minute).collect()
}

pub(super) async fn unit(pool: &PgPool, key: UnitKey) -> Result<Vec<UnitRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT unit, experiment, first_time, variant, contaminated, slots
         FROM evidence_units WHERE unit = $1 ORDER BY experiment",
    )
    .bind(key.0.as_slice())
    .fetch_all(pool)
    .await?;
    // Names are only ever added: read after the unit, they have all of its.
    let names = units::names(pool).await?;
    let record = |row| {
        let ((_, experiment), state) = units::unit(row)?;
        Ok(state.record(experiment, &names))
    };
    rows.iter().map(record).collect()
}
