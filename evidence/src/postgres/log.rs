//! The log: batches as they came, and who wrote how many.

use super::{big, count};
use crate::Micros;
use crate::batch::Batch;
use crate::block::{BlockBuilder, OpenBlock};
use crate::outcome::Outcome;
use crate::outcomes;
use crate::recent::fingerprint;
use crate::store::{Appended, Cursor, Page, Scan, StoreError};
use crate::unit::UnitKey;
use sqlx::{PgConnection, PgPool, Row as _};
use std::collections::HashSet;

/// How many entries are read at a time: one may have several MB.
const READ: i64 = 8;

/// One entry of the log.
pub(super) struct LogEntry {
    pub id: i64,
    /// Nothing for outcomes.
    pub experiment: Option<String>,
    pub data: Vec<u8>,
}

/// Entries to be written, column by column.
#[derive(Default)]
struct Columns<'a> {
    experiments: Vec<Option<&'a str>>,
    entries: Vec<i64>,
    firsts: Vec<Micros>,
    lasts: Vec<Micros>,
    data: Vec<&'a [u8]>,
}

pub(super) async fn append(pool: &PgPool, batch: &Batch) -> Result<Appended, StoreError> {
    let mut transaction = pool.begin().await?;
    // Held until the commit: see above.
    let head: i64 = sqlx::query_scalar("SELECT last FROM evidence_head FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await?;
    let fresh = sqlx::query(
        "INSERT INTO evidence_writers AS w VALUES ($1, $2)
         ON CONFLICT (writer) DO UPDATE SET number = excluded.number WHERE w.number < excluded.number",
    )
    .bind(batch.writer)
    .bind(batch.number)
    .execute(&mut *transaction)
    .await?;
    if fresh.rows_affected() == 0 {
        return Ok(Appended {
            repeated: true,
            ..Appended::default()
        });
    }
    let (outcomes, duplicate_outcomes) = new_outcomes(&mut transaction, &batch.outcomes).await?;
    let mut columns = Columns::default();
    for it in &batch.blocks {
        columns.push(
            Some(&it.experiment),
            it.rows.into(),
            (it.first, it.last),
            &it.data,
        );
    }
    let times = outcomes.iter().map(|it| it.time);
    let packed = outcomes::pack(outcomes.iter().copied());
    if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
        let entries = i64::try_from(outcomes.len()).unwrap_or(i64::MAX);
        columns.push(None, entries, (first, last), &packed);
    }
    let written = columns.write(&mut transaction, head).await?;
    sqlx::query("UPDATE evidence_head SET last = $1")
        .bind(head.saturating_add(big(written)))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Appended {
        repeated: false,
        duplicate_outcomes,
    })
}

impl<'a> Columns<'a> {
    fn push(
        &mut self,
        experiment: Option<&'a str>,
        entries: i64,
        (first, last): (Micros, Micros),
        data: &'a [u8],
    ) {
        self.experiments.push(experiment);
        self.entries.push(entries);
        self.firsts.push(first);
        self.lasts.push(last);
        self.data.push(data);
    }

    async fn write(self, connection: &mut PgConnection, head: i64) -> Result<u64, StoreError> {
        let written = sqlx::query(
            "INSERT INTO evidence_log
             SELECT $1 + at, experiment, entries, first_time, last_time, data
             FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
                WITH ORDINALITY AS it (experiment, entries, first_time, last_time, data, at)",
        )
        .bind(head)
        .bind(self.experiments)
        .bind(self.entries)
        .bind(self.firsts)
        .bind(self.lasts)
        .bind(self.data)
        .execute(connection)
        .await?;
        Ok(written.rows_affected())
    }
}

/// Those that were not reported before, and which were.
async fn new_outcomes<'a>(
    connection: &mut PgConnection,
    outcomes: &'a [Outcome],
) -> Result<(Vec<&'a Outcome>, Vec<usize>), StoreError> {
    let fingerprint = |it: &Outcome| {
        let key = it.idempotency_key.as_ref()?;
        Some(fingerprint((it.unit.key, &it.metric, key)).cast_signed())
    };
    let keyed: Vec<_> = outcomes
        .iter()
        .filter_map(|it| Some((fingerprint(it)?, it)))
        .collect();
    let mut unseen: HashSet<i64> = HashSet::new();
    if !keyed.is_empty() {
        let keys: Vec<i64> = keyed.iter().map(|it| it.0).collect();
        let units: Vec<&[u8]> = keyed.iter().map(|it| it.1.unit.key.0.as_slice()).collect();
        let times: Vec<i64> = keyed.iter().map(|it| it.1.time).collect();
        let inserted: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO evidence_outcome_keys
             SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])
             ON CONFLICT DO NOTHING RETURNING key",
        )
        .bind(keys)
        .bind(units)
        .bind(times)
        .fetch_all(connection)
        .await?;
        unseen.extend(inserted);
    }
    let (mut new, mut duplicates) = (Vec::new(), Vec::new());
    for (index, it) in outcomes.iter().enumerate() {
        // The first of a key takes it.
        if fingerprint(it).is_none_or(|key| unseen.remove(&key)) {
            new.push(it);
        } else {
            duplicates.push(index);
        }
    }
    Ok((new, duplicates))
}

