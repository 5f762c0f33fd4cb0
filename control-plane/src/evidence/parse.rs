//! Reads one access-log entry: finds the filter's record among the filter-state objects and decodes
//! it. Pure: the stream it came on belongs to [`super::ingest`].

use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;
use envoy_types::pb::google::protobuf::{Any, BytesValue};
use prost::Message as _;
use watershed_proto::RECORD_FILTER_STATE;
use watershed_proto::filter::v1::AssignmentRecord;

/// What an access-log entry says about assignment.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The filter assigned the request.
    Assigned(AssignmentRecord),
    /// The filter left no record: no unit, not eligible, or no experiment.
    Unassigned,
    /// A record is there and cannot be read.
    Garbage(GarbageRecord),
}

impl Entry {
    /// The label that counts this entry.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Assigned(_) => "assigned",
            Self::Unassigned => "unassigned",
            Self::Garbage(_) => "garbage",
        }
    }
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GarbageRecord {
    /// Envoy wraps the filter's bytes in a `BytesValue`; something else came.
    #[error("filter state holds {0:?} where a BytesValue is expected")]
    Type(String),
    /// Not a Protobuf message of the expected shape.
    #[error("record does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A record without assignments is never written by the filter.
    #[error("record names no assignment")]
    Empty,
}

/// Reads the filter's record out of `entry`.
#[must_use]
pub fn entry(entry: &HttpAccessLogEntry) -> Entry {
    let state = entry
        .common_properties
        .as_ref()
        .and_then(|c| c.filter_state_objects.get(RECORD_FILTER_STATE));
    match state.map(record) {
        None => Entry::Unassigned,
        Some(Ok(record)) => Entry::Assigned(record),
        Some(Err(fault)) => Entry::Garbage(fault),
    }
}

fn record(any: &Any) -> Result<AssignmentRecord, GarbageRecord> {
    if !any.type_url.ends_with("/google.protobuf.BytesValue") {
        return Err(GarbageRecord::Type(any.type_url.clone()));
    }
    let bytes = BytesValue::decode(any.value.as_slice())?;
    let record = AssignmentRecord::decode(bytes.value.as_slice())?;
    if record.assignments.is_empty() {
        return Err(GarbageRecord::Empty);
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::data::accesslog::v3::AccessLogCommon;
    use proptest::prelude::*;
    use watershed_proto::filter::v1::{Assignment, Reason};

    fn with_state(any: Option<Any>) -> HttpAccessLogEntry {
        let filter_state_objects = any
            .into_iter()
            .map(|any| (RECORD_FILTER_STATE.to_owned(), any))
            .collect();
        HttpAccessLogEntry {
            common_properties: Some(AccessLogCommon {
                filter_state_objects,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn bytes_value(value: Vec<u8>) -> Any {
        Any {
            type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
            value: BytesValue { value }.encode_to_vec(),
        }
    }

    fn a_record() -> AssignmentRecord {
        AssignmentRecord {
            config_version: "0123456789abcdef".to_owned(),
            service: "chat".to_owned(),
            cluster: "candidate-b".to_owned(),
            assignments: vec![Assignment {
                experiment: "chat-model".to_owned(),
                variant: "candidate-b".to_owned(),
                unit_type: "conversation".to_owned(),
                unit: "c-1".to_owned(),
                layer_bucket: 17,
                variant_bucket: 7_500,
                reason: Reason::Hashed.into(),
                ..Assignment::default()
            }],
            ..AssignmentRecord::default()
        }
    }

    #[test]
    fn a_record_in_filter_state_is_an_assignment() {
        let got = entry(&with_state(Some(bytes_value(a_record().encode_to_vec()))));
        assert_eq!(got, Entry::Assigned(a_record()));
    }

    #[test]
    fn an_entry_without_a_record_is_unassigned() {
        assert_eq!(entry(&with_state(None)), Entry::Unassigned);
        assert_eq!(entry(&HttpAccessLogEntry::default()), Entry::Unassigned);
    }

    #[test]
    fn a_foreign_object_under_our_name_is_garbage_and_says_so() {
        let any = Any {
            type_url: "type.googleapis.com/foo.Bar".to_owned(),
            value: vec![1],
        };
        let Entry::Garbage(fault) = entry(&with_state(Some(any))) else {
            panic!("not garbage")
        };
        assert_eq!(
            fault.to_string(),
            r#"filter state holds "type.googleapis.com/foo.Bar" where a BytesValue is expected"#
        );
    }

    #[test]
    fn a_record_with_no_assignment_is_garbage() {
        let empty = AssignmentRecord::default().encode_to_vec();
        assert_eq!(
            entry(&with_state(Some(bytes_value(empty)))),
            Entry::Garbage(GarbageRecord::Empty)
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let wrapped = Any {
                type_url: "type.googleapis.com/google.protobuf.BytesValue".to_owned(),
                value: bytes.clone(),
            };
            let _ = entry(&with_state(Some(wrapped)));
            let _ = entry(&with_state(Some(bytes_value(bytes))));
        }
    }
}
