//! What goes: a unit that is to be forgotten, and what is older than it may be. By mutations, which rewrite the
//! parts that have something of it; the old parts are off the disk some minutes later (`old_parts_lifetime`).

use super::http::{Client, Statement};
use super::row_binary::{Reader, row};
use super::schema::{Table, Tables};
use crate::Micros;
use crate::store::{Forgotten, Retained, Retention, StoreError};
use crate::unit::UnitKey;
use std::time::Duration;

const DAY: Micros = 24 * 60 * 60 * 1_000_000;

pub(super) async fn forget(
    client: &Client,
    tables: &Tables,
    key: UnitKey,
) -> Result<Forgotten, StoreError> {
    let count = async |what: &str, from: Table, which: &str| {
        let sql = format!(
            "SELECT {what} FROM {} {which} unit = unhex({{unit:String}})",
            tables.all(from)
        );
        let question = Statement::new(sql).with("unit", key);
        row(&client.ask(question).await?, Reader::u64)
    };
    let forgotten = Forgotten {
        exposures: count("count()", Table::Log, "WHERE NOT is_outcome AND").await?,
        outcomes: count("count()", Table::Values, "FINAL WHERE is_outcome AND").await?,
        experiments: count("uniqExact(experiment)", Table::Units, "WHERE").await?,
    };
    let told = count("count()", Table::Values, "WHERE").await?;
    for (table, has_some) in [
        (Table::Log, forgotten.exposures + forgotten.outcomes > 0),
        (Table::Values, told > 0),
        (Table::Units, forgotten.experiments > 0),
    ] {
        if has_some {
            let gone = delete(tables, table, "unit = unhex({unit:String})");
            client.run(gone.with("unit", key)).await?;
        }
    }
    Ok(forgotten)
}

pub(super) async fn retain(
    client: &Client,
    tables: &Tables,
    retention: &Retention,
    now: Micros,
) -> Result<Retained, StoreError> {
    let before = |age: Duration| {
        now.saturating_sub(Micros::try_from(age.as_micros()).unwrap_or(Micros::MAX))
    };
    // A whole day at a time: a part is rewritten once and not every hour.
    let raw = before(retention.raw).div_euclid(DAY).saturating_mul(DAY);
    let units = before(retention.units);
    let count = async |sql: String, before: Micros| {
        let question = Statement::new(sql).long().with("before", before);
        row(&client.ask(question).await?, Reader::u64)
    };
    // Of each batch: what it has of each experiment, and its outcomes.
    let blocks = format!(
        "SELECT uniqExact(writer, number, is_outcome, if(is_outcome, '', toString(experiment)))
         FROM {} WHERE time < {{before:Int64}}",
        tables.all(Table::Log)
    );
    let gone_units = format!(
        "SELECT uniqExact(experiment, unit) FROM {} WHERE first.1 < {{before:Int64}}",
        tables.all(Table::Units)
    );
    let minutes = format!(
        "SELECT count() FROM {} WHERE minute < {{before:Int64}}",
        tables.all(Table::Minutes)
    );
    let retained = Retained {
        blocks: count(blocks, raw).await?,
        units: count(gone_units, units).await?,
    };
    let remove = async |table: Table, which: &str, before: Micros| {
        client
            .run(delete(tables, table, which).with("before", before))
            .await
    };
    if retained.blocks > 0 {
        remove(Table::Log, "time < {before:Int64}", raw).await?;
    }
    if retained.units > 0 {
        // A unit has as many rows as parts; one of them has its first exposure.
        let gone = format!(
            "(experiment, unit) IN (SELECT experiment, unit FROM {} WHERE first.1 < {{before:Int64}})",
            tables.local(Table::Units)
        );
        let of_nobody = format!("{gone} OR (experiment = '' AND time < {{before:Int64}})");
        remove(Table::Values, &of_nobody, units).await?;
        remove(Table::Units, &gone, units).await?;
    }
    if count(minutes, units).await? > 0 {
        remove(Table::Minutes, "minute < {before:Int64}", units).await?;
    }
    Ok(retained)
}

/// Removes rows, on all shards and replicas; they are gone when it is answered.
fn delete(tables: &Tables, table: Table, which: &str) -> Statement {
    let (table, cluster) = (tables.local(table), tables.on_cluster());
    Statement::new(format!(
        "ALTER TABLE {table} {cluster} DELETE WHERE {which}"
    ))
    .long()
    .set("mutations_sync", 2)
    .set("allow_nondeterministic_mutations", 1)
}
