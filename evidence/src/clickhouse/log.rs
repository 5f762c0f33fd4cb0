//! The log: batches as they came, a row for each exposure and outcome, and raw exposures out of it.

use super::http::{Client, Statement, literal};
use super::row_binary::{Reader, Writer, row, rows};
use super::schema::{Table, Tables};
use crate::Micros;
use crate::batch::Batch;
use crate::exposure::{Execution, Exposure, Reason, ResponseFlags};
use crate::outcome::Outcome;
use crate::recent::fingerprint;
use crate::store::{Appended, Cursor, Page, Scan, StoreError};
use crate::unit::{Unit, UnitKey};
use std::collections::HashSet;
use std::sync::Arc;

/// How many idempotency keys are asked for in one question: a statement is not to be long.
const KEYS: usize = 2_000;
/// All rows of an insert are one block, whatever the server's own bound.
const MOST_ROWS: u32 = 16_000_000;
/// What a server takes of a statement's text; keys are longer than its own 256 KiB.
const MOST_SQL: u32 = 16 << 20;

/// What the server says of a writer, before it is sent a batch.
struct Standing {
    /// The number of its last batch; 0 where there is none.
    last: i64,
    /// When a batch is kept that is sent now: later than all that are.
    kept: i64,
}

/// Keeps a batch. What is sent again after an answer that was lost is known by its token to the log and to
/// all that follows from it.
pub(super) async fn append(
    client: &Client,
    tables: &Tables,
    batch: &Batch,
) -> Result<Appended, StoreError> {
    let standing = standing(client, tables, batch.writer).await?;
    if standing.last >= batch.number {
        return Ok(Appended {
            repeated: true,
            ..Appended::default()
        });
    }
    let (outcomes, duplicate_outcomes) = new_outcomes(client, tables, batch).await?;
    let bytes = encode(batch, &outcomes, standing.kept)?;
    if !bytes.is_empty() {
        let into = tables.all(Table::Log);
        let insert = Statement::new(format!("INSERT INTO {into} FORMAT RowBinary"))
            .set("insert_deduplicate", 1)
            .set(
                "insert_deduplication_token",
                format!("{}:{}", batch.writer, batch.number),
            )
            .set("deduplicate_blocks_in_dependent_materialized_views", 1)
            .set("distributed_foreground_insert", 1)
            .set("async_insert", 0)
            .set("max_insert_block_size", MOST_ROWS);
        client.insert(insert, bytes).await?;
    }
    Ok(Appended {
        repeated: false,
        duplicate_outcomes,
    })
}

async fn standing(client: &Client, tables: &Tables, writer: i64) -> Result<Standing, StoreError> {
    let question = Statement::new(format!(
        "SELECT toInt64(ifNull((SELECT max(number) FROM {} WHERE writer = {{writer:Int64}}), 0)),
            greatest(toUnixTimestamp64Micro(now64(6)), toInt64(ifNull((SELECT max(kept) FROM {}), 0)) + 1)",
        tables.all(Table::Writers),
        tables.all(Table::Log)
    ))
    .with("writer", writer);
    let answer = client.ask(question).await?;
    row(&answer, |it| {
        Ok(Standing {
            last: it.i64()?,
            kept: it.i64()?,
        })
    })
}

/// What an outcome is recognised by.
fn identity(batch: &Batch, index: usize, it: &Outcome) -> u64 {
    match &it.idempotency_key {
        Some(key) => fingerprint((it.unit.key, &it.metric, key)),
        None => fingerprint((batch.writer, batch.number, index)),
    }
}

