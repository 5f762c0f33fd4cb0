//! What is folded from the log, written: units and their histories, and up to where. Sums are in [`super::sums`].

use super::{ByHeart, big, integer, log, number, sums, unit_key};
use crate::Micros;
use crate::block::OpenBlock;
use crate::fold::{self, Changes, Deltas, History, Known, Layout, Names, UnitState};
use crate::measure::Measures;
use crate::outcomes;
use crate::store::{Folded, StoreError};
use crate::sums::Sums;
use crate::unit::UnitKey;
use prost::Message as _;
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, PgExecutor, PgPool, Row as _};
use std::collections::BTreeMap;

/// After how many units a fold ends: bounds memory.
const FOLD_UNITS: usize = 100_000;
/// How many units are joined at a time, in one statement each to read and to write.
const PIECE: usize = 10_000;

/// Up to where the log is folded, and by what.
struct Progress {
    folded: i64,
    measures: Measures,
}

/// The lock of whoever changes what is folded; nothing where another one has it and `sql` doesn't wait.
async fn progress(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Option<Progress>, StoreError> {
    let Some(row) = sqlx::query(sql).fetch_optional(connection).await? else {
        return Ok(None);
    };
    let text: String = row.try_get(1)?;
    let measures = serde_json::from_str(&text).map_err(|fault| {
        StoreError::Database(format!("table evidence_progress, column measures: {fault}"))
    })?;
    Ok(Some(Progress {
        folded: row.try_get(0)?,
        measures,
    }))
}

const WAITING: &str = "SELECT folded, measures FROM evidence_progress FOR UPDATE";
const PASSING: &str = "SELECT folded, measures FROM evidence_progress FOR UPDATE SKIP LOCKED";

/// Holds the lock, and reads what contributions follow from.
pub(super) async fn by_heart(connection: &mut PgConnection) -> Result<ByHeart, StoreError> {
    let progress = progress(connection, WAITING).await?;
    let progress = progress.ok_or_else(gone)?;
    let mut by_heart = learn(connection, progress.measures).await?;
    keep_names(connection, &mut by_heart).await?;
    Ok(by_heart)
}

fn gone() -> StoreError {
    StoreError::Database("the row of table evidence_progress is gone".to_owned())
}

/// The numbered names.
pub(super) async fn names(executor: impl PgExecutor<'_>) -> Result<Names, StoreError> {
    let texts = sqlx::query_scalar("SELECT text FROM evidence_names ORDER BY number");
    Ok(Names::of(texts.fetch_all(executor).await?))
}

async fn learn(connection: &mut PgConnection, measures: Measures) -> Result<ByHeart, StoreError> {
    let mut names = names(connection).await?;
    let kept = names.texts().len();
    let layout = Layout::of(&measures, &mut names);
    Ok(ByHeart {
        measures,
        names,
        kept,
        layout,
    })
}

async fn keep_names(
    connection: &mut PgConnection,
    by_heart: &mut ByHeart,
) -> Result<(), StoreError> {
    let new: Vec<&str> = by_heart
        .names
        .texts()
        .iter()
        .skip(by_heart.kept)
        .map(String::as_str)
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO evidence_names SELECT $1 + at - 1, text
         FROM unnest($2::text[]) WITH ORDINALITY AS it (text, at)",
    )
    .bind(i64::try_from(by_heart.kept).unwrap_or(i64::MAX))
    .bind(new)
    .execute(connection)
    .await?;
    by_heart.kept = by_heart.names.texts().len();
    Ok(())
}

const EMPTY: &str = "TRUNCATE evidence_units, evidence_histories, evidence_sums, evidence_sketches,
    evidence_minutes, evidence_counts";

