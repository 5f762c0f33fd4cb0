//! What a request can be asked for. What lives here: [`Attribute`] and the [`Subject`] that
//! answers. What does not: how a value is cut out of a request (see [`request`](crate::request)).

use crate::body::Pointer;
use crate::condition::Numbering;
use crate::pin::Pin;
use crate::time::Offset;
use std::fmt;

/// Where a value is read from a request.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Attribute {
    /// A request header, by its name in lower case. Several values are joined with `,`.
    Header(Box<str>),
    /// A cookie, by its name.
    Cookie(Box<str>),
    /// A query parameter, by its name, percent-decoded; the first one wins.
    Query(Box<str>),
    /// The path without its query.
    Path,
    /// The request method.
    Method,
    /// The authority without its port, in lower case.
    Host,
    /// A claim of a JWT that was verified in front of us.
    JwtClaim {
        /// The provider that verified it.
        provider: Box<str>,
        /// The claim's name, and the names inside it.
        path: Box<[Box<str>]>,
    },
    /// A scalar in the JSON body.
    Body(Pointer),
    /// The client's address, without port.
    SourceAddress,
    /// The body's length by `content-length`.
    BodySize,
    /// `15:04`
    TimeOfDay(Offset),
    /// `mon` to `sun`
    DayOfWeek(Offset),
    /// `2026-11-21`
    Date(Offset),
    /// An identifier that is made where the cookie doesn't bring one.
    Generated(Generated),
    /// A fresh identifier of the request alone.
    Request,
}

impl Attribute {
    /// Whether the answer changes with the time.
    pub(crate) fn is_timed(&self) -> bool {
        matches!(
            self,
            Self::TimeOfDay(_) | Self::DayOfWeek(_) | Self::Date(_)
        )
    }
}

/// As a person would say it: `header x-tier`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query {name}"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
            Self::JwtClaim { provider, path } => {
                write!(f, "jwt claim {} of {provider}", path.join("."))
            }
            Self::Body(pointer) => write!(f, "body {pointer}"),
            Self::SourceAddress => f.write_str("source address"),
            Self::BodySize => f.write_str("body size"),
            Self::TimeOfDay(offset) => write!(f, "time of day at {offset}"),
            Self::DayOfWeek(offset) => write!(f, "day of week at {offset}"),
            Self::Date(offset) => write!(f, "date at {offset}"),
            Self::Generated(generated) => write!(f, "generated {}", generated.cookie),
            Self::Request => f.write_str("request"),
        }
    }
}

/// The cookie that keeps a generated unit, as RFC 6265 has its attributes.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Generated {
    /// Its name.
    pub cookie: Box<str>,
    /// `Path`
    pub path: Box<str>,
    /// `Max-Age` in seconds.
    pub max_age_seconds: u32,
    /// `Secure`
    pub secure: bool,
    /// `HttpOnly`
    pub http_only: bool,
    /// `SameSite`, where there is to be one.
    pub same_site: Option<SameSite>,
}

/// Values of `SameSite`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum SameSite {
    /// With requests of the same site and when a link leads there.
    Lax,
    /// With requests of the same site alone.
    Strict,
    /// With every request.
    None,
}

impl SameSite {
    /// The value as the header has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}

/// An attribute by its place in [`Plan::attributes`](crate::plan::Plan::attributes).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct AttributeId(pub(crate) u32);

impl AttributeId {
    /// The place in the plan's table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One request, as far as a plan wants to know it.
///
/// The plan asks by [`AttributeId`], so a subject can keep what it has read and need not read what
/// nobody asks for. Asked twice, it gives the same answer.
pub trait Subject {
    /// The attribute's bytes, `None` where the request has no such thing.
    fn get(&self, attribute: AttributeId) -> Option<&[u8]>;

    /// The attribute's bytes where they are UTF-8. For a subject that knows of its values what they are.
    #[inline]
    fn text(&self, attribute: AttributeId) -> Option<&[u8]> {
        self.get(attribute).filter(|bytes| is_text(bytes))
    }

    /// The number of the attribute's value by this numbering; that of no value where there is none. For a
    /// subject that knows of its values what they are.
    #[inline]
    fn number(&self, attribute: AttributeId, by: Numbering) -> u64 {
        by.number(|| self.get(attribute))
    }

    /// A number that every `u64` is as likely to be as any other. Asked at most once a walk, and
    /// only where an experiment leaves its variant to chance.
    fn chance(&self) -> u64;

    /// The variants that the request brings along instead of leaving them to the hash, in any
    /// order. Asked once a walk.
    fn pins(&self) -> &[Pin] {
        &[]
    }
}

/// Whether the bytes are UTF-8. Most are ASCII, which is seen many bytes at a time.
#[inline]
fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || str::from_utf8(bytes).is_ok()
}