/// Those that were not reported before, with what they are recognised by, and which were.
async fn new_outcomes<'a>(
    client: &Client,
    tables: &Tables,
    batch: &'a Batch,
) -> Result<(Vec<(u64, &'a Outcome)>, Vec<usize>), StoreError> {
    let all = batch.outcomes.iter().enumerate();
    let all: Vec<_> = all
        .map(|(index, it)| (identity(batch, index, it), it))
        .collect();
    let keyed: Vec<_> = all
        .iter()
        .filter(|(_, it)| it.idempotency_key.is_some())
        .collect();
    let mut seen: HashSet<u64> = HashSet::new();
    for some in keyed.chunks(KEYS) {
        seen.extend(reported(client, tables, batch, some).await?);
    }
    let (mut new, mut duplicates) = (Vec::new(), Vec::new());
    for (index, (id, it)) in all.into_iter().enumerate() {
        // The first of a key takes it.
        if it.idempotency_key.is_none() || seen.insert(id) {
            new.push((id, it));
        } else {
            duplicates.push(index);
        }
    }
    Ok((new, duplicates))
}

/// Which of these are there already, but for those that came with this very batch.
async fn reported(
    client: &Client,
    tables: &Tables,
    batch: &Batch,
    some: &[&(u64, &Outcome)],
) -> Result<Vec<u64>, StoreError> {
    let list = |texts: HashSet<String>| texts.into_iter().collect::<Vec<_>>().join(", ");
    let metrics = list(some.iter().map(|(_, it)| literal(&it.metric)).collect());
    let units = some
        .iter()
        .map(|(_, it)| format!("unhex('{}')", it.unit.key));
    let ids = some.iter().map(|(id, _)| id.to_string());
    let question = Statement::new(format!(
        "SELECT DISTINCT id FROM {} WHERE metric IN ({metrics}) AND unit IN ({}) AND id IN ({})
            AND NOT (writer = {{writer:Int64}} AND number = {{number:Int64}})",
        tables.all(Table::Values),
        list(units.collect()),
        list(ids.collect())
    ))
    .with("writer", batch.writer)
    .with("number", batch.number)
    .set("max_query_size", MOST_SQL);
    rows(&client.ask(question).await?, Reader::u64)
}

/// The columns that rows are read by, in the order of [`Row::read`]; [`Row::write`] has those of the table.
const COLUMNS: &str = "kept, writer, number, row, experiment, unit_type, unit, plain, time, variant, served,
    fallback_used, reason, probability, mirror, service, config_version, proxy, request_id, trace_id,
    upstream_cluster, upstream_host, reached_upstream, status, flags, attempts, duration_us, ttfb_us, ttlb_us,
    bytes_in, bytes_out, outcomes";

/// Where a row is in the log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    kept: i64,
    writer: i64,
    number: i64,
    row: u32,
}

impl Place {
    fn write(self, to: &mut Writer) {
        to.fixed(self.kept.to_le_bytes());
        to.fixed(self.writer.to_le_bytes());
        to.fixed(self.number.to_le_bytes());
        to.fixed(self.row.to_le_bytes());
    }
}

fn encode(batch: &Batch, outcomes: &[(u64, &Outcome)], kept: i64) -> Result<Vec<u8>, StoreError> {
    let mut to = Writer::default();
    let mut place = Place {
        kept,
        writer: batch.writer,
        number: batch.number,
        row: 0,
    };
    for block in &batch.blocks {
        let open = block.open();
        let open = open.map_err(|fault| StoreError::Block {
            id: batch.number,
            fault,
        })?;
        for it in open.exposures() {
            write_exposure(&mut to, place, &it);
            place.row = place.row.wrapping_add(1);
        }
    }
    for (id, it) in outcomes {
        write_outcome(&mut to, place, *id, it);
        place.row = place.row.wrapping_add(1);
    }
    Ok(to.finish())
}

fn write_exposure(to: &mut Writer, place: Place, it: &Exposure) {
    let ran = &it.execution;
    place.write(to);
    to.flag(false);
    to.text(&it.experiment);
    to.text(&it.unit_type);
    to.fixed(it.unit.key.0);
    to.optional(it.unit.plain.as_deref());
    to.fixed(ran.time.to_le_bytes());
    to.fixed(0_u64.to_le_bytes());
    to.text(&it.variant);
    to.optional(it.served.as_deref());
    to.flag(it.fallback_used);
    to.fixed([u8::try_from(it.reason.number()).unwrap_or(0)]);
    to.fixed(it.probability.to_le_bytes());
    to.optional(it.mirror.as_deref());
    for text in [
        &ran.service,
        &ran.config_version,
        &ran.proxy,
        &ran.request_id,
        &ran.trace_id,
        &ran.upstream_cluster,
        &ran.upstream_host,
    ] {
        to.text(text);
    }
    to.flag(ran.reached_upstream);
    to.fixed(ran.status.to_le_bytes());
    to.fixed(ran.flags.0.to_le_bytes());
    to.fixed(ran.attempts.to_le_bytes());
    for number in [
        ran.duration_us,
        ran.ttfb_us,
        ran.ttlb_us,
        ran.bytes_in,
        ran.bytes_out,
    ] {
        to.fixed(number.to_le_bytes());
    }
    to.length(ran.outcomes.len());
    for (metric, value) in &ran.outcomes {
        to.text(metric);
        to.fixed(value.to_le_bytes());
    }
}

