//! What one message of an access-log stream says, brought into the pipeline: read, told to whoever counts,
//! and handed on at once. The stream itself, and who may send on it, belong to the server.

use crate::entry::{Context, Entry, read};
use crate::exposure::Exposure;
use crate::pipeline::Pipeline;
use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;

/// Reads the entries of a message and hands their exposures to `pipeline`, all at once: messages of many
/// streams meet there. Each entry is told to `hear`, and each exposure that was taken in to `taken`, in their
/// order.
pub fn take(
    entries: Vec<HttpAccessLogEntry>,
    context: Context<'_>,
    pipeline: &Pipeline,
    mut hear: impl FnMut(&Entry),
    taken: impl FnMut(&Exposure),
) {
    let mut exposures: Vec<Exposure> = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = read(entry, context);
        hear(&entry);
        if let Entry::Assigned { exposures: of, .. } = entry {
            exposures.extend(of);
        }
    }
    pipeline.exposures(&exposures, taken);
}
