//! The log: batches as they came, and who wrote how many.

use crate::Micros;
use crate::batch::Batch;
use crate::block::{BlockBuilder, OpenBlock};
use crate::outcome::Outcome;
use crate::outcomes;
use crate::recent::fingerprint;
use crate::store::{Appended, Cursor, Page, Scan, StoreError};
use crate::unit::UnitKey;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// How many entries are read at a time, and about how many bytes of them: one may have a second's worth
/// of an experiment, several MB.
const READ: usize = 64;
const READ_BYTES: usize = 8 << 20;

const VERSION: i64 = 1;

/// One entry of the log.
pub(super) struct LogEntry {
    pub id: i64,
    /// Nothing for outcomes.
    pub experiment: Option<String>,
    pub data: Vec<u8>,
}

pub(super) fn migrate(connection: &Connection) -> Result<(), StoreError> {
    check_version(connection, VERSION)?;
    Ok(connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS log (
            id INTEGER PRIMARY KEY AUTOINCREMENT, experiment TEXT, rows INTEGER NOT NULL,
            first INTEGER NOT NULL, last INTEGER NOT NULL, data BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS writers (writer INTEGER PRIMARY KEY, number INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS outcome_keys (
            key INTEGER PRIMARY KEY, unit BLOB NOT NULL, time INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, data BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS bookmarks (reader TEXT PRIMARY KEY, place INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, secret BLOB NOT NULL);
         PRAGMA user_version = 1;
         COMMIT;",
    )?)
}

/// The file's version, 0 of a new one; refuses a newer one.
pub(super) fn check_version(connection: &Connection, known: i64) -> Result<i64, StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    Ok(found)
}

pub(super) fn append(connection: &mut Connection, batch: &Batch) -> Result<Appended, StoreError> {
    let transaction = connection.transaction()?;
    let last: Option<i64> = transaction
        .prepare_cached("SELECT number FROM writers WHERE writer = ?1")?
        .query_row([batch.writer], |row| row.get(0))
        .optional()?;
    if last.is_some_and(|last| last >= batch.number) {
        return Ok(Appended {
            repeated: true,
            ..Appended::default()
        });
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO writers (writer, number) VALUES (?1, ?2)")?
        .execute([batch.writer, batch.number])?;
    for it in &batch.blocks {
        insert(
            &transaction,
            Some(&it.experiment),
            it.rows,
            (it.first, it.last),
            &it.data,
        )?;
    }
    let duplicate_outcomes = append_outcomes(&transaction, &batch.outcomes)?;
    if let Some(account) = &batch.account {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO accounts (name, data) VALUES ('arrived', ?1)")?
            .execute([account])?;
    }
    transaction.commit()?;
    Ok(Appended {
        repeated: false,
        duplicate_outcomes,
    })
}

/// What came with the last batch that had an account.
pub(super) fn account(connection: &Connection) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT data FROM accounts WHERE name = 'arrived'";
    Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?)
}

fn append_outcomes(
    transaction: &Transaction<'_>,
    outcomes: &[Outcome],
) -> Result<Vec<usize>, StoreError> {
    let mut duplicates = Vec::new();
    let mut new = Vec::new();
    for (index, it) in outcomes.iter().enumerate() {
        let is_new = match &it.idempotency_key {
            None => true,
            Some(key) => {
                let fingerprint = fingerprint((it.unit.key, &it.metric, key)).cast_signed();
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO outcome_keys (key, unit, time) VALUES (?1, ?2, ?3)",
                )?;
                insert.execute(params![fingerprint, it.unit.key.0, it.time])? > 0
            }
        };
        if is_new {
            new.push(it);
        } else {
            duplicates.push(index);
        }
    }
    let times = new.iter().map(|it| it.time);
    if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
        let rows = u32::try_from(new.len()).unwrap_or(u32::MAX);
        insert(
            transaction,
            None,
            rows,
            (first, last),
            &outcomes::pack(new.into_iter()),
        )?;
    }
    Ok(duplicates)
}

fn insert(
    transaction: &Transaction<'_>,
    experiment: Option<&str>,
    rows: u32,
    (first, last): (Micros, Micros),
    data: &[u8],
) -> Result<(), StoreError> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO log (experiment, rows, first, last, data) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![experiment, rows, first, last, data])?;
    Ok(())
}

/// The entries after `id`: at least one where there is one, and as many as fit. Whether there are more.
pub(super) fn after(connection: &Connection, id: i64) -> Result<(Vec<LogEntry>, bool), StoreError> {
    let mut query = connection
        .prepare_cached("SELECT id, experiment, data FROM log WHERE id > ?1 ORDER BY id")?;
    let mut rows = query.query([id])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if entries.len() >= READ || bytes >= READ_BYTES {
            return Ok((entries, true));
        }
        let entry = entry(row)?;
        bytes += entry.data.len();
        entries.push(entry);
    }
    Ok((entries, false))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogEntry> {
    Ok(LogEntry {
        id: row.get(0)?,
        experiment: row.get(1)?,
        data: row.get(2)?,
    })
}

pub(super) fn entries_after(connection: &Connection, id: i64) -> Result<u64, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT COALESCE(SUM(rows), 0) FROM log WHERE id > ?1")?;
    let entries: i64 = query.query_row([id], |row| row.get(0))?;
    Ok(u64::try_from(entries).unwrap_or(0))
}

