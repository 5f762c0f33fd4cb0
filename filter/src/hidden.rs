//! What an upstream says came of a request, in `x-experiment-outcome`, is for whoever experiments and not
//! for clients. What lives here: taking the header away, and leaving what it said in the request's
//! record, because Envoy logs a response as it went to the client. What does not: reading it.

use crate::host::{Host, HostError};
use crate::record;
use watershed_proto::{OUTCOME_HEADER, RECORD_PROPERTY};

/// Hides the header, where it is, and returns what it said. It is one: of several, the first is kept.
///
/// # Errors
/// A host call failed; where that was not the last, clients may have seen the header.
pub fn hide(host: &impl Host) -> Result<Vec<u8>, HostError> {
    let value = host.response_header(OUTCOME_HEADER)?;
    if !value.is_empty() {
        host.remove_response_header(OUTCOME_HEADER)?;
        keep(host, &value)?;
    }
    Ok(value)
}

/// Leaves what came of the request in its record, in place of what was there.
///
/// # Errors
/// A host call failed.
pub fn keep(host: &impl Host, outcome: &[u8]) -> Result<(), HostError> {
    let mut record = host.filter_state(RECORD_PROPERTY)?;
    if record.is_empty() {
        // Nobody was assigned anything.
        return Ok(());
    }
    record::add_outcome(&mut record, outcome);
    host.set_filter_state(RECORD_PROPERTY, &record)
}
