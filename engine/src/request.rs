//! Reading headers. What lives here: how each attribute is cut out of header bytes. What does not:
//! where the bytes come from, and what headers don't tell (see
//! [`surroundings`](crate::surroundings)). Nothing here assumes UTF-8 or well-formed input.

use crate::attribute::Attribute;
use std::borrow::Cow;
use std::iter;

/// A request's headers in order, with HTTP/2 names for the pseudo-headers (`:authority`, `:path`,
/// `:method`). Names are compared without case; a name may repeat.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(&'a [(&'a [u8], &'a [u8])]);

impl<'a> Headers<'a> {
    /// A view of `(name, value)` pairs.
    #[must_use]
    pub fn new(pairs: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self(pairs)
    }

    /// The names and values, in order.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().copied()
    }

    /// Every value of the header, in order.
    pub fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self;
        iter::from_fn(move || {
            let (value, behind) = rest.next(name)?;
            rest = behind;
            Some(value)
        })
    }

    /// The first value of the header.
    #[must_use]
    pub fn first(self, name: &str) -> Option<&'a [u8]> {
        self.next(name).map(|(value, _)| value)
    }

    /// The first value of the header, and the headers behind it.
    #[inline]
    fn next(self, name: &str) -> Option<(&'a [u8], Self)> {
        let mut headers = self.0;
        while let [(other, value), rest @ ..] = headers {
            // Most names differ in length.
            if is_name(other, name.as_bytes()) {
                return Some((value, Self(rest)));
            }
            headers = rest;
        }
        None
    }

    /// The header's value; several are joined with `,` (RFC 9110, section 5.3).
    #[must_use]
    pub fn joined(self, name: &str) -> Option<Cow<'a, [u8]>> {
        let (first, rest) = self.next(name)?;
        match rest.next(name) {
            None => Some(Cow::Borrowed(first)),
            Some(_) => Some(Cow::Owned(joined(first, rest.all(name)))),
        }
    }

    /// The authority without its port, in lower case.
    #[must_use]
    pub fn host(self) -> Option<Cow<'a, [u8]>> {
        let authority = self.first(":authority").or_else(|| self.first("host"));
        authority.map(host)
    }

    /// The path without its query.
    #[must_use]
    pub fn path(self) -> Option<&'a [u8]> {
        self.path_and_query().map(path)
    }

    /// The path as it stands in the request.
    #[must_use]
    pub fn path_and_query(self) -> Option<&'a [u8]> {
        self.first(":path")
    }

    /// The value of the first cookie of this name.
    #[must_use]
    pub fn cookie(self, name: &str) -> Option<&'a [u8]> {
        self.all("cookie").find_map(|header| cookie(header, name))
    }

    /// The value of the first query parameter of this name, decoded.
    #[must_use]
    pub fn query(self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.path_and_query().and_then(|path| query(path, name))
    }

    /// The body's length in bytes as the client said, in digits.
    #[must_use]
    pub fn body_size(self) -> Option<&'a [u8]> {
        let length = self.first("content-length")?;
        let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        is_number.then_some(length)
    }

    /// The value of one attribute; `None` for those that headers don't tell.
    #[must_use]
    pub fn read(self, attribute: &Attribute) -> Option<Cow<'a, [u8]>> {
        match attribute {
            Attribute::Header(name) => self.joined(name),
            Attribute::Cookie(name) => self.cookie(name).map(Cow::Borrowed),
            Attribute::Query(name) => self.query(name),
            Attribute::Path => self.path().map(Cow::Borrowed),
            Attribute::Method => self.first(":method").map(Cow::Borrowed),
            Attribute::Host => self.host(),
            Attribute::BodySize => self.body_size().map(Cow::Borrowed),
            Attribute::JwtClaim { .. }
            | Attribute::Body(_)
            | Attribute::SourceAddress
            | Attribute::TimeOfDay(_)
            | Attribute::DayOfWeek(_)
            | Attribute::Date(_)
            | Attribute::Generated(_)
            | Attribute::Request => None,
        }
    }
}

#[cold]
fn joined<'a>(first: &[u8], rest: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    rest.fold(first.to_vec(), |mut joined, value| {
        joined.push(b',');
        joined.extend_from_slice(value);
        joined
    })
}

/// Whether two header names are the same.
#[inline]
pub(crate) fn is_name(other: &[u8], name: &[u8]) -> bool {
    other.len() == name.len() && is_same(other, name)
}

/// As [`is_name`] for names of one length. Most are written alike: eight bytes at a time, or four,
/// are enough to see that.
#[inline]
fn is_same(other: &[u8], name: &[u8]) -> bool {
    ends::<8>(other) == ends::<8>(name) && (8..=16).contains(&name.len())
        || ends::<4>(other) == ends::<4>(name) && (4..=8).contains(&name.len())
        || other.eq_ignore_ascii_case(name)
}

/// The first and the last bytes, where there are so many.
#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    bytes.first_chunk().zip(bytes.last_chunk())
}

/// The value of the first cookie called `name` in a `Cookie` header (RFC 6265, section 4.2). The
/// value is taken as it stands: neither unquoted nor decoded.
#[must_use]
pub fn cookie<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
    header
        .split(|&byte| byte == b';')
        .filter_map(|pair| split_once(pair, b'='))
        .find(|(key, _)| key.trim_ascii() == name.as_bytes())
        .map(|(_, value)| value.trim_ascii())
}

/// The value of the first query parameter called `name` in a path with query, percent-decoded and
/// with `+` as space. A parameter without `=` has an empty value.
#[must_use]
pub fn query<'a>(path_and_query: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let (_, rest) = split_once(path_and_query, b'?')?;
    let query = rest.split(|&byte| byte == b'#').next()?;
    query
        .split(|&byte| byte == b'&')
        .map(|pair| split_once(pair, b'=').unwrap_or((pair, &[])))
        .find(|(key, _)| *decode(key) == *name.as_bytes())
        .map(|(_, value)| decode(value))
}

