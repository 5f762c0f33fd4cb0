//! What ClickHouse's errors mean for a store.

use crate::store::StoreError;

/// Codes of what may work later: a server that is busy, starting, or cannot reach its peers. The numbers are
/// those of ClickHouse's `ErrorCodes.cpp`.
const TRANSIENT: [u32; 25] = [
    3,   // UNEXPECTED_END_OF_FILE: we were cut off
    159, // TIMEOUT_EXCEEDED
    160, // TOO_SLOW
    198, // DNS_ERROR
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    203, // NO_FREE_CONNECTION
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    225, // NO_ZOOKEEPER
    236, // ABORTED
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY
    252, // TOO_MANY_PARTS
    279, // ALL_CONNECTION_TRIES_FAILED
    285, // TOO_FEW_LIVE_REPLICAS
    286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    289, // REPLICA_IS_NOT_IN_QUORUM
    319, // UNKNOWN_STATUS_OF_INSERT
    341, // UNFINISHED
    394, // QUERY_WAS_CANCELLED
    425, // SYSTEM_ERROR
    439, // CANNOT_SCHEDULE_TASK
    473, // DEADLOCK_AVOIDED
    659, // UNKNOWN_STATUS_OF_TRANSACTION
    999, // KEEPER_EXCEPTION
];
/// `NOT_ENOUGH_SPACE`.
const NO_SPACE: u32 = 243;

/// What an answer that is no success says: its status, the header `X-ClickHouse-Exception-Code` and its body.
pub(super) fn of_answer(status: u16, code: Option<u32>, body: &[u8]) -> StoreError {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let text = match text.char_indices().nth(1_000) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    };
    let text = match text.is_empty() {
        true => format!("status {status}"),
        false => text.to_owned(),
    };
    // A broken file system says so in the message of a general error.
    if code == Some(NO_SPACE) || (code.is_some() && text.contains("No space left on device")) {
        return StoreError::Full(text);
    }
    let transient = match code {
        Some(code) => TRANSIENT.contains(&code),
        // No answer of ClickHouse's own: of a proxy before it.
        None => status >= 500 || status == 429,
    };
    match transient {
        true => StoreError::Unavailable(text),
        false => StoreError::Database(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_whether_it_helps_to_try_again() {
        let is = |status, code, body: &[u8]| of_answer(status, code, body).is_transient();
        assert!(is(
            500,
            Some(252),
            b"Code: 252. DB::Exception: Too many parts"
        ));
        assert!(!is(
            404,
            Some(60),
            b"Code: 60. DB::Exception: Unknown table"
        ));
        assert!(is(502, None, b"<html>Bad Gateway</html>"));
        assert!(!is(403, None, b""));
        let full = of_answer(
            500,
            Some(243),
            b"Code: 243. DB::Exception: Cannot reserve 1.00 MiB",
        );
        assert!(matches!(full, StoreError::Full(_)), "{full}");
        let full = of_answer(
            500,
            Some(74),
            b"Code: 74. errno: 28, strerror: No space left on device",
        );
        assert!(matches!(full, StoreError::Full(_)), "{full}");
    }

    #[test]
    fn what_is_said_is_short_and_never_nothing() {
        assert_eq!(
            of_answer(403, None, b"").to_string(),
            "the evidence database: status 403"
        );
        let long = of_answer(500, Some(62), "é".repeat(5_000).as_bytes());
        assert!(long.to_string().len() < 2_100);
        assert!(
            !of_answer(500, Some(1), &[0xff, 0xfe])
                .to_string()
                .is_empty()
        );
    }
}
