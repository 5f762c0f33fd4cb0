//! Attributes: where a value is read from a request, for units and for audiences.

use super::fault::Faults;
use std::fmt;
use watershed_engine::compile::limits;
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// The most bytes of a header's, cookie's or query parameter's name.
const MAX_NAME: usize = limits::NAME_BYTES;

/// Where a value is read from a request.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Attribute {
    /// A request header, its name in lower case.
    Header(String),
    /// A cookie, by name with case.
    Cookie(String),
    /// A query parameter, by name.
    Query(String),
    /// The path without its query.
    Path,
    /// The request method.
    Method,
    /// The authority without its port, in lower case.
    Host,
}

/// The fields by which a document names one attribute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    pub header: Option<&'a str>,
    pub cookie: Option<&'a str>,
    pub query: Option<&'a str>,
    pub path: Option<bool>,
    pub method: Option<bool>,
    pub host: Option<bool>,
}

impl Fields<'_> {
    /// The names of the fields that are given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        [
            ("header", self.header.is_some()),
            ("cookie", self.cookie.is_some()),
            ("query", self.query.is_some()),
            ("path", self.path.is_some()),
            ("method", self.method.is_some()),
            ("host", self.host.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Reads the one attribute that is named; the caller has seen that it is one.
    pub(super) fn read(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        if let Some(name) = self.header {
            return header(name, at, faults);
        }
        if let Some(name) = self.cookie {
            return cookie(name, at, faults);
        }
        if let Some(name) = self.query {
            return query(name, at, faults);
        }
        let flag = |given: Option<bool>, name: &str, attribute, faults: &mut Faults| match given? {
            true => Some(attribute),
            false => {
                faults.add(format!("{at}/{name}"), "is false", "true");
                None
            }
        };
        flag(self.path, "path", Attribute::Path, faults)
            .or_else(|| flag(self.method, "method", Attribute::Method, faults))
            .or_else(|| flag(self.host, "host", Attribute::Host, faults))
    }
}

fn header(name: &str, at: &str, faults: &mut Faults) -> Option<Attribute> {
    let lower = name.to_ascii_lowercase();
    let ours = [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER];
    if !is_token(name) {
        faults.add(
            format!("{at}/header"),
            "is not a header's name",
            format!("1 to {MAX_NAME} characters of an HTTP token, as `x-user-id`"),
        );
        return None;
    }
    if ours.contains(&lower.as_str()) {
        faults.add(
            format!("{at}/header"),
            format!("`{lower}` is removed from every request before it is read"),
            "a header that the client or an earlier filter sets",
        );
        return None;
    }
    Some(Attribute::Header(lower))
}

fn cookie(name: &str, at: &str, faults: &mut Faults) -> Option<Attribute> {
    if is_token(name) {
        return Some(Attribute::Cookie(name.to_owned()));
    }
    faults.add(
        format!("{at}/cookie"),
        "is not a cookie's name",
        format!("1 to {MAX_NAME} characters of an HTTP token"),
    );
    None
}

fn query(name: &str, at: &str, faults: &mut Faults) -> Option<Attribute> {
    if !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control) {
        return Some(Attribute::Query(name.to_owned()));
    }
    faults.add(
        format!("{at}/query"),
        "is not a query parameter's name",
        format!("1 to {MAX_NAME} bytes without control characters"),
    );
    None
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(token)
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query {name}"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
        }
    }
}
