//! The [`AssignmentRecord`](watershed_proto::filter::v1::AssignmentRecord) as bytes. What lives
//! here: its encoding straight from what a decision borrows. The generated message would own a copy
//! of every string, about ten allocations on each assigned request. What does not: what is in it.
//!
//! The tags are those of `record.proto`; the tests hold this against the generated message.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use std::ops::Deref;

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
    /// The experiment's key.
    pub experiment: &'a str,
    /// The variant's key.
    pub variant: &'a str,
    /// What is randomised.
    pub unit_type: &'a str,
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
            encode_key(4, WireType::LengthDelimited, &mut bytes);
            encode_varint(assignment.encoded_len() as u64, &mut bytes);
            assignment.encode(&mut bytes);
        }
        text(5, self.routing_rule, &mut bytes);
        bytes
    }
}

impl<F: Deref<Target = [f64]>> Assignment<'_, F> {
    /// How many bytes [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize {
        let texts = [self.experiment, self.variant, self.unit_type].map(str::len);
        let numbers = [
            self.layer_bucket.into(),
            self.variant_bucket.into(),
            self.reason(),
        ];
        let probability = if self.probability == 0.0 { 0 } else { 9 };
        let texts = texts
            .into_iter()
            .chain([self.unit.len()])
            .map(block_len)
            .sum();
        let numbers: usize = numbers.iter().map(|number| number_len(*number)).sum();
        [texts, numbers, probability, block_len(self.features_len())]
            .iter()
            .sum()
    }

    fn encode(&self, into: &mut Vec<u8>) {
        text(1, self.experiment, into);
        text(2, self.variant, into);
        text(3, self.unit_type, into);
        bytes(4, self.unit, into);
        number(5, self.layer_bucket.into(), into);
        number(6, self.variant_bucket.into(), into);
        number(7, self.reason(), into);
        if self.probability != 0.0 {
            encode_key(8, WireType::SixtyFourBit, into);
            into.extend_from_slice(&self.probability.to_le_bytes());
        }
        if !self.features.is_empty() {
            encode_key(9, WireType::LengthDelimited, into);
            encode_varint(self.features_len() as u64, into);
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

/// The length of a text or of packed numbers, all of whose tags take one byte; none where it is empty.
fn block_len(length: usize) -> usize {
    if length == 0 {
        return 0;
    }
    let prefix = encoded_len_varint(length as u64).saturating_add(1);
    prefix.saturating_add(length)
}

fn number_len(number: u64) -> usize {
    if number == 0 {
        return 0;
    }
    encoded_len_varint(number).saturating_add(1)
}

fn text(tag: u32, text: &str, into: &mut Vec<u8>) {
    bytes(tag, text.as_bytes(), into);
}

fn bytes(tag: u32, bytes: &[u8], into: &mut Vec<u8>) {
    if !bytes.is_empty() {
        block(tag, bytes, into);
    }
}

fn block(tag: u32, bytes: &[u8], into: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, into);
    encode_varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

fn number(tag: u32, number: u64, into: &mut Vec<u8>) {
    if number != 0 {
        encode_key(tag, WireType::Varint, into);
        encode_varint(number, into);
    }
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
            let assignments = record.assignments.iter().map(|one| Assignment {
                experiment: &one.experiment,
                variant: &one.variant,
                unit_type: &one.unit_type,
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
