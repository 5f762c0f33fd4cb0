//! Sums, sketches, minutes and counts: what is added to, a few rows of each at a time.

use super::{big, integer};
use crate::fold::Changes;
use crate::sketch::Sketch;
use crate::store::{Counts, StoreError};
use crate::sums::Sums;
use sqlx::{PgConnection, Row as _};
use std::collections::BTreeMap;

/// Adds to sums.
pub(super) async fn add(
    connection: &mut PgConnection,
    sums: &BTreeMap<(u32, u32, i32, u32), Sums>,
) -> Result<(), StoreError> {
    for ((experiment, variant, day, measure), it) in sums {
        let mut add = sqlx::query(
            "INSERT INTO evidence_sums AS s
                (experiment, variant, day, measure, n, x, xx, y, yy, xy, c, cc, xc, yc)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (experiment, measure, variant, day) DO UPDATE SET
                n = s.n + excluded.n, x = s.x + excluded.x, xx = s.xx + excluded.xx,
                y = s.y + excluded.y, yy = s.yy + excluded.yy, xy = s.xy + excluded.xy,
                c = s.c + excluded.c, cc = s.cc + excluded.cc, xc = s.xc + excluded.xc,
                yc = s.yc + excluded.yc",
        )
        .bind(integer(*experiment))
        .bind(integer(*variant))
        .bind(day)
        .bind(integer(*measure))
        .bind(it.n);
        for part in it.parts() {
            add = add.bind(part);
        }
        add.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Merges the single values.
pub(super) async fn merge_values(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    for ((experiment, variant, source), new) in &changes.values {
        let [experiment, variant, source] = [experiment, variant, source].map(|it| integer(*it));
        let kept: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT data FROM evidence_sketches WHERE experiment = $1 AND source = $2 AND variant = $3",
        )
        .bind(experiment)
        .bind(source)
        .bind(variant)
        .fetch_optional(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO evidence_sketches VALUES ($1, $2, $3, $4)
             ON CONFLICT (experiment, source, variant) DO UPDATE SET data = excluded.data",
        )
        .bind(experiment)
        .bind(source)
        .bind(variant)
        .bind(merged(kept.as_deref(), new)?)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Merges minutes.
pub(super) async fn merge_minutes(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    for ((experiment, minute, variant), new) in &changes.minutes {
        let kept = sqlx::query(
            "SELECT latency, ttfb FROM evidence_minutes
             WHERE experiment = $1 AND minute = $2 AND variant = $3",
        )
        .bind(integer(*experiment))
        .bind(minute)
        .bind(integer(*variant))
        .fetch_optional(&mut *connection)
        .await?;
        let column = |index| kept.as_ref().map(|it| it.try_get(index)).transpose();
        let (latency, ttfb) = (
            merged(column(0)?, &new.latency)?,
            merged(column(1)?, &new.ttfb)?,
        );
        sqlx::query(
            "INSERT INTO evidence_minutes AS m VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (experiment, minute, variant) DO UPDATE SET
                requests = m.requests + excluded.requests, errors = m.errors + excluded.errors,
                execution_failures = m.execution_failures + excluded.execution_failures,
                latency = excluded.latency, ttfb = excluded.ttfb",
        )
        .bind(integer(*experiment))
        .bind(minute)
        .bind(integer(*variant))
        .bind(big(new.requests))
        .bind(big(new.errors))
        .bind(big(new.execution_failures))
        .bind(latency)
        .bind(ttfb)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn merged(kept: Option<&[u8]>, new: &Sketch) -> Result<Vec<u8>, StoreError> {
    let mut sketch = kept.map(read_sketch).transpose()?.unwrap_or_default();
    sketch.merge(new);
    Ok(sketch.to_bytes())
}

pub(super) fn read_sketch(bytes: &[u8]) -> Result<Sketch, StoreError> {
    Sketch::from_bytes(bytes).map_err(|fault| StoreError::Database(format!("a sketch: {fault}")))
}

/// Adds to an experiment's counts.
pub(super) async fn add_counts(
    connection: &mut PgConnection,
    experiment: u32,
    it: &Counts,
) -> Result<(), StoreError> {
    let mut add = sqlx::query(
        "INSERT INTO evidence_counts AS k VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (experiment) DO UPDATE SET exposures = k.exposures + excluded.exposures,
            execution_failures = k.execution_failures + excluded.execution_failures,
            forced = k.forced + excluded.forced, fallbacks = k.fallbacks + excluded.fallbacks,
            attributed = k.attributed + excluded.attributed, early = k.early + excluded.early,
            late = k.late + excluded.late, orphans = k.orphans + excluded.orphans",
    )
    .bind(integer(experiment));
    for count in [
        it.exposures,
        it.execution_failures,
        it.forced,
        it.fallbacks,
        it.attributed,
        it.early,
        it.late,
        it.orphans,
    ] {
        add = add.bind(big(count));
    }
    add.execute(connection).await?;
    Ok(())
}
