//! Exit codes: what a script can tell from the end of a command. The table is in `docs/cli.md`.

use super::client::ApiError;
use http::StatusCode;
use std::process::ExitCode;
use thiserror::Error;

/// Anything that has no code of its own.
const FAILED: u8 = 1;
const UNREACHABLE: u8 = 3;
const REFUSED: u8 = 4;
const MISSING: u8 = 5;
const CONFLICT: u8 = 6;
const FORBIDDEN: u8 = 7;
const UNABLE: u8 = 8;
const NOT_IN_SYNC: u8 = 9;
const DIFFERENT: u8 = 10;

/// Something would be changed, where the command was to tell.
#[derive(Clone, Copy, Debug, Error)]
#[error("something would be changed")]
pub struct Different;

/// Proxies do not have what they should have, after having been waited for.
#[derive(Clone, Debug, Error)]
#[error("not in sync after {seconds} s: {what}")]
pub struct NotInSync {
    /// How long they were waited for.
    pub seconds: u64,
    /// Who is behind.
    pub what: String,
}

/// The exit code that tells of `fault`. Arguments that cannot be read end with 2, before there is one.
#[must_use]
pub fn code(fault: &anyhow::Error) -> ExitCode {
    number(fault).into()
}

fn number(fault: &anyhow::Error) -> u8 {
    if fault.downcast_ref::<Different>().is_some() {
        return DIFFERENT;
    }
    if fault.downcast_ref::<NotInSync>().is_some() {
        return NOT_IN_SYNC;
    }
    match fault.downcast_ref::<ApiError>() {
        Some(ApiError::Unreachable { .. } | ApiError::Late { .. }) => UNREACHABLE,
        Some(ApiError::Refused { status, .. }) => refused(*status),
        Some(ApiError::Unreadable { .. }) | None => FAILED,
    }
}

fn refused(status: StatusCode) -> u8 {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FORBIDDEN,
        StatusCode::NOT_FOUND => MISSING,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => CONFLICT,
        StatusCode::TOO_MANY_REQUESTS => UNABLE,
        status if status.is_server_error() => UNABLE,
        status if status.is_client_error() => REFUSED,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_status_keeps_its_code_whatever_is_said_around_it() {
        for (status, expected) in [
            (400, 4),
            (401, 7),
            (403, 7),
            (404, 5),
            (405, 4),
            (409, 6),
            (412, 6),
            (422, 4),
            (429, 8),
            (500, 8),
            (503, 8),
            (302, 1),
        ] {
            let refused = ApiError::Refused {
                what: "GET /".to_owned(),
                status: StatusCode::from_u16(status).unwrap(),
                text: String::new(),
            };
            let fault = Err::<(), _>(refused).context("around it").unwrap_err();
            assert_eq!(number(&fault), expected, "{status}");
        }
        assert_eq!(number(&anyhow::anyhow!("anything")), 1);
        assert_eq!(number(&Different.into()), 10);
        let late = NotInSync {
            seconds: 1,
            what: String::new(),
        };
        assert_eq!(number(&late.into()), 9);
    }
}
