//! Attributes: where a value is read from a request, for audiences, routing rules, features and
//! units. What is a good name for each is checked here; which of them a unit may be is `source`'s.

use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use watershed_engine::Pointer;
use watershed_engine::compile::limits;
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// The most bytes of a header's, cookie's, query parameter's or claim's name.
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
    /// A claim of a token that the proxy has verified.
    JwtClaim(JwtClaim),
    /// A JSON pointer (RFC 6901) into the request's body.
    Body(String),
    /// The client's address, without port.
    SourceAddress,
    /// The length of the body in bytes, where it is known beforehand.
    BodySize,
    /// The time of the request, as `15:04`.
    TimeOfDay(Offset),
    /// The day of the request, `mon` to `sun`.
    DayOfWeek(Offset),
    /// The day of the request, as `2026-11-21`.
    Date(Offset),
}

/// A claim of a JWT, also as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtClaim {
    /// `payload_in_metadata` of the proxy's jwt_authn provider.
    pub provider: String,
    /// The names on the way to the claim, from the outermost.
    pub path: Vec<String>,
}

/// A fixed distance from UTC in minutes, within a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Offset(i16);

/// The fields by which a document names one attribute. Each of them can stand in a rule, too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    pub header: Option<&'a str>,
    pub cookie: Option<&'a str>,
    pub query: Option<&'a str>,
    pub path: Option<bool>,
    pub method: Option<bool>,
    pub host: Option<bool>,
    pub jwt_claim: Option<&'a JwtClaim>,
    pub body: Option<&'a str>,
    pub source_address: Option<bool>,
    pub body_size: Option<bool>,
    pub time_of_day: Option<&'a str>,
    pub day_of_week: Option<&'a str>,
    pub date: Option<&'a str>,
}

/// The names of [`Fields`], for messages.
pub(super) const SOURCES: &str = "header, cookie, query, path, method, host, jwt_claim, body, source_address, body_size, time_of_day, day_of_week, date";

/// An attribute as a document of its own.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeSpec {
    /// A request header by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A cookie by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A query parameter by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Where true: the path without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<bool>,
    /// Where true: the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<bool>,
    /// Where true: the host without its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<bool>,
    /// A claim of a verified token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_claim: Option<JwtClaim>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where true: the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<bool>,
    /// Where true: the length of the body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_size: Option<bool>,
    /// The time of day, at `utc` or an offset as `+02:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<String>,
    /// The day of the week, at `utc` or an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_of_week: Option<String>,
    /// The date, at `utc` or an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl AttributeSpec {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        let fields = self.fields();
        let given = fields.given();
        if given.len() == 1 {
            return fields.read(at, faults);
        }
        let message = format!("names {} attributes", given.len());
        faults.add(at, message, format!("exactly one of {SOURCES}"));
        None
    }

    fn fields(&self) -> Fields<'_> {
        Fields {
            header: self.header.as_deref(),
            cookie: self.cookie.as_deref(),
            query: self.query.as_deref(),
            path: self.path,
            method: self.method,
            host: self.host,
            jwt_claim: self.jwt_claim.as_ref(),
            body: self.body.as_deref(),
            source_address: self.source_address,
            body_size: self.body_size,
            time_of_day: self.time_of_day.as_deref(),
            day_of_week: self.day_of_week.as_deref(),
            date: self.date.as_deref(),
        }
    }
}