/// The entries after `id`, at most `READ`.
pub(super) async fn after(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Vec<LogEntry>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, experiment, data FROM evidence_log WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(id)
    .bind(READ)
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &sqlx::postgres::PgRow) -> Result<LogEntry, StoreError> {
    Ok(LogEntry {
        id: row.try_get(0)?,
        experiment: row.try_get(1)?,
        data: row.try_get(2)?,
    })
}

/// How many entries are not folded.
pub(super) async fn behind(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let behind: i64 = sqlx::query_scalar(
        "SELECT COALESCE(SUM(entries), 0)::bigint FROM evidence_log
         WHERE id > (SELECT folded FROM evidence_progress)",
    )
    .fetch_one(connection)
    .await?;
    Ok(count(behind))
}

pub(super) async fn exposures(pool: &PgPool, scan: &Scan) -> Result<Page, StoreError> {
    let mut page = Page {
        next: scan.after,
        ..Page::default()
    };
    loop {
        let rows = sqlx::query(
            "SELECT id, experiment, data FROM evidence_log
             WHERE id > $1 AND experiment IS NOT NULL AND ($2::text IS NULL OR experiment = $2)
             ORDER BY id LIMIT 16",
        )
        .bind(page.next.0)
        .bind(&scan.experiment)
        .fetch_all(pool)
        .await?;
        if rows.is_empty() {
            return Ok(page);
        }
        for row in &rows {
            if page.exposures.len() >= scan.limit.max(1) {
                page.more = true;
                return Ok(page);
            }
            let it = entry(row)?;
            let block = OpenBlock::of(it.experiment.unwrap_or_default(), &it.data);
            let block = block.map_err(|fault| StoreError::Block { id: it.id, fault })?;
            page.exposures.extend(block.exposures());
            page.next = Cursor(it.id);
        }
    }
}

pub(super) async fn bookmark(pool: &PgPool, reader: &str) -> Result<Cursor, StoreError> {
    let place = sqlx::query_scalar("SELECT place FROM evidence_bookmarks WHERE reader = $1")
        .bind(reader)
        .fetch_optional(pool)
        .await?;
    Ok(place.map(Cursor).unwrap_or_default())
}

pub(super) async fn keep_bookmark(
    pool: &PgPool,
    reader: &str,
    place: Cursor,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO evidence_bookmarks AS it VALUES ($1, $2)
         ON CONFLICT (reader) DO UPDATE SET place = excluded.place WHERE it.place < excluded.place",
    )
    .bind(reader)
    .bind(place.0)
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes blocks anew without the unit. How many exposures and outcomes it had.
pub(super) async fn forget(
    connection: &mut PgConnection,
    key: UnitKey,
) -> Result<(u64, u64), StoreError> {
    let (mut exposures, mut outcomes) = (0, 0);
    let mut at = 0;
    loop {
        let entries = after(connection, at).await?;
        let Some(last) = entries.last() else { break };
        at = last.id;
        for it in entries {
            let (gone, kept) =
                without(&it, key).map_err(|fault| StoreError::Block { id: it.id, fault })?;
            match &it.experiment {
                Some(_) => exposures += gone,
                None => outcomes += gone,
            }
            if gone > 0 {
                rewrite(connection, it.id, kept).await?;
            }
        }
    }
    sqlx::query("DELETE FROM evidence_outcome_keys WHERE unit = $1")
        .bind(key.0.as_slice())
        .execute(connection)
        .await?;
    Ok((exposures, outcomes))
}

/// How often the unit is in an entry, and what the entry is without it: rows and bytes.
fn without(it: &LogEntry, key: UnitKey) -> Result<(u64, (usize, Vec<u8>)), crate::block::BadBlock> {
    let Some(experiment) = &it.experiment else {
        let all = outcomes::unpack(&it.data)?;
        let kept: Vec<_> = all.iter().filter(|it| it.unit.key != key).collect();
        let (gone, rows) = (all.len() - kept.len(), kept.len());
        return Ok((
            u64::try_from(gone).unwrap_or(0),
            (rows, outcomes::pack(kept.into_iter())),
        ));
    };
    let block = OpenBlock::of(experiment.clone(), &it.data)?;
    let gone = (0..block.rows())
        .filter(|row| block.unit(*row) == key)
        .count();
    if gone == 0 {
        return Ok((0, (block.rows(), Vec::new())));
    }
    let mut kept = BlockBuilder::default();
    block
        .exposures()
        .filter(|it| it.unit.key != key)
        .for_each(|it| kept.push(&it));
    let rows = block.rows() - gone;
    Ok((
        u64::try_from(gone).unwrap_or(0),
        (rows, kept.seal(experiment.clone()).data),
    ))
}

async fn rewrite(
    connection: &mut PgConnection,
    id: i64,
    (rows, data): (usize, Vec<u8>),
) -> Result<(), StoreError> {
    let query = match rows {
        0 => sqlx::query("DELETE FROM evidence_log WHERE id = $1").bind(id),
        _ => sqlx::query("UPDATE evidence_log SET entries = $2, data = $3 WHERE id = $1")
            .bind(id)
            .bind(i64::try_from(rows).unwrap_or(i64::MAX))
            .bind(data),
    };
    query.execute(connection).await?;
    Ok(())
}

/// Removes entries that are folded and whose last request began before `before`. How many.
pub(super) async fn retain(
    connection: &mut PgConnection,
    before: Micros,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "DELETE FROM evidence_log
         WHERE last_time < $1 AND id <= (SELECT folded FROM evidence_progress)",
    )
    .bind(before)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM evidence_outcome_keys WHERE time < $1")
        .bind(before)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}
