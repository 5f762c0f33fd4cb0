//! What is folded from the log: units, their sums, histories and minutes, and up to where.

mod answers;
mod winsorized;

pub(super) use answers::{sufficient, summary, timeline, unit};
pub(super) use winsorized::winsorize;

use super::Folding;
use super::log::check_version;
use crate::Micros;
use crate::fold::{self, Changes, Deltas, History, Known, Names, UnitState};
use crate::measure::Measures;
use crate::sketch::Sketch;
use crate::store::{Counts, StoreError};
use crate::sums::Sums;
use crate::unit::UnitKey;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::collections::BTreeMap;

/// 2: what units that strayed contribute, and values by the day since the first exposure.
const VERSION: i64 = 2;

/// How many units are joined at a time: what is known of them fits a processor's caches.
const PIECE: usize = 4_000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS units (
        unit BLOB NOT NULL, experiment INTEGER NOT NULL, first INTEGER NOT NULL,
        variant INTEGER NOT NULL, contaminated INTEGER NOT NULL, slots BLOB NOT NULL,
        PRIMARY KEY (unit, experiment)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS histories (unit BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sums (
        experiment INTEGER NOT NULL, measure INTEGER NOT NULL, variant INTEGER NOT NULL,
        day INTEGER NOT NULL, n INTEGER NOT NULL, x REAL NOT NULL, xx REAL NOT NULL, y REAL NOT NULL,
        yy REAL NOT NULL, xy REAL NOT NULL, c REAL NOT NULL, cc REAL NOT NULL, xc REAL NOT NULL,
        yc REAL NOT NULL, PRIMARY KEY (experiment, measure, variant, day)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sketches (
        experiment INTEGER NOT NULL, source INTEGER NOT NULL, variant INTEGER NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (experiment, source, variant)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS minutes (
        experiment INTEGER NOT NULL, minute INTEGER NOT NULL, variant INTEGER NOT NULL,
        requests INTEGER NOT NULL, errors INTEGER NOT NULL, execution_failures INTEGER NOT NULL,
        latency BLOB NOT NULL, ttfb BLOB NOT NULL,
        PRIMARY KEY (experiment, minute, variant)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counts (
        experiment INTEGER PRIMARY KEY, exposures INTEGER NOT NULL, execution_failures INTEGER NOT NULL,
        forced INTEGER NOT NULL, fallbacks INTEGER NOT NULL, attributed INTEGER NOT NULL,
        early INTEGER NOT NULL, late INTEGER NOT NULL, orphans INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS names (number INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS progress (
        only INTEGER PRIMARY KEY CHECK (only = 1), folded INTEGER NOT NULL, measures TEXT NOT NULL);
    INSERT OR IGNORE INTO progress VALUES (1, 0, '{}');";

/// Units are folded from the log, so what an older version made of it is made anew.
const EMPTY: &str = "
    DELETE FROM units; DELETE FROM histories; DELETE FROM sums; DELETE FROM sketches;
    DELETE FROM minutes; DELETE FROM counts;
    UPDATE progress SET folded = 0;";

pub(super) fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let empty = match check_version(connection, VERSION)? {
        VERSION => "",
        _ => EMPTY,
    };
    Ok(connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} {empty} PRAGMA user_version = {VERSION}; COMMIT;"
    ))?)
}

/// The last entry of the log that is folded.
pub(super) fn folded(connection: &Connection) -> Result<i64, StoreError> {
    let mut query = connection.prepare_cached("SELECT folded FROM progress")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

pub(super) fn measures(connection: &Connection) -> Result<Measures, StoreError> {
    let text: String =
        connection.query_row("SELECT measures FROM progress", [], |row| row.get(0))?;
    serde_json::from_str(&text).map_err(|fault| StoreError::Database(format!("measures: {fault}")))
}

/// The numbered names.
pub(super) fn names(connection: &Connection) -> Result<Names, StoreError> {
    let mut query = connection.prepare("SELECT text FROM names ORDER BY number")?;
    let texts = query.query_map([], |row| row.get(0))?;
    Ok(Names::of(texts.collect::<Result<_, _>>()?))
}

pub(super) fn keep_names(connection: &mut Connection, names: &Names) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    insert_names(&transaction, names)?;
    Ok(transaction.commit()?)
}

fn insert_names(transaction: &Transaction<'_>, names: &Names) -> Result<(), StoreError> {
    let kept: usize = transaction.query_row("SELECT COUNT(*) FROM names", [], |row| row.get(0))?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO names (number, text) VALUES (?1, ?2)")?;
    for (number, text) in names.texts().iter().enumerate().skip(kept) {
        insert.execute(params![number, text])?;
    }
    Ok(())
}

/// Forgets what is folded, to fold it anew.
pub(super) fn begin_anew(
    connection: &mut Connection,
    measures: &Measures,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(measures);
    let text = text.map_err(|fault| StoreError::Database(format!("measures: {fault}")))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(EMPTY)?;
    transaction.execute("UPDATE progress SET measures = ?1", [text])?;
    Ok(transaction.commit()?)
}

/// Folds `deltas`, which end with the entry `upto`.
pub(super) fn take_in(folding: &mut Folding, deltas: Deltas, upto: i64) -> Result<(), StoreError> {
    let Folding {
        connection,
        names,
        layout,
        ..
    } = folding;
    let transaction = connection.transaction()?;
    insert_names(&transaction, names)?;
    for piece in deltas.pieces(PIECE) {
        let known = known(&transaction, &piece)?;
        let changes = fold::apply(piece, known, layout, names);
        write(&transaction, &changes)?;
    }
    transaction.execute("UPDATE progress SET folded = ?1", [upto])?;
    Ok(transaction.commit()?)
}

fn known(transaction: &Transaction<'_>, deltas: &Deltas) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let mut one = transaction.prepare_cached(
        "SELECT experiment, first, variant, contaminated, slots FROM units
         WHERE unit = ?1 AND experiment = ?2",
    )?;
    let mut past = transaction.prepare_cached("SELECT data FROM histories WHERE unit = ?1")?;
    let any_past: bool =
        transaction.query_row("SELECT EXISTS (SELECT 1 FROM histories)", [], |row| {
            row.get(0)
        })?;
    let mut history = |key: UnitKey| -> Result<Option<History>, StoreError> {
        let bytes: Option<Vec<u8>> = match any_past {
            true => past.query_row([key.0], |row| row.get(0)).optional()?,
            false => None,
        };
        Ok(bytes.map(|it| History::kept(&it)))
    };
    for (unit, experiment) in deltas.units() {
        let found = one
            .query_row(params![unit.0, experiment], state)
            .optional()?;
        match found {
            Some((experiment, state)) => {
                known.units.insert((unit, experiment), state);
            }
            None => {
                let past = history(unit)?;
                past.and_then(|it| known.histories.insert(unit, it));
            }
        }
    }
    let mut all = transaction.prepare_cached(
        "SELECT experiment, first, variant, contaminated, slots FROM units WHERE unit = ?1",
    )?;
    for unit in deltas.reported() {
        for found in all.query_map([unit.0], state)? {
            let (experiment, state) = found?;
            known.units.insert((unit, experiment), state);
        }
        let past = history(unit)?;
        past.and_then(|it| known.histories.insert(unit, it));
    }
    Ok(known)
}

fn state(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u32, UnitState)> {
    let slots = row.get_ref(4)?.as_blob()?;
    let state = UnitState::kept(row.get(1)?, row.get(2)?, row.get(3)?, slots);
    Ok((row.get(0)?, state))
}

fn write(transaction: &Transaction<'_>, changes: &Changes) -> Result<(), StoreError> {
    let mut put = transaction.prepare_cached(
        // Overwritten in place where the length stays.
        "INSERT INTO units (unit, experiment, first, variant, contaminated, slots)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET first = excluded.first, variant = excluded.variant,
            contaminated = excluded.contaminated, slots = excluded.slots",
    )?;
    for ((unit, experiment), it) in &changes.units {
        let slots = it.slot_bytes();
        put.execute(params![
            unit.0,
            experiment,
            it.first,
            it.variant,
            it.contaminated,
            slots
        ])?;
    }
    use prost::Message as _;
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO histories VALUES (?1, ?2)")?;
    for (unit, history) in &changes.histories {
        put.execute(params![unit.0, history.encode_to_vec()])?;
    }
    add_sums(transaction, &changes.sums)?;
    merge_values(transaction, changes)?;
    merge_minutes(transaction, changes)?;
    for (experiment, counts) in &changes.counts {
        add_counts(transaction, *experiment, counts)?;
    }
    for (experiment, adopted) in &changes.adopted {
        transaction.execute(
            "UPDATE counts SET orphans = orphans - ?2 WHERE experiment = ?1",
            params![experiment, adopted],
        )?;
    }
    Ok(())
}

pub(super) fn add_sums(
    transaction: &Transaction<'_>,
    sums: &BTreeMap<(u32, u32, i32, u32), Sums>,
) -> Result<(), StoreError> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO sums (experiment, variant, day, measure, n, x, xx, y, yy, xy, c, cc, xc, yc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT DO UPDATE SET n = n + excluded.n, x = x + excluded.x, xx = xx + excluded.xx,
            y = y + excluded.y, yy = yy + excluded.yy, xy = xy + excluded.xy, c = c + excluded.c,
            cc = cc + excluded.cc, xc = xc + excluded.xc, yc = yc + excluded.yc",
    )?;
    for ((experiment, variant, day, measure), it) in sums {
        let Sums {
            n,
            x,
            xx,
            y,
            yy,
            xy,
            c,
            cc,
            xc,
            yc,
        } = it;
        add.execute(params![
            experiment, variant, day, measure, n, x, xx, y, yy, xy, c, cc, xc, yc
        ])?;
    }
    Ok(())
}

fn merge_values(transaction: &Transaction<'_>, changes: &Changes) -> Result<(), StoreError> {
    let mut get = transaction.prepare_cached(
        "SELECT data FROM sketches WHERE experiment = ?1 AND source = ?2 AND variant = ?3",
    )?;
    let mut put =
        transaction.prepare_cached("INSERT OR REPLACE INTO sketches VALUES (?1, ?2, ?3, ?4)")?;
    for ((experiment, variant, source), new) in &changes.values {
        let key = [experiment, source, variant];
        let kept: Option<Vec<u8>> = get.query_row(key, |row| row.get(0)).optional()?;
        let merged = merged(kept, new)?;
        put.execute(params![experiment, source, variant, merged])?;
    }
    Ok(())
}

fn merge_minutes(transaction: &Transaction<'_>, changes: &Changes) -> Result<(), StoreError> {
    let mut get = transaction.prepare_cached(
        "SELECT latency, ttfb FROM minutes WHERE experiment = ?1 AND minute = ?2 AND variant = ?3",
    )?;
    let mut put = transaction.prepare_cached(
        "INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,
            errors = errors + excluded.errors,
            execution_failures = execution_failures + excluded.execution_failures,
            latency = excluded.latency, ttfb = excluded.ttfb",
    )?;
    for ((experiment, minute, variant), new) in &changes.minutes {
        let key = params![experiment, minute, variant];
        let kept = get
            .query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (latency, ttfb): (Option<Vec<u8>>, Option<Vec<u8>>) = kept.unzip();
        let (latency, ttfb) = (merged(latency, &new.latency)?, merged(ttfb, &new.ttfb)?);
        put.execute(params![
            experiment,
            minute,
            variant,
            new.requests,
            new.errors,
            new.execution_failures,
            latency,
            ttfb
        ])?;
    }
    Ok(())
}

fn merged(kept: Option<Vec<u8>>, new: &Sketch) -> Result<Vec<u8>, StoreError> {
    let mut sketch = kept
        .map(|it| read_sketch(&it))
        .transpose()?
        .unwrap_or_default();
    sketch.merge(new);
    Ok(sketch.to_bytes())
}

pub(super) fn read_sketch(bytes: &[u8]) -> Result<Sketch, StoreError> {
    Sketch::from_bytes(bytes).map_err(|fault| StoreError::Database(format!("a sketch: {fault}")))
}

fn add_counts(
    transaction: &Transaction<'_>,
    experiment: u32,
    it: &Counts,
) -> Result<(), StoreError> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET exposures = exposures + excluded.exposures,
            execution_failures = execution_failures + excluded.execution_failures,
            forced = forced + excluded.forced, fallbacks = fallbacks + excluded.fallbacks,
            attributed = attributed + excluded.attributed, early = early + excluded.early,
            late = late + excluded.late, orphans = orphans + excluded.orphans",
    )?;
    add.execute(params![
        experiment,
        it.exposures,
        it.execution_failures,
        it.forced,
        it.fallbacks,
        it.attributed,
        it.early,
        it.late,
        it.orphans
    ])?;
    Ok(())
}