impl From<&Attribute> for AttributeSpec {
    fn from(attribute: &Attribute) -> Self {
        let mut spec = Self::default();
        match attribute {
            Attribute::Header(name) => spec.header = Some(name.clone()),
            Attribute::Cookie(name) => spec.cookie = Some(name.clone()),
            Attribute::Query(name) => spec.query = Some(name.clone()),
            Attribute::Path => spec.path = Some(true),
            Attribute::Method => spec.method = Some(true),
            Attribute::Host => spec.host = Some(true),
            Attribute::JwtClaim(claim) => spec.jwt_claim = Some(claim.clone()),
            Attribute::Body(pointer) => spec.body = Some(pointer.clone()),
            Attribute::SourceAddress => spec.source_address = Some(true),
            Attribute::BodySize => spec.body_size = Some(true),
            Attribute::TimeOfDay(offset) => spec.time_of_day = Some(offset.to_string()),
            Attribute::DayOfWeek(offset) => spec.day_of_week = Some(offset.to_string()),
            Attribute::Date(offset) => spec.date = Some(offset.to_string()),
        }
        spec
    }
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
            ("jwt_claim", self.jwt_claim.is_some()),
            ("body", self.body.is_some()),
            ("source_address", self.source_address.is_some()),
            ("body_size", self.body_size.is_some()),
            ("time_of_day", self.time_of_day.is_some()),
            ("day_of_week", self.day_of_week.is_some()),
            ("date", self.date.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Reads the one attribute that is named; the caller has seen that it is one.
    pub(super) fn read(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        self.named(at, faults)
            .or_else(|| self.flagged(at, faults))
            .or_else(|| self.timed(at, faults))
    }

    fn named(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        if let Some(name) = self.header {
            return header(name, &format!("{at}/header"), faults).map(Attribute::Header);
        }
        if let Some(name) = self.cookie {
            return cookie(name, &format!("{at}/cookie"), faults).map(Attribute::Cookie);
        }
        if let Some(name) = self.query {
            return query(name, &format!("{at}/query"), faults).map(Attribute::Query);
        }
        if let Some(name) = self.body {
            return pointer(name, &format!("{at}/body"), faults).map(Attribute::Body);
        }
        let claim = self.jwt_claim?;
        claim
            .validate(&format!("{at}/jwt_claim"), faults)
            .map(Attribute::JwtClaim)
    }

    fn flagged(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        let flags = [
            (self.path, "path", Attribute::Path),
            (self.method, "method", Attribute::Method),
            (self.host, "host", Attribute::Host),
            (
                self.source_address,
                "source_address",
                Attribute::SourceAddress,
            ),
            (self.body_size, "body_size", Attribute::BodySize),
        ];
        let given = flags
            .into_iter()
            .find_map(|(flag, name, attribute)| flag.map(|flag| (flag, name, attribute)));
        let (set, name, attribute) = given?;
        if !set {
            faults.add(format!("{at}/{name}"), "is false", "true");
        }
        set.then_some(attribute)
    }

    fn timed(&self, at: &str, faults: &mut Faults) -> Option<Attribute> {
        let offset = |text: &str, name: &str, faults: &mut Faults| {
            let offset = Offset::parse(text);
            if offset.is_none() {
                let shown: String = text.escape_debug().take(32).collect();
                faults.add(
                    format!("{at}/{name}"),
                    format!("`{shown}` is not an offset from UTC"),
                    "`utc`, or hours and minutes as `+02:00` or `-05:30`",
                );
            }
            offset
        };
        if let Some(text) = self.time_of_day {
            return offset(text, "time_of_day", faults).map(Attribute::TimeOfDay);
        }
        if let Some(text) = self.day_of_week {
            return offset(text, "day_of_week", faults).map(Attribute::DayOfWeek);
        }
        let text = self.date?;
        offset(text, "date", faults).map(Attribute::Date)
    }
}

/// A header that can be read from a request, in lower case.
pub(super) fn header(name: &str, at: &str, faults: &mut Faults) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let ours = [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER];
    if !is_token(name) {
        faults.add(
            at,
            "is not a header's name",
            format!("1 to {MAX_NAME} characters of an HTTP token, as `x-user-id`"),
        );
        return None;
    }
    if ours.contains(&lower.as_str()) {
        faults.add(
            at,
            format!("`{lower}` is removed from every request before it is read"),
            "a header that the client or an earlier filter sets",
        );
        return None;
    }
    Some(lower)
}

/// A cookie's name.
pub(super) fn cookie(name: &str, at: &str, faults: &mut Faults) -> Option<String> {
    if is_token(name) {
        return Some(name.to_owned());
    }
    faults.add(
        at,
        "is not a cookie's name",
        format!("1 to {MAX_NAME} characters of an HTTP token"),
    );
    None
}

/// A query parameter's name.
pub(super) fn query(name: &str, at: &str, faults: &mut Faults) -> Option<String> {
    if is_name(name) {
        return Some(name.to_owned());
    }
    faults.add(
        at,
        "is not a query parameter's name",
        format!("1 to {MAX_NAME} bytes without control characters"),
    );
    None
}

/// A JSON pointer to something inside the body; the empty one would be the body itself.
pub(super) fn pointer(text: &str, at: &str, faults: &mut Faults) -> Option<String> {
    const MOST: usize = limits::PATH_BYTES;
    if !text.is_empty() && text.len() <= MOST && Pointer::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    faults.add(
        at,
        "is not a JSON pointer",
        "RFC 6901, as `/user` or `/metadata/user_id`, of at most 16 names",
    );
    None
}

/// A token of RFC 9110, section 5.6.2.
pub(super) fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(token)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control)
}

impl JwtClaim {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<Self> {
        let named = format!("1 to {MAX_NAME} bytes without control characters");
        let mut good = true;
        if !is_name(&self.provider) {
            faults.add(format!("{at}/provider"), "is not a name", &*named);
            good = false;
        }
        if !(1..=limits::CLAIM_DEPTH).contains(&self.path.len()) {
            let message = format!("has {} entries", self.path.len());
            let expected = format!("1 to {} names", limits::CLAIM_DEPTH);
            faults.add(format!("{at}/path"), message, expected);
            good = false;
        }
        for (index, name) in self.path.iter().enumerate() {
            if !is_name(name) {
                faults.add(format!("{at}/path/{index}"), "is not a name", &*named);
                good = false;
            }
        }
        good.then(|| self.clone())
    }
}

impl Offset {
    /// The offset in minutes, -1439 to 1439.
    #[must_use]
    pub fn minutes(self) -> i16 {
        self.0
    }

    /// Reads `utc` or `+HH:MM`.
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Some(Self(0));
        }
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let two = |digits: &str, most: i16| {
            let digit = |byte: u8| byte.is_ascii_digit();
            let written = digits.len() == 2 && digits.bytes().all(digit);
            let number = written.then(|| digits.parse::<i16>().ok()).flatten();
            number.filter(|number| *number <= most)
        };
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes) = (two(hours, 23)?, two(minutes, 59)?);
        Some(Self(sign * (hours * 60 + minutes)))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("utc");
        }
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
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
            Self::JwtClaim(claim) => {
                write!(f, "claim {} of {}", claim.path.join("."), claim.provider)
            }
            Self::Body(pointer) => write!(f, "body {pointer}"),
            Self::SourceAddress => f.write_str("source address"),
            Self::BodySize => f.write_str("body size"),
            Self::TimeOfDay(offset) => write!(f, "time of day at {offset}"),
            Self::DayOfWeek(offset) => write!(f, "day of week at {offset}"),
            Self::Date(offset) => write!(f, "date at {offset}"),
        }
    }
}