pub(super) fn exposures(connection: &Connection, scan: &Scan) -> Result<Page, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT id, experiment, data FROM log
         WHERE id > ?1 AND experiment IS NOT NULL AND (?2 IS NULL OR experiment = ?2) ORDER BY id",
    )?;
    let mut rows = query.query(params![scan.after.0, scan.experiment])?;
    let mut page = Page {
        next: scan.after,
        ..Page::default()
    };
    while let Some(row) = rows.next()? {
        if page.exposures.len() >= scan.limit.max(1) {
            page.more = true;
            break;
        }
        let LogEntry {
            id,
            experiment,
            data,
        } = entry(row)?;
        let block = OpenBlock::of(experiment.unwrap_or_default(), &data);
        let block = block.map_err(|fault| StoreError::Block { id, fault })?;
        page.exposures.extend(block.exposures());
        page.next = Cursor(id);
    }
    Ok(page)
}

pub(super) fn bookmark(connection: &Connection, reader: &str) -> Result<Cursor, StoreError> {
    let sql = "SELECT place FROM bookmarks WHERE reader = ?1";
    let place = connection
        .prepare_cached(sql)?
        .query_row([reader], |row| row.get(0))
        .optional()?;
    Ok(place.map(Cursor).unwrap_or_default())
}

pub(super) fn keep_bookmark(
    connection: &Connection,
    reader: &str,
    place: Cursor,
) -> Result<(), StoreError> {
    let mut keep = connection.prepare_cached(
        "INSERT INTO bookmarks (reader, place) VALUES (?1, ?2)
         ON CONFLICT (reader) DO UPDATE SET place = max(place, excluded.place)",
    )?;
    keep.execute(params![reader, place.0])?;
    Ok(())
}

/// Writes blocks anew without the unit. How many exposures and outcomes it had.
pub(super) fn forget(connection: &mut Connection, key: UnitKey) -> Result<(u64, u64), StoreError> {
    let transaction = connection.transaction()?;
    let (mut exposures, mut outcomes) = (0, 0);
    let mut at = 0;
    loop {
        let (entries, _) = after(&transaction, at)?;
        let Some(last) = entries.last() else { break };
        at = last.id;
        for it in entries {
            match &it.experiment {
                Some(experiment) => {
                    exposures += forget_exposures(&transaction, &it, experiment, key)?;
                }
                None => outcomes += forget_outcomes(&transaction, &it, key)?,
            }
        }
    }
    transaction.execute("DELETE FROM outcome_keys WHERE unit = ?1", [key.0])?;
    transaction.commit()?;
    // What was overwritten is also still in the write-ahead log.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok((exposures, outcomes))
}

fn forget_exposures(
    transaction: &Transaction<'_>,
    it: &LogEntry,
    experiment: &str,
    key: UnitKey,
) -> Result<u64, StoreError> {
    let bad = |fault| StoreError::Block { id: it.id, fault };
    let block = OpenBlock::of(experiment.to_owned(), &it.data).map_err(bad)?;
    let gone = (0..block.rows())
        .filter(|row| block.unit(*row) == key)
        .count();
    if gone == 0 {
        return Ok(0);
    }
    let mut kept = BlockBuilder::default();
    block
        .exposures()
        .filter(|it| it.unit.key != key)
        .for_each(|it| kept.push(&it));
    let kept = kept.seal(experiment.to_owned());
    rewrite(transaction, it.id, kept.rows, &kept.data)?;
    Ok(u64::try_from(gone).unwrap_or(0))
}

fn forget_outcomes(
    transaction: &Transaction<'_>,
    it: &LogEntry,
    key: UnitKey,
) -> Result<u64, StoreError> {
    let all = outcomes::unpack(&it.data).map_err(|fault| StoreError::Block { id: it.id, fault })?;
    let kept: Vec<_> = all.iter().filter(|it| it.unit.key != key).collect();
    let gone = all.len() - kept.len();
    if gone > 0 {
        let rows = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        rewrite(transaction, it.id, rows, &outcomes::pack(kept.into_iter()))?;
    }
    Ok(u64::try_from(gone).unwrap_or(0))
}

fn rewrite(
    transaction: &Transaction<'_>,
    id: i64,
    rows: u32,
    data: &[u8],
) -> Result<(), StoreError> {
    match rows {
        0 => transaction.execute("DELETE FROM log WHERE id = ?1", [id])?,
        _ => transaction.execute(
            "UPDATE log SET rows = ?2, data = ?3 WHERE id = ?1",
            params![id, rows, data],
        )?,
    };
    Ok(())
}

/// Removes entries that are folded and whose last request began before `before`. How many.
pub(super) fn retain(
    connection: &mut Connection,
    before: Micros,
    folded: i64,
) -> Result<u64, StoreError> {
    let transaction = connection.transaction()?;
    let gone = transaction.execute(
        "DELETE FROM log WHERE last < ?1 AND id <= ?2",
        [before, folded],
    )?;
    transaction.execute("DELETE FROM outcome_keys WHERE time < ?1", [before])?;
    transaction.commit()?;
    Ok(u64::try_from(gone).unwrap_or(0))
}

pub(super) fn secret(connection: &Connection, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
    connection.execute(
        "INSERT OR IGNORE INTO secrets (name, secret) VALUES ('units', ?1)",
        [candidate],
    )?;
    Ok(connection.query_row(
        "SELECT secret FROM secrets WHERE name = 'units'",
        [],
        |row| row.get(0),
    )?)
}
