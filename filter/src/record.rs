//! The [`AssignmentRecord`](watershed_proto::filter::v1::AssignmentRecord) as bytes. What lives
//! here: its encoding straight from what a decision borrows. The generated message would own a copy
//! of every string, about ten allocations on each assigned request. What does not: what is in it.
//!
//! The tags are those of `record.proto`; the tests hold this against the generated message.

use prost::encoding::encoded_len_varint;
use std::ops::Deref;
use watershed_engine::Plan;

/// [`AssignmentRecord`](watershed_proto::filter::v1::AssignmentRecord), borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// The configuration's version.
    pub config_version: &'a str,
    /// The service's key.
    pub service: &'a str,
    /// The cluster that was asked for.
    pub cluster: &'a str,
    /// The routing rule that chose the cluster, where no experiment did.
    pub routing_rule: &'a str,
}

/// [`Assignment`](watershed_proto::filter::v1::Assignment), borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assignment<'a, F> {
    /// What is known before the request; see [`Heads`].
    pub head: &'a [u8],
    /// What was hashed, in UTF-8.
    pub unit: &'a [u8],
    /// The bucket in the layer.
    pub layer_bucket: u32,
    /// The bucket inside the experiment.
    pub variant_bucket: u32,
    /// A [`Reason`](watershed_proto::filter::v1::Reason).
    pub reason: i32,
    /// The probability of this variant where chance or a model had a say, else 0.
    pub probability: f64,
    /// The feature vector of a contextual decision.
    pub features: F,
}

/// What every assignment to a variant begins with, encoded once: the experiment's and the variant's keys,
/// and what is randomised.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    bytes: Vec<u8>,
    /// Where each variant's ends, by [`Variant::ordinal`](watershed_engine::Variant::ordinal); it begins
    /// where the one before ends.
    ends: Vec<usize>,
}

impl Heads {
    /// Those of all variants of the plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut heads = Self::default();
        for experiment in plan.experiments() {
            for variant in experiment.variants() {
                heads.push([experiment.key(), variant.key(), experiment.unit_type()]);
            }
        }
        heads
    }

    fn push(&mut self, [experiment, variant, unit_type]: [&str; 3]) {
        text(1, experiment, &mut self.bytes);
        text(2, variant, &mut self.bytes);
        text(3, unit_type, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// That of one variant; empty for a variant of another plan.
    #[must_use]
    pub fn get(&self, ordinal: usize) -> &[u8] {
        let before = ordinal.checked_sub(1);
        let start = before.and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(ordinal).copied().unwrap_or_default();
        self.bytes
            .get(start.unwrap_or_default()..end)
            .unwrap_or_default()
    }
}

/// The most that is kept of what an upstream says came of a request, in bytes: one more than is read, so
/// that what was cut is known for it.
const MAX_OUTCOME_BYTES: usize = 2_049;

/// Adds what the upstream said came of the request to a record's bytes. Fields may come in any order, and of
/// two the later one counts.
pub fn add_outcome(record: &mut Vec<u8>, header: &[u8]) {
    let kept = header.get(..MAX_OUTCOME_BYTES).unwrap_or(header);
    block(6, kept, record);
}

/// Longer than most assignments, and than most of what else is in a record.
const USUAL_BYTES: usize = 128;

impl Record<'_> {
    /// The message's bytes.
    #[must_use]
    pub fn encode<'a, F: Deref<Target = [f64]>>(
        &self,
        assignments: impl Iterator<Item = Assignment<'a, F>>,
    ) -> Vec<u8> {
        // Room for all of it at once: growing would copy what is there.
        let blocks = assignments.size_hint().0.saturating_add(1);
        let mut bytes = Vec::with_capacity(blocks.saturating_mul(USUAL_BYTES));
        text(1, self.config_version, &mut bytes);
        text(2, self.service, &mut bytes);
        text(3, self.cluster, &mut bytes);
        for assignment in assignments {
            key(4, BLOCK, &mut bytes);
            varint(assignment.encoded_len() as u64, &mut bytes);
            assignment.encode(&mut bytes);
        }
        text(5, self.routing_rule, &mut bytes);
        bytes
    }
}

impl<F: Deref<Target = [f64]>> Assignment<'_, F> {
    /// How many bytes [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize {
        let numbers = [
            self.layer_bucket.into(),
            self.variant_bucket.into(),
            self.reason(),
        ];
        let probability = if self.probability == 0.0 { 0 } else { 9 };
        let texts = block_len(self.unit.len()).saturating_add(self.head.len());
        let numbers: usize = numbers.iter().map(|number| number_len(*number)).sum();
        [texts, numbers, probability, block_len(self.features_len())]
            .iter()
            .sum()
    }

    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.head);
        bytes(4, self.unit, into);
        number(5, self.layer_bucket.into(), into);
        number(6, self.variant_bucket.into(), into);
        number(7, self.reason(), into);
        if self.probability != 0.0 {
            key(8, EIGHT_BYTES, into);
            into.extend_from_slice(&self.probability.to_le_bytes());
        }
        if !self.features.is_empty() {
            key(9, BLOCK, into);
            varint(self.features_len() as u64, into);
            for feature in self.features.iter() {
                into.extend_from_slice(&feature.to_le_bytes());
            }
        }
    }

    fn reason(&self) -> u64 {
        u64::try_from(self.reason).unwrap_or(0)
    }

    fn features_len(&self) -> usize {
        size_of_val::<[f64]>(&self.features)
    }
}