fn write_outcome(to: &mut Writer, place: Place, id: u64, it: &Outcome) {
    place.write(to);
    to.flag(true);
    to.text(it.experiment.as_deref().unwrap_or_default());
    to.text(&it.unit_type);
    to.fixed(it.unit.key.0);
    to.optional(it.unit.plain.as_deref());
    to.fixed(it.time.to_le_bytes());
    to.fixed(id.to_le_bytes());
    // From `variant` to `bytes_out`: what exposures have.
    to.text("");
    to.optional(None);
    to.flag(false);
    to.fixed([0]);
    to.fixed(0_f64.to_le_bytes());
    to.optional(None);
    (0..7).for_each(|_| to.text(""));
    to.flag(false);
    to.fixed([0; 2 + 4 + 4 + 5 * 8]);
    to.length(1);
    to.text(&it.metric);
    to.fixed(it.value.get().to_le_bytes());
}

pub(super) async fn exposures(
    client: &Client,
    tables: &Tables,
    scan: &Scan,
) -> Result<Page, StoreError> {
    let of_one = match scan.experiment {
        Some(_) => "AND experiment = {experiment:String}",
        None => "",
    };
    let limit = scan.limit.max(1);
    let mut question = Statement::new(format!(
        "SELECT {COLUMNS} FROM {}
         WHERE kept > {{after:Int64}} AND NOT is_outcome {of_one}
            AND kept <= toUnixTimestamp64Micro(now64(6)) - {{settle:Int64}}
         ORDER BY kept LIMIT {limit} WITH TIES",
        tables.all(Table::Log)
    ))
    .with("after", scan.after.0)
    .with("settle", client.options().settle.as_micros());
    if let Some(experiment) = &scan.experiment {
        question = question.with("experiment", experiment);
    }
    let mut found = rows(&client.ask(question).await?, read_exposure)?;
    found.sort_by_key(|(place, _)| *place);
    let last = found.last().map(|(place, _)| Cursor(place.kept));
    Ok(Page {
        more: found.len() >= limit,
        next: last.unwrap_or(scan.after),
        exposures: found.into_iter().map(|(_, it)| it).collect(),
    })
}

fn read_exposure(it: &mut Reader<'_>) -> Result<(Place, Exposure), StoreError> {
    let place = Place {
        kept: it.i64()?,
        writer: it.i64()?,
        number: it.i64()?,
        row: it.u32()?,
    };
    let (experiment, unit_type) = (it.text()?, it.text()?);
    let unit = Unit {
        key: UnitKey(it.fixed()?),
        plain: it.optional()?,
    };
    let time: Micros = it.i64()?;
    let mut exposure = Exposure {
        experiment,
        unit_type,
        unit,
        variant: it.text()?,
        served: it.optional()?,
        fallback_used: it.flag()?,
        reason: it
            .fixed()
            .map(|[number]| Reason::of_number(number.into()))?,
        probability: it.f64()?,
        mirror: it.optional()?,
        execution: Arc::default(),
    };
    exposure.execution = Arc::new(Execution {
        time,
        service: it.text()?,
        config_version: it.text()?,
        proxy: it.text()?,
        request_id: it.text()?,
        trace_id: it.text()?,
        upstream_cluster: it.text()?,
        upstream_host: it.text()?,
        reached_upstream: it.flag()?,
        status: u16::from_le_bytes(it.fixed()?),
        flags: ResponseFlags(it.u32()?),
        attempts: it.u32()?,
        duration_us: it.u64()?,
        ttfb_us: it.u64()?,
        ttlb_us: it.u64()?,
        bytes_in: it.u64()?,
        bytes_out: it.u64()?,
        outcomes: it.array(|it| Ok((it.text()?, it.f64()?)))?,
    });
    Ok((place, exposure))
}
