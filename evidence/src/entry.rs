//! Reads one access-log entry: finds the filter's record among the filter-state objects, joins it with
//! what Envoy did, and gives one exposure for each assignment. Pure: the stream it came on belongs to
//! the control plane.

mod execution;
#[cfg(test)]
mod tests;

use crate::catalog::Catalog;
use crate::exposure::{Execution, Exposure, Reason};
use crate::header;
use crate::unit::UnitHasher;
use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogType, HttpAccessLogEntry};
use envoy_types::pb::google::protobuf::{Any, BytesValue};
use prost::Message as _;
use std::sync::Arc;
use watershed_proto::RECORD_FILTER_STATE;
use watershed_proto::filter::v1::{Assignment, AssignmentRecord};

/// What an access-log entry says about assignment.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The filter assigned the request.
    Assigned {
        /// One for each experiment; never none.
        exposures: Vec<Exposure>,
        /// How many items of the outcome header could not be read.
        outcome_garbage: u32,
    },
    /// The filter left no record: no unit, not eligible, or no experiment.
    Unassigned,
    /// The request has not ended yet; its last entry will tell.
    Unfinished,
    /// A record is there and cannot be read.
    Garbage(GarbageRecord),
}

impl Entry {
    /// The label that counts this entry.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Assigned { .. } => "assigned",
            Self::Unassigned => "unassigned",
            Self::Unfinished => "unfinished",
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
    /// An assignment lacks what it is joined by.
    #[error("assignment {0} of the record lacks its experiment, variant or unit")]
    Nameless(usize),
    /// More assignments than layers that anybody has.
    #[error("record has {0} assignments, at most {MAX_ASSIGNMENTS} are read")]
    Many(usize),
}

/// How many assignments of one record are read.
pub const MAX_ASSIGNMENTS: usize = 64;

/// What reading needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The proxy that the entry came from.
    pub proxy: &'a str,
    /// Whose cluster is whose.
    pub catalog: &'a Catalog,
    /// How units are written.
    pub units: &'a UnitHasher,
}

/// Reads `entry`.
#[must_use]
pub fn read(mut entry: HttpAccessLogEntry, context: Context<'_>) -> Entry {
    let Some(common) = &mut entry.common_properties else {
        return Entry::Unassigned;
    };
    let Some(state) = common.filter_state_objects.remove(RECORD_FILTER_STATE) else {
        return Entry::Unassigned;
    };
    if !is_last(common.access_log_type()) {
        return Entry::Unfinished;
    }
    let record = match record(&state) {
        Ok(record) => record,
        Err(fault) => return Entry::Garbage(fault),
    };
    let (mut execution, mut outcome_garbage) = execution::of(entry, context.proxy);
    if !record.outcome_header.is_empty() {
        // The filter kept the header from the client, and so from the log, or read the answer.
        let parsed = header::parse(&String::from_utf8_lossy(&record.outcome_header));
        execution.outcomes.extend(parsed.outcomes);
        outcome_garbage = outcome_garbage.saturating_add(parsed.garbage);
    }
    execution.service = record.service;
    execution.config_version = record.config_version;
    let execution = Arc::new(execution);
    let assignments = record.assignments.into_iter();
    let exposures = assignments
        .map(|it| exposure(it, &record.cluster, &execution, context))
        .collect();
    Entry::Assigned {
        exposures,
        outcome_garbage,
    }
}

/// Whether Envoy wrote the entry when the request was over.
fn is_last(written: AccessLogType) -> bool {
    matches!(
        written,
        AccessLogType::NotSet | AccessLogType::DownstreamEnd
    )
}

fn record(any: &Any) -> Result<AssignmentRecord, GarbageRecord> {
    if !any.type_url.ends_with("/google.protobuf.BytesValue") {
        return Err(GarbageRecord::Type(any.type_url.clone()));
    }
    let bytes = BytesValue::decode(any.value.as_slice())?;
    let record = AssignmentRecord::decode(bytes.value.as_slice())?;
    match record.assignments.len() {
        0 => return Err(GarbageRecord::Empty),
        many if many > MAX_ASSIGNMENTS => return Err(GarbageRecord::Many(many)),
        _ => {}
    }
    let nameless =
        |it: &Assignment| it.experiment.is_empty() || it.variant.is_empty() || it.unit.is_empty();
    match record.assignments.iter().position(nameless) {
        Some(index) => Err(GarbageRecord::Nameless(index)),
        None => Ok(record),
    }
}

fn exposure(
    assignment: Assignment,
    chosen_cluster: &str,
    execution: &Arc<Execution>,
    context: Context<'_>,
) -> Exposure {
    let known = context
        .catalog
        .variant(&assignment.experiment, &assignment.variant);
    let own = match known {
        Some(variant) => variant.cluster.as_deref(),
        // A configuration that is not ours: what was asked for is all that there is to compare with.
        None => Some(chosen_cluster).filter(|it| !it.is_empty()),
    };
    let (served, fallback_used) = match own {
        _ if !execution.reached_upstream => (None, false),
        // It only stamps headers, and whoever answered had them.
        None => (Some(assignment.variant.clone()), false),
        Some(own) if own == execution.upstream_cluster => (Some(assignment.variant.clone()), false),
        Some(_) => {
            let other = context
                .catalog
                .by_cluster(&assignment.experiment, &execution.upstream_cluster);
            (other.map(|it| it.key.clone()), true)
        }
    };
    Exposure {
        served,
        fallback_used,
        reason: Reason::of_number(assignment.reason),
        unit: context.units.unit(&assignment.unit_type, &assignment.unit),
        probability: assignment.probability,
        mirror: known.and_then(|it| it.mirror.clone()),
        experiment: assignment.experiment,
        variant: assignment.variant,
        unit_type: assignment.unit_type,
        execution: Arc::clone(execution),
    }
}