/// Wire types: how what follows a key is to be read.
const VARINT: u8 = 0;
const EIGHT_BYTES: u8 = 1;
const BLOCK: u8 = 2;

/// The length of a text or of packed numbers, all of whose tags take one byte; none where it is empty.
#[inline]
fn block_len(length: usize) -> usize {
    if length == 0 {
        return 0;
    }
    let prefix = encoded_len_varint(length as u64).saturating_add(1);
    prefix.saturating_add(length)
}

#[inline]
fn number_len(number: u64) -> usize {
    if number == 0 {
        return 0;
    }
    encoded_len_varint(number).saturating_add(1)
}

#[inline]
fn text(tag: u8, text: &str, into: &mut Vec<u8>) {
    bytes(tag, text.as_bytes(), into);
}

#[inline]
fn bytes(tag: u8, bytes: &[u8], into: &mut Vec<u8>) {
    if !bytes.is_empty() {
        block(tag, bytes, into);
    }
}

#[inline]
fn block(tag: u8, bytes: &[u8], into: &mut Vec<u8>) {
    key(tag, BLOCK, into);
    varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

#[inline]
fn number(tag: u8, number: u64, into: &mut Vec<u8>) {
    if number != 0 {
        key(tag, VARINT, into);
        varint(number, into);
    }
}

/// A field's tag, below 16, and its wire type.
#[inline]
fn key(tag: u8, wire_type: u8, into: &mut Vec<u8>) {
    into.push(tag.wrapping_shl(3) | wire_type);
}

/// Most numbers and lengths in a record take one byte or two.
#[inline]
#[allow(clippy::cast_possible_truncation)] // Seven bits are left.
fn varint(mut number: u64, into: &mut Vec<u8>) {
    while number > 0x7f {
        into.push(number as u8 | 0x80);
        number = number.wrapping_shr(7);
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message as _;
    use watershed_proto::filter::v1 as wire;

    fn any_assignment() -> impl Strategy<Value = wire::Assignment> {
        let floats = || -1e300..1e300_f64;
        let texts = (".{0,20}", ".{0,20}", ".{0,20}", ".{0,300}");
        let numbers = (any::<u32>(), any::<u32>(), 0..9_i32);
        let chances = (
            prop_oneof![Just(0.0), floats()],
            prop::collection::vec(floats(), 0..33),
        );
        (texts, numbers, chances).prop_map(|(texts, numbers, chances)| wire::Assignment {
            experiment: texts.0,
            variant: texts.1,
            unit_type: texts.2,
            unit: texts.3,
            layer_bucket: numbers.0,
            variant_bucket: numbers.1,
            reason: numbers.2,
            probability: chances.0,
            features: chances.1,
        })
    }

    fn any_record() -> impl Strategy<Value = wire::AssignmentRecord> {
        let texts = (".{0,20}", ".{0,20}", ".{0,20}", ".{0,20}");
        let assignments = prop::collection::vec(any_assignment(), 0..4);
        (texts, assignments).prop_map(|(texts, assignments)| wire::AssignmentRecord {
            config_version: texts.0,
            service: texts.1,
            cluster: texts.2,
            routing_rule: texts.3,
            assignments,
            outcome_header: Vec::new(),
        })
    }

    proptest! {
        #[test]
        fn an_outcome_joins_whatever_is_there(record in any_record(), header: Vec<u8>) {
            let mut bytes = record.encode_to_vec();
            add_outcome(&mut bytes, &header);
            let whole = wire::AssignmentRecord { outcome_header: header, ..record };
            prop_assert_eq!(wire::AssignmentRecord::decode(&bytes[..]).unwrap(), whole);
        }

        #[test]
        fn the_bytes_are_those_of_the_generated_message(record in any_record()) {
            let borrowed = Record {
                config_version: &record.config_version,
                service: &record.service,
                cluster: &record.cluster,
                routing_rule: &record.routing_rule,
            };
            let mut heads = Heads::default();
            for one in &record.assignments {
                heads.push([&one.experiment, &one.variant, &one.unit_type]);
            }
            let assignments = record.assignments.iter().enumerate().map(|(place, one)| Assignment {
                head: heads.get(place),
                unit: one.unit.as_bytes(),
                layer_bucket: one.layer_bucket,
                variant_bucket: one.variant_bucket,
                reason: one.reason,
                probability: one.probability,
                features: one.features.as_slice(),
            });
            prop_assert_eq!(borrowed.encode(assignments), record.encode_to_vec());
        }
    }
}