/// Says what is measured; where that is new, forgets what is folded, to fold it anew.
pub(super) async fn define(pool: &PgPool, measures: &Measures) -> Result<(), StoreError> {
    let text = serde_json::to_string(measures);
    let text = text.map_err(|fault| StoreError::Database(format!("measures: {fault}")))?;
    let mut transaction = pool.begin().await?;
    let now = progress(&mut transaction, WAITING)
        .await?
        .ok_or_else(gone)?;
    if now.measures == *measures {
        return Ok(());
    }
    transaction.execute(EMPTY).await?;
    sqlx::query("UPDATE evidence_progress SET folded = 0, measures = $1")
        .bind(text)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Forgets what a version before folded, to fold it anew; does nothing where another replica did.
pub(super) async fn make_anew(pool: &PgPool, from: i64, to: i64) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    progress(&mut transaction, WAITING)
        .await?
        .ok_or_else(gone)?;
    let mine = sqlx::query("UPDATE evidence_schema SET version = $2 WHERE version = $1")
        .bind(from)
        .bind(to)
        .execute(&mut *transaction)
        .await?;
    if mine.rows_affected() > 0 {
        transaction.execute(EMPTY).await?;
        transaction
            .execute("UPDATE evidence_progress SET folded = 0")
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Takes a part of the log in, by what was known by heart where that still holds.
pub(super) async fn fold(
    pool: &PgPool,
    known: Option<ByHeart>,
) -> Result<(Folded, ByHeart), StoreError> {
    let mut transaction = pool.begin().await?;
    let progress = progress(&mut transaction, PASSING).await?;
    let progress = progress.ok_or(StoreError::Raced)?;
    let names: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM evidence_names")
        .fetch_one(&mut *transaction)
        .await?;
    let holds = |it: &ByHeart| {
        it.measures == progress.measures && i64::try_from(it.kept).is_ok_and(|kept| kept == names)
    };
    let mut by_heart = match known.filter(holds) {
        Some(by_heart) => by_heart,
        None => learn(&mut transaction, progress.measures).await?,
    };
    let mut deltas = Deltas::default();
    let mut upto = progress.folded;
    let more = loop {
        let entries = log::after(&mut transaction, upto).await?;
        if entries.is_empty() {
            break false;
        }
        for it in entries {
            upto = it.id;
            gather(&mut deltas, &it, &mut by_heart)
                .map_err(|fault| StoreError::Block { id: it.id, fault })?;
            if deltas.len() >= FOLD_UNITS {
                break;
            }
        }
        if deltas.len() >= FOLD_UNITS {
            break true;
        }
    };
    let folded = Folded {
        entries: deltas.entries,
        more,
    };
    if upto > progress.folded {
        keep_names(&mut transaction, &mut by_heart).await?;
        for piece in deltas.pieces(PIECE) {
            let known = read(&mut transaction, &piece).await?;
            let changes = fold::apply(piece, known, &by_heart.layout, &by_heart.names);
            write(&mut transaction, &changes).await?;
        }
        sqlx::query("UPDATE evidence_progress SET folded = $1")
            .bind(upto)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok((folded, by_heart))
}

fn gather(
    deltas: &mut Deltas,
    it: &log::LogEntry,
    by_heart: &mut ByHeart,
) -> Result<(), crate::block::BadBlock> {
    let ByHeart { names, layout, .. } = by_heart;
    if let Some(experiment) = &it.experiment {
        let block = OpenBlock::of(experiment.clone(), &it.data)?;
        deltas.block(experiment, &block, layout, names);
    } else {
        for outcome in outcomes::unpack(&it.data)? {
            deltas.outcome(&outcome, layout, names);
        }
    }
    Ok(())
}

async fn read(connection: &mut PgConnection, deltas: &Deltas) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let wanted = deltas.units();
    let (units, experiments): (Vec<&[u8]>, Vec<i32>) = wanted
        .iter()
        .map(|(unit, experiment)| (unit.0.as_slice(), integer(*experiment)))
        .unzip();
    let rows = sqlx::query(
        "SELECT u.unit, u.experiment, u.first_time, u.variant, u.contaminated, u.slots
         FROM unnest($1::bytea[], $2::integer[]) AS it (unit, experiment)
         JOIN evidence_units u ON u.unit = it.unit AND u.experiment = it.experiment",
    )
    .bind(units)
    .bind(experiments)
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let (key, state) = unit(row)?;
        known.units.insert(key, state);
    }
    let new = wanted.iter().filter(|it| !known.units.contains_key(it));
    let mut pasts: Vec<UnitKey> = new.map(|it| it.0).collect();
    let reported = deltas.reported();
    if !reported.is_empty() {
        let keys: Vec<&[u8]> = reported.iter().map(|it| it.0.as_slice()).collect();
        let rows = sqlx::query(
            "SELECT unit, experiment, first_time, variant, contaminated, slots
             FROM evidence_units WHERE unit = ANY($1)",
        )
        .bind(keys)
        .fetch_all(&mut *connection)
        .await?;
        for row in &rows {
            let (key, state) = unit(row)?;
            known.units.insert(key, state);
        }
        pasts.extend(reported);
    }
    let keys: Vec<&[u8]> = pasts.iter().map(|it| it.0.as_slice()).collect();
    let rows = sqlx::query("SELECT unit, data FROM evidence_histories WHERE unit = ANY($1)")
        .bind(keys)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let history = History::kept(row.try_get(1)?);
        known.histories.insert(unit_key(row.try_get(0)?)?, history);
    }
    Ok(known)
}