/// A path without query and fragment.
#[must_use]
pub fn path(path_and_query: &[u8]) -> &[u8] {
    memchr::memchr2(b'?', b'#', path_and_query)
        .and_then(|end| path_and_query.get(..end))
        .unwrap_or(path_and_query)
}

/// An authority without its port, in lower case. IPv6 literals keep their brackets.
#[must_use]
pub fn host(authority: &[u8]) -> Cow<'_, [u8]> {
    let name = without_port(authority);
    if name.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    // In an IPv6 literal only a colon behind the bracket starts a port.
    let is_port = |rest: &[u8]| rest.iter().all(u8::is_ascii_digit);
    match authority.iter().rposition(|&byte| byte == b':') {
        Some(colon) => match authority.split_at_checked(colon) {
            Some((name, [_, port @ ..])) if is_port(port) && is_whole(name) => name,
            _ => authority,
        },
        None => authority,
    }
}

/// Whether `name` is all there is before a port: a bracketed literal or free of colons.
fn is_whole(name: &[u8]) -> bool {
    name.ends_with(b"]") || !name.contains(&b':')
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    let (left, right) = bytes.split_at_checked(at)?;
    Some((left, right.get(1..)?))
}

/// Percent-decoded, `+` as space. What is no escape stays as it is.
fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    if !encoded.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(encoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, tail @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    decoded.push((high << 4) | low);
                    rest = tail;
                }
                None => decoded.push(byte),
            },
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let header = b"a=1; session=s-42;bb=2 ; a=3; empty=; novalue; eq=x=y; q=\"v\"";
        let find = |name| cookie(header, name).map(|value| String::from_utf8_lossy(value));
        assert_eq!(find("session").as_deref(), Some("s-42"));
        assert_eq!(find("a").as_deref(), Some("1"), "the first one wins");
        assert_eq!(find("bb").as_deref(), Some("2"));
        assert_eq!(find("empty").as_deref(), Some(""));
        assert_eq!(find("eq").as_deref(), Some("x=y"));
        assert_eq!(find("q").as_deref(), Some("\"v\""));
        assert_eq!(find("Session"), None, "cookie names have case");
        assert_eq!(find("novalue"), None);
        assert_eq!(find("b"), None);
    }

    #[test]
    fn a_query_parameter_is_decoded() {
        let find = |path: &'static str, name| {
            query(path.as_bytes(), name).map(|value| String::from_utf8_lossy(&value).into_owned())
        };
        assert_eq!(find("/p?user=a%20b+c&x=1", "user").unwrap(), "a b c");
        assert_eq!(find("/p?us%65r=u", "user").unwrap(), "u");
        assert_eq!(find("/p?x&user=1&user=2", "user").unwrap(), "1");
        assert_eq!(find("/p?x&y=1", "x").unwrap(), "");
        assert_eq!(find("/p?user=%zz%4&x", "user").unwrap(), "%zz%4");
        assert_eq!(find("/p?user=1#user=2", "user").unwrap(), "1");
        assert_eq!(find("/p?a=1?user=2&user=3", "user").unwrap(), "3");
        assert_eq!(find("/user=1", "user"), None);
        assert_eq!(find("/p?", "user"), None);
        assert_eq!(&*query(b"/p?u=%ff%00", "u").unwrap(), b"\xff\0");
    }

    #[test]
    fn a_path_ends_at_its_query() {
        assert_eq!(path(b"/v1/chat?user=1"), b"/v1/chat");
        assert_eq!(path(b"/v1#x?y"), b"/v1");
        assert_eq!(path(b""), b"");
    }

    #[test]
    fn a_host_has_no_port_and_no_capitals() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"API.Example.com:8080", b"api.example.com"),
            (b"api.example.com", b"api.example.com"),
            (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
            (b"[::1]", b"[::1]"),
            (b"::1", b"::1"),
            (b"host:", b"host"),
            (b"host:x", b"host:x"),
            (b":80", b""),
            (b"\xff\xfe:1", b"\xff\xfe"),
        ];
        for (authority, expected) in cases {
            assert_eq!(&*host(authority), expected);
        }
    }

    #[test]
    fn repeated_headers_are_joined_and_repeated_cookie_headers_are_all_searched() {
        let pairs: [(&[u8], &[u8]); 5] = [
            (b"X-Tag", b"one"),
            (b"cookie", b"a=1"),
            (b"x-tag", b"two"),
            (b"cookie", b"a=9; b=2"),
            (b":path", b"/p?q=1"),
        ];
        let headers = Headers::new(&pairs);
        let read = |attribute: Attribute| headers.read(&attribute).map(Cow::into_owned);
        assert_eq!(read(Attribute::Header("x-tag".into())).unwrap(), b"one,two");
        assert_eq!(read(Attribute::Cookie("b".into())).unwrap(), b"2");
        assert_eq!(read(Attribute::Cookie("a".into())).unwrap(), b"1");
        assert_eq!(read(Attribute::Query("q".into())).unwrap(), b"1");
        assert_eq!(read(Attribute::Path).unwrap(), b"/p");
        assert_eq!(read(Attribute::Method), None);
        assert_eq!(read(Attribute::Host), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200), name in ".{0,4}",
        ) {
            let _ = (cookie(&bytes, &name), query(&bytes, &name), path(&bytes), host(&bytes));
        }

        #[test]
        fn a_query_value_survives_encoding(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
            let path = format!("/p?a=b&user={encoded}&c=d");
            prop_assert_eq!(query(path.as_bytes(), "user").unwrap().into_owned(), value);
        }
    }
}
