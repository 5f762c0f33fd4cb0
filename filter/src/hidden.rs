//! What an upstream says came of a request, in `x-experiment-outcome`, is for whoever experiments and not
//! for clients. What lives here: taking the header away, and leaving what it said in the request's
//! record, because Envoy logs a response as it went to the client. What does not: reading it.

use crate::host::{Host, HostError};
use crate::record;
use watershed_proto::{OUTCOME_HEADER, RECORD_PROPERTY};

/// Hides the header, where it is. It is one: of several, the first is kept.
///
/// # Errors
/// A host call failed; where that was not the last, clients may have seen the header.
pub fn hide(host: &impl Host) -> Result<(), HostError> {
    let value = host.response_header(OUTCOME_HEADER)?;
    if value.is_empty() {
        return Ok(());
    }
    host.remove_response_header(OUTCOME_HEADER)?;
    let mut record = host.filter_state(RECORD_PROPERTY)?;
    if record.is_empty() {
        // Nobody was assigned anything.
        return Ok(());
    }
    record::add_outcome(&mut record, &value);
    host.set_filter_state(RECORD_PROPERTY, &record)
}
