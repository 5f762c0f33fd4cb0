//! Whether a request's body is worth waiting for. What lives here: what headers say about a body to
//! come. What does not: reading it.
//!
//! A request whose body never ends must never wait for its end: an upgrade, a tunnel, a gRPC stream.
//! So a body of unknown length is awaited only where the client calls it JSON.

use watershed_engine::Headers;

/// What to do about the body of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// There is none, or none that could be JSON: go on without.
    Nothing,
    /// It is larger than the limit: go on without.
    TooLarge,
    /// It comes; of this length where the client said so.
    Length(Option<usize>),
}

impl Expected {
    /// What to expect after these headers.
    #[must_use]
    pub fn after(headers: Headers<'_>, end_of_stream: bool, limit: usize) -> Self {
        if end_of_stream || is_tunnel(headers) || is_encoded(headers) {
            return Self::Nothing;
        }
        let kind = headers.all("content-type").next().unwrap_or_default();
        if is_stream_or_form(kind) {
            return Self::Nothing;
        }
        match headers.all("content-length").next().map(length) {
            Some(Some(0)) => Self::Nothing,
            Some(Some(length)) if length > limit => Self::TooLarge,
            Some(Some(length)) => Self::Length(Some(length)),
            _ if is_json(kind) => Self::Length(None),
            _ => Self::Nothing,
        }
    }

    /// Whether nothing more is to be awaited once `buffered` bytes are here.
    #[must_use]
    pub fn is_reached(self, buffered: usize, end_of_stream: bool, limit: usize) -> bool {
        match self {
            Self::Length(Some(length)) if buffered >= length => true,
            Self::Length(_) => end_of_stream || buffered > limit,
            Self::Nothing | Self::TooLarge => true,
        }
    }
}

pub(crate) fn length(digits: &[u8]) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = is_number.then(|| str::from_utf8(digits).ok()).flatten()?;
    // More digits than fit are a length beyond any limit.
    Some(digits.parse().unwrap_or(usize::MAX))
}

fn is_tunnel(headers: Headers<'_>) -> bool {
    headers.all("upgrade").next().is_some() || headers.all(":method").next() == Some(b"CONNECT")
}

/// A compressed body is not JSON to us.
fn is_encoded(headers: Headers<'_>) -> bool {
    headers
        .all("content-encoding")
        .any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn is_stream_or_form(kind: &[u8]) -> bool {
    starts_with(kind, b"application/grpc") || starts_with(kind, b"multipart/")
}

/// `application/json` or a type with the suffix `+json` (RFC 6838, section 4.2.8).
pub(crate) fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|&byte| byte == b';').next().unwrap_or(kind);
    let essence = essence.trim_ascii();
    let suffix = essence.len().checked_sub(b"+json".len());
    essence.eq_ignore_ascii_case(b"application/json")
        || suffix
            .and_then(|at| essence.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
}

fn starts_with(kind: &[u8], prefix: &[u8]) -> bool {
    kind.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 100;

    fn after(headers: &[(&str, &str)]) -> Expected {
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Expected::after(Headers::new(&pairs), false, LIMIT)
    }

    #[test]
    fn a_body_of_known_length_is_awaited_whatever_it_is_called() {
        for kind in ["application/json", "application/x-www-form-urlencoded", ""] {
            let headers = [("content-type", kind), ("content-length", "100")];
            assert_eq!(after(&headers), Expected::Length(Some(100)), "{kind}");
        }
        assert_eq!(
            after(&[("content-length", "100")]),
            Expected::Length(Some(100))
        );
    }

    #[test]
    fn a_body_beyond_the_limit_is_not_awaited() {
        for length in ["101", "99999999999999999999999999"] {
            assert_eq!(after(&[("content-length", length)]), Expected::TooLarge);
        }
    }

    #[test]
    fn a_body_of_unknown_length_is_awaited_only_where_it_is_called_json() {
        for kind in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.api+json",
        ] {
            assert_eq!(
                after(&[("content-type", kind)]),
                Expected::Length(None),
                "{kind}"
            );
        }
        for kind in [
            "text/plain",
            "application/jsonx",
            "application/x-ndjson",
            "json",
            "",
        ] {
            assert_eq!(
                after(&[("content-type", kind)]),
                Expected::Nothing,
                "{kind}"
            );
        }
        assert_eq!(after(&[]), Expected::Nothing);
    }

    #[test]
    fn what_has_no_body_or_never_ends_is_not_awaited() {
        let json = ("content-type", "application/json");
        for other in [
            ("upgrade", "websocket"),
            (":method", "CONNECT"),
            ("content-encoding", "gzip"),
            ("content-length", "0"),
            ("content-type", "application/grpc+json"),
        ] {
            assert_eq!(after(&[other, json]), Expected::Nothing, "{other:?}");
        }
        let headers = [
            ("content-type", "multipart/form-data"),
            ("content-length", "9"),
        ];
        assert_eq!(after(&headers), Expected::Nothing);
        let pairs = [(&b"content-type"[..], &b"application/json"[..])];
        assert_eq!(
            Expected::after(Headers::new(&pairs), true, LIMIT),
            Expected::Nothing
        );
    }

    #[test]
    fn waiting_ends_with_the_length_the_end_or_the_limit() {
        let known = Expected::Length(Some(10));
        assert!(!known.is_reached(9, false, LIMIT));
        assert!(known.is_reached(10, false, LIMIT));
        assert!(known.is_reached(3, true, LIMIT));
        let unknown = Expected::Length(None);
        assert!(!unknown.is_reached(LIMIT, false, LIMIT));
        assert!(unknown.is_reached(LIMIT + 1, false, LIMIT));
        assert!(unknown.is_reached(0, true, LIMIT));
    }

    proptest! {
        #[test]
        fn any_header_bytes_are_read_without_a_panic(
            kind in prop::collection::vec(any::<u8>(), 0..40),
            length in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let pairs = [(&b"content-type"[..], &kind[..]), (&b"content-length"[..], &length[..])];
            let _ = Expected::after(Headers::new(&pairs), false, LIMIT);
        }
    }
}