/// Of unit, experiment, first time, variant, contaminated and slots.
pub(super) fn unit(row: &PgRow) -> Result<((UnitKey, u32), UnitState), StoreError> {
    let key = (unit_key(row.try_get(0)?)?, number(row.try_get(1)?));
    let variant = number(row.try_get(3)?);
    let state = UnitState::kept(row.try_get(2)?, variant, row.try_get(4)?, row.try_get(5)?);
    Ok((key, state))
}

async fn write(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    write_units(connection, changes).await?;
    if !changes.histories.is_empty() {
        let histories = changes.histories.iter();
        let (units, data): (Vec<&[u8]>, Vec<Vec<u8>>) = histories
            .map(|(unit, it)| (unit.0.as_slice(), it.encode_to_vec()))
            .unzip();
        sqlx::query(
            "INSERT INTO evidence_histories SELECT * FROM unnest($1::bytea[], $2::bytea[])
             ON CONFLICT (unit) DO UPDATE SET data = excluded.data",
        )
        .bind(units)
        .bind(data)
        .execute(&mut *connection)
        .await?;
    }
    sums::add(connection, &changes.sums).await?;
    sums::merge_values(connection, changes).await?;
    sums::merge_minutes(connection, changes).await?;
    for (experiment, counts) in &changes.counts {
        sums::add_counts(connection, *experiment, counts).await?;
    }
    for (experiment, adopted) in &changes.adopted {
        sqlx::query("UPDATE evidence_counts SET orphans = orphans - $2 WHERE experiment = $1")
            .bind(integer(*experiment))
            .bind(big(*adopted))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn write_units(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let all = &changes.units;
    let units: Vec<&[u8]> = all.keys().map(|it| it.0.0.as_slice()).collect();
    let experiments: Vec<i32> = all.keys().map(|it| integer(it.1)).collect();
    let firsts: Vec<Micros> = all.values().map(|it| it.first).collect();
    let variants: Vec<i32> = all.values().map(|it| integer(it.variant)).collect();
    let contaminated: Vec<bool> = all.values().map(|it| it.contaminated).collect();
    let slots: Vec<Vec<u8>> = all.values().map(UnitState::slot_bytes).collect();
    sqlx::query(
        "INSERT INTO evidence_units
         SELECT * FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::integer[], $5::boolean[], $6::bytea[])
         ON CONFLICT (unit, experiment) DO UPDATE SET first_time = excluded.first_time,
            variant = excluded.variant, contaminated = excluded.contaminated, slots = excluded.slots",
    )
    .bind(units)
    .bind(experiments)
    .bind(firsts)
    .bind(variants)
    .bind(contaminated)
    .bind(slots)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the unit out of all that is folded. How many experiments it was in.
pub(super) async fn forget(
    connection: &mut PgConnection,
    layout: &Layout,
    key: UnitKey,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "DELETE FROM evidence_units WHERE unit = $1
         RETURNING unit, experiment, first_time, variant, contaminated, slots",
    )
    .bind(key.0.as_slice())
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM evidence_histories WHERE unit = $1")
        .bind(key.0.as_slice())
        .execute(&mut *connection)
        .await?;
    take_off(connection, layout, &gone).await
}

/// Removes units that were first exposed before `before`, and minutes from then.
pub(super) async fn retain(
    connection: &mut PgConnection,
    layout: &Layout,
    before: Micros,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "DELETE FROM evidence_units WHERE (unit, experiment) IN
            (SELECT unit, experiment FROM evidence_units WHERE first_time < $1 LIMIT 100000)
         RETURNING unit, experiment, first_time, variant, contaminated, slots",
    )
    .bind(before)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM evidence_minutes WHERE minute < $1")
        .bind(before)
        .execute(&mut *connection)
        .await?;
    take_off(connection, layout, &gone).await
}

/// Takes off the sums what these units contributed.
async fn take_off(
    connection: &mut PgConnection,
    layout: &Layout,
    gone: &[PgRow],
) -> Result<u64, StoreError> {
    let mut sums: BTreeMap<(u32, u32, i32, u32), Sums> = BTreeMap::new();
    for row in gone {
        let ((_, experiment), state) = unit(row)?;
        layout.contribution(&state, |measure, it| {
            let key = (experiment, state.variant, state.day(), measure);
            sums.entry(key).or_default().subtract(&it);
        });
    }
    sums::add(connection, &sums).await?;
    Ok(u64::try_from(gone.len()).unwrap_or(0))
}
