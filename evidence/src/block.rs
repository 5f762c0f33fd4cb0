//! A block: many exposures of one experiment, column by column, as the log keeps them. Pure. Texts that
//! repeat are numbered, numbers are varints, units are 16 bytes each; LZ4 takes care of the rest.
//!
//! A block is Protobuf inside, so columns may be added: an older block reads as zeros there.

mod columns;
#[cfg(test)]
mod tests;

use crate::exposure::{Execution, Exposure, Reason, ResponseFlags};
use crate::unit::{KEY_BYTES, Unit, UnitKey};
use columns::{Columns, at, number_at};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// Why a block cannot be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BadBlock {
    /// Not LZ4, or longer than it may be.
    #[error("it does not decompress: {0}")]
    Compression(String),
    /// Not the message.
    #[error("it does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A column is shorter than there are rows.
    #[error("its columns are not of the same length")]
    Ragged,
}

/// The most bytes that a block may decompress to.
const MAX_BYTES: usize = 1 << 30;

/// Gathers exposures of one experiment.
#[derive(Clone, Debug, Default)]
pub struct BlockBuilder {
    columns: Columns,
    numbers: HashMap<String, u32>,
    bytes: usize,
    first: i64,
    last: i64,
}

/// Gathered exposures, as they are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The experiment.
    pub experiment: String,
    /// How many exposures.
    pub rows: u32,
    /// The earliest beginning of a request in it.
    pub first: i64,
    /// The latest.
    pub last: i64,
    /// The columns, compressed.
    pub data: Vec<u8>,
}

impl BlockBuilder {
    /// Adds an exposure, whose experiment is the block's.
    pub fn push(&mut self, it: &Exposure) {
        let execution = &it.execution;
        let rows = self.columns.rows;
        self.first = if rows == 0 {
            execution.time
        } else {
            self.first.min(execution.time)
        };
        self.last = if rows == 0 {
            execution.time
        } else {
            self.last.max(execution.time)
        };
        let numbered = [
            &it.variant,
            it.served.as_ref().unwrap_or(&it.variant),
            &it.unit_type,
            &execution.service,
            &execution.config_version,
            &execution.proxy,
            &execution.upstream_cluster,
            &execution.upstream_host,
        ]
        .map(|text| self.number(text));
        let mirror = it.mirror.as_ref().map_or(0, |text| self.number(text));
        let metrics: Vec<_> = execution
            .outcomes
            .iter()
            .map(|(name, value)| (self.number(name), *value))
            .collect();
        let columns = &mut self.columns;
        columns
            .times
            .push(execution.time.wrapping_sub(columns.base));
        columns.units.extend_from_slice(&it.unit.key.0);
        if let Some(plain) = &it.unit.plain {
            columns.plain.push((rows, plain.as_bytes()).into());
            self.bytes += plain.len() + 8;
        }
        columns.push_numbered(numbered, mirror);
        columns.request_ids.push(rows, &execution.request_id);
        columns.trace_ids.push(rows, &execution.trace_id);
        columns.reasons.push(it.reason.number());
        columns.bits.push(bits(it));
        columns.flags.push(execution.flags.0);
        columns.statuses.push(execution.status.into());
        columns.attempts.push(execution.attempts);
        columns.durations.push(execution.duration_us);
        columns.ttfbs.push(execution.ttfb_us);
        columns.ttlbs.push(execution.ttlb_us);
        columns.bytes_in.push(execution.bytes_in);
        columns.bytes_out.push(execution.bytes_out);
        columns.push_probability(it.probability);
        for (metric, value) in metrics {
            columns.value_rows.push(rows);
            columns.value_metrics.push(metric);
            columns.values.push(value);
            self.bytes += 16;
        }
        columns.rows = rows.saturating_add(1);
        self.bytes += ROW_BYTES;
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many exposures it has.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.columns.rows
    }

    /// What to keep of it.
    #[must_use]
    pub fn seal(self, experiment: String) -> Block {
        let encoded = self.columns.encode_to_vec();
        Block {
            experiment,
            rows: self.columns.rows,
            first: self.first,
            last: self.last,
            data: lz4_flex::compress_prepend_size(&encoded),
        }
    }

    /// The text's number; 0 is the empty one.
    fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.columns.texts.push(text.to_owned());
        let number = u32::try_from(self.columns.texts.len()).unwrap_or(0);
        self.numbers.insert(text.to_owned(), number);
        self.bytes += 2 * (text.len() + 48);
        number
    }
}

/// What a row takes in memory: its columns, without what grows with texts.
const ROW_BYTES: usize = 192;

const REACHED: u32 = 1;
const FALLBACK: u32 = 2;
const SERVED: u32 = 4;

fn bits(it: &Exposure) -> u32 {
    let set = |bit, is: bool| if is { bit } else { 0 };
    set(REACHED, it.execution.reached_upstream)
        | set(FALLBACK, it.fallback_used)
        | set(SERVED, it.served.is_some())
}

impl Block {
    /// Its columns.
    ///
    /// # Errors
    /// [`BadBlock`] where they cannot be read.
    pub fn open(&self) -> Result<OpenBlock, BadBlock> {
        OpenBlock::of(self.experiment.clone(), &self.data)
    }
}

/// A block to read.
#[derive(Clone, Debug)]
pub struct OpenBlock {
    experiment: String,
    columns: Columns,
}

