//! Outcomes as the log keeps them: Protobuf, compressed like blocks of exposures.

use crate::block::BadBlock;
use crate::outcome::{Outcome, Value};
use crate::unit::{KEY_BYTES, Unit, UnitKey};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(message, repeated, tag = "1")]
    outcomes: Vec<One>,
}

#[derive(Clone, PartialEq, Message)]
struct One {
    #[prost(string, optional, tag = "1")]
    experiment: Option<String>,
    #[prost(string, tag = "2")]
    unit_type: String,
    #[prost(bytes = "vec", tag = "3")]
    unit: Vec<u8>,
    #[prost(string, optional, tag = "4")]
    plain: Option<String>,
    #[prost(string, tag = "5")]
    metric: String,
    #[prost(double, tag = "6")]
    value: f64,
    #[prost(sint64, tag = "7")]
    time: i64,
    #[prost(string, optional, tag = "8")]
    idempotency_key: Option<String>,
}

/// What to keep of outcomes.
#[must_use]
pub fn pack<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<u8> {
    let one = |it: &Outcome| One {
        experiment: it.experiment.clone(),
        unit_type: it.unit_type.clone(),
        unit: it.unit.key.0.to_vec(),
        plain: it.unit.plain.clone(),
        metric: it.metric.clone(),
        value: it.value.get(),
        time: it.time,
        idempotency_key: it.idempotency_key.clone(),
    };
    let kept = Kept {
        outcomes: outcomes.map(one).collect(),
    };
    lz4_flex::compress_prepend_size(&kept.encode_to_vec())
}

/// What was kept.
///
/// # Errors
/// [`BadBlock`] where [`pack`] did not write it.
pub fn unpack(data: &[u8]) -> Result<Vec<Outcome>, BadBlock> {
    let bytes = lz4_flex::decompress_size_prepended(data)
        .map_err(|fault| BadBlock::Compression(fault.to_string()))?;
    let kept = Kept::decode(bytes.as_slice())?;
    let outcome = |it: One| {
        let unit: [u8; KEY_BYTES] = it.unit.try_into().ok()?;
        Some(Outcome {
            experiment: it.experiment,
            unit_type: it.unit_type,
            unit: Unit {
                key: UnitKey(unit),
                plain: it.plain,
            },
            metric: it.metric,
            value: Value::new(it.value)?,
            time: it.time,
            idempotency_key: it.idempotency_key,
        })
    };
    let outcomes: Option<Vec<_>> = kept.outcomes.into_iter().map(outcome).collect();
    outcomes.ok_or(BadBlock::Ragged)
}