/// Takes the unit out of all that is folded. How many experiments it was in.
pub(super) fn forget(folding: &mut Folding, key: UnitKey) -> Result<u64, StoreError> {
    let gone = remove(
        folding,
        "SELECT unit, experiment, first, variant, contaminated, slots FROM units
         WHERE unit = ?1",
        params![key.0],
    )?;
    let connection = &folding.connection;
    connection.execute("DELETE FROM histories WHERE unit = ?1", [key.0])?;
    // What was overwritten is also still in the write-ahead log.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(gone)
}

/// Removes units that were first exposed before `before`, and minutes from then.
pub(super) fn retain(folding: &mut Folding, before: Micros) -> Result<u64, StoreError> {
    let gone = remove(
        folding,
        "SELECT unit, experiment, first, variant, contaminated, slots FROM units
         WHERE first < ?1 LIMIT 100000",
        params![before],
    )?;
    folding
        .connection
        .execute("DELETE FROM minutes WHERE minute < ?1", [before])?;
    Ok(gone)
}

/// Removes the units that `query` gives, and what they contributed.
fn remove(
    folding: &mut Folding,
    query: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<u64, StoreError> {
    let transaction = folding.connection.transaction()?;
    let mut sums: BTreeMap<(u32, u32, i32, u32), Sums> = BTreeMap::new();
    let mut units = Vec::new();
    {
        let mut query = transaction.prepare_cached(query)?;
        let mut rows = query.query(parameters)?;
        while let Some(row) = rows.next()? {
            let (unit, experiment): ([u8; 16], u32) = (row.get(0)?, row.get(1)?);
            let slots = row
                .get_ref(5)?
                .as_blob()
                .map_err(|fault| StoreError::Database(fault.to_string()))?;
            let state = UnitState::kept(row.get(2)?, row.get(3)?, row.get(4)?, slots);
            folding.layout.contribution(&state, |measure, it| {
                let key = (experiment, state.variant, state.day(), measure);
                sums.entry(key).or_default().subtract(&it);
            });
            units.push((unit, experiment));
        }
        let mut delete =
            transaction.prepare_cached("DELETE FROM units WHERE unit = ?1 AND experiment = ?2")?;
        for (unit, experiment) in &units {
            delete.execute(params![unit, experiment])?;
        }
    }
    add_sums(&transaction, &sums)?;
    transaction.commit()?;
    Ok(u64::try_from(units.len()).unwrap_or(0))
}