/// What units and their sums need of a row.
#[derive(Clone, Copy, Debug)]
pub struct Essence<'a> {
    /// The unit.
    pub unit: UnitKey,
    /// When the request began.
    pub time: i64,
    /// The variant that it was given.
    pub variant: &'a str,
    /// See [`Execution::reached_upstream`].
    pub reached_upstream: bool,
    /// See [`Exposure::forced`].
    pub forced: bool,
    /// See [`Exposure::fallback_used`].
    pub fallback_used: bool,
    /// See [`Execution::failed`].
    pub failed: bool,
    /// In microseconds.
    pub duration_us: u64,
    /// In microseconds; 0 where no response came.
    pub ttfb_us: u64,
}

impl OpenBlock {
    /// Opens what was kept of an experiment.
    ///
    /// # Errors
    /// [`BadBlock`] where it cannot be read.
    pub fn of(experiment: String, data: &[u8]) -> Result<Self, BadBlock> {
        let compression = |fault: String| BadBlock::Compression(fault);
        let (size, rest) = lz4_flex::block::uncompressed_size(data)
            .map_err(|fault| compression(fault.to_string()))?;
        if size > MAX_BYTES {
            return Err(compression(format!("{size} bytes, at most {MAX_BYTES}")));
        }
        let bytes =
            lz4_flex::decompress(rest, size).map_err(|fault| compression(fault.to_string()))?;
        let columns = Columns::decode(bytes.as_slice())?;
        if !columns.is_even() {
            return Err(BadBlock::Ragged);
        }
        Ok(Self {
            experiment,
            columns,
        })
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.len()
    }

    /// What units need of a row.
    #[must_use]
    pub fn essence(&self, row: usize) -> Essence<'_> {
        let columns = &self.columns;
        let status = at(&columns.statuses, row);
        let bits = at(&columns.bits, row);
        Essence {
            unit: self.unit(row),
            time: columns.base.wrapping_add(number_at(&columns.times, row)),
            variant: columns.text(at(&columns.variants, row)),
            reached_upstream: bits & REACHED != 0,
            forced: at(&columns.reasons, row) == Reason::Forced.number(),
            fallback_used: bits & FALLBACK != 0,
            failed: status == 0 || status >= 500,
            duration_us: at(&columns.durations, row),
            ttfb_us: at(&columns.ttfbs, row),
        }
    }

    /// What upstreams said came of requests: row, metric and value, in the order of rows.
    pub fn values(&self) -> impl Iterator<Item = (usize, &str, f64)> {
        let columns = &self.columns;
        let rows = columns.value_rows.iter().zip(&columns.value_metrics);
        rows.zip(&columns.values).map(|((row, metric), value)| {
            (
                usize::try_from(*row).unwrap_or(usize::MAX),
                columns.text(*metric),
                *value,
            )
        })
    }

    /// The unit of a row.
    #[must_use]
    pub fn unit(&self, row: usize) -> UnitKey {
        let (keys, _) = self.columns.units.as_chunks::<KEY_BYTES>();
        UnitKey(keys.get(row).copied().unwrap_or_default())
    }

    /// Every row as it was.
    pub fn exposures(&self) -> impl Iterator<Item = Exposure> {
        let mut plain = self.columns.plain.iter().peekable();
        let mut request_ids = self.columns.request_ids.reader();
        let mut trace_ids = self.columns.trace_ids.reader();
        let mut values = self.values().peekable();
        (0..self.rows()).map(move |row| {
            let mut exposure = self.exposure(row);
            let here = plain.next_if(|it| it.row() == row);
            exposure.unit.plain = here.map(columns::OddText::text);
            let mut outcomes = Vec::new();
            while let Some((_, metric, value)) = values.next_if(|(of, ..)| *of == row) {
                outcomes.push((metric.to_owned(), value));
            }
            let mut execution = self.execution(row);
            execution.request_id = request_ids.text(row);
            execution.trace_id = trace_ids.text(row);
            execution.outcomes = outcomes;
            exposure.execution = Arc::new(execution);
            exposure
        })
    }

    fn exposure(&self, row: usize) -> Exposure {
        let columns = &self.columns;
        let text = |column: &[u32]| columns.text(at(column, row)).to_owned();
        let bits = at(&columns.bits, row);
        let reason = i32::try_from(at(&columns.reasons, row));
        Exposure {
            experiment: self.experiment.clone(),
            variant: text(&columns.variants),
            served: (bits & SERVED != 0).then(|| text(&columns.served)),
            fallback_used: bits & FALLBACK != 0,
            reason: reason.map(Reason::of_number).unwrap_or_default(),
            unit_type: text(&columns.unit_types),
            unit: Unit {
                key: self.unit(row),
                plain: None,
            },
            probability: at(&columns.probabilities, row),
            mirror: Some(text(&columns.mirrors)).filter(|it| !it.is_empty()),
            execution: Arc::default(),
        }
    }

    fn execution(&self, row: usize) -> Execution {
        let columns = &self.columns;
        let text = |column: &[u32]| columns.text(at(column, row)).to_owned();
        Execution {
            time: columns.base.wrapping_add(number_at(&columns.times, row)),
            service: text(&columns.services),
            config_version: text(&columns.config_versions),
            proxy: text(&columns.proxies),
            upstream_cluster: text(&columns.upstream_clusters),
            upstream_host: text(&columns.upstream_hosts),
            reached_upstream: at(&columns.bits, row) & REACHED != 0,
            status: u16::try_from(at(&columns.statuses, row)).unwrap_or(0),
            flags: ResponseFlags(at(&columns.flags, row)),
            attempts: at(&columns.attempts, row),
            duration_us: at(&columns.durations, row),
            ttfb_us: at(&columns.ttfbs, row),
            ttlb_us: at(&columns.ttlbs, row),
            bytes_in: at(&columns.bytes_in, row),
            bytes_out: at(&columns.bytes_out, row),
            ..Execution::default()
        }
    }
}
