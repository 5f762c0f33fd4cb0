//! Unit sources: where an experiment reads what it randomises, and the two that are made rather
//! than read, an identifier in a cookie and the request itself.

use super::attribute::{Attribute, Fields, JwtClaim, cookie};
use super::duration::Seconds;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use watershed_engine::compile::limits;

/// How long a generated identifier is kept where nothing else is said.
const YEAR: Seconds = Seconds::days(365);
/// The longest that a browser keeps a cookie (RFC 6265bis, section 5.5).
const MAX_AGE: Seconds = Seconds::days(400);

/// Where a unit is read.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Source {
    /// From the request; never its path, method, host, body size or time, which are nobody's.
    Attribute(Attribute),
    /// From a cookie that the filter makes where it is missing.
    Generated(Generated),
    /// Nowhere: each request is a unit of its own.
    Request,
}

/// A cookie that the filter makes.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Generated {
    /// Its name.
    pub cookie: String,
    /// The paths it is sent with.
    pub path: String,
    /// How long it is kept.
    pub max_age: Seconds,
    /// Whether it is only sent over TLS.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is sent with requests from other sites.
    pub same_site: SameSite,
}

/// When a cookie is sent with requests from other sites.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// When a link is followed.
    #[default]
    Lax,
    /// Never.
    Strict,
    /// Always; browsers want `secure` with it.
    None,
}

/// One place to read a unit from: exactly one of the fields.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSpec {
    /// A request header by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A cookie by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A query parameter by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A claim of a verified token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_claim: Option<JwtClaim>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where true: the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<bool>,
    /// An identifier that the filter makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedSpec>,
    /// Where true: each request is a unit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<bool>,
}

/// A generated identifier as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratedSpec {
    /// The cookie's name.
    pub cookie: String,
    /// The paths it is sent with; `/` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How long it is kept, as `90d`; a year where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Whether it is only sent over TLS; true where not given.
    #[serde(default = "yes")]
    pub secure: bool,
    /// Whether scripts cannot read it; true where not given.
    #[serde(default = "yes")]
    pub http_only: bool,
    /// Whether it is sent with requests from other sites.
    #[serde(default)]
    pub same_site: SameSite,
}

fn yes() -> bool {
    true
}

impl SourceSpec {
    /// Validates, noting every fault below the JSON pointer `at`.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<Source> {
        let fields = self.fields();
        let made = [self.generated.is_some(), self.request.is_some()];
        let made = made.iter().filter(|given| **given).count();
        let given = fields.given().len().saturating_add(made);
        if given != 1 {
            faults.add(
                at,
                format!("names {given} sources"),
                "exactly one of header, cookie, query, jwt_claim, body, source_address, generated, request",
            );
            return None;
        }
        if let Some(generated) = &self.generated {
            let generated = generated.validate(&format!("{at}/generated"), faults);
            return generated.map(Source::Generated);
        }
        match self.request {
            Some(true) => Some(Source::Request),
            Some(false) => {
                faults.add(format!("{at}/request"), "is false", "true");
                None
            }
            None => fields.read(at, faults).map(Source::Attribute),
        }
    }

    fn fields(&self) -> Fields<'_> {
        Fields {
            header: self.header.as_deref(),
            cookie: self.cookie.as_deref(),
            query: self.query.as_deref(),
            jwt_claim: self.jwt_claim.as_ref(),
            body: self.body.as_deref(),
            source_address: self.source_address,
            ..Fields::default()
        }
    }
}

impl GeneratedSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Generated> {
        let cookie = cookie(&self.cookie, &format!("{at}/cookie"), faults);
        let path = self.path.as_deref().unwrap_or("/");
        let path = cookie_path(path, &format!("{at}/path"), faults);
        let bounds = Seconds::new(1)..=MAX_AGE;
        let max_age = match &self.max_age {
            Some(text) => Seconds::within(text, &bounds, &format!("{at}/max_age"), faults),
            None => Some(YEAR),
        };
        if self.same_site == SameSite::None && !self.secure {
            faults.add(
                format!("{at}/secure"),
                "is false, and browsers drop such a cookie where same_site is `none`",
                "true, or another same_site",
            );
            return None;
        }
        Some(Generated {
            cookie: cookie?,
            path: path?,
            max_age: max_age?,
            secure: self.secure,
            http_only: self.http_only,
            same_site: self.same_site,
        })
    }
}

/// A path attribute of RFC 6265, section 4.1.1, that begins with a slash.
fn cookie_path(path: &str, at: &str, faults: &mut Faults) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b',');
    if path.starts_with('/') && path.len() <= limits::TEXT_BYTES && path.bytes().all(plain) {
        return Some(path.to_owned());
    }
    faults.add(
        at,
        "is not a cookie's path",
        format!(
            "printable ASCII that begins with `/`, without space, `;` and `,`, of at most {} bytes",
            limits::TEXT_BYTES
        ),
    );
    None
}

impl From<&Source> for SourceSpec {
    fn from(source: &Source) -> Self {
        let mut spec = Self::default();
        match source {
            Source::Generated(generated) => spec.generated = Some(generated.into()),
            Source::Request => spec.request = Some(true),
            Source::Attribute(attribute) => match attribute {
                Attribute::Header(name) => spec.header = Some(name.clone()),
                Attribute::Cookie(name) => spec.cookie = Some(name.clone()),
                Attribute::Query(name) => spec.query = Some(name.clone()),
                Attribute::JwtClaim(claim) => spec.jwt_claim = Some(claim.clone()),
                Attribute::Body(pointer) => spec.body = Some(pointer.clone()),
                Attribute::SourceAddress => spec.source_address = Some(true),
                // A unit is never read from these, see `SourceSpec::validate`.
                Attribute::Path
                | Attribute::Method
                | Attribute::Host
                | Attribute::BodySize
                | Attribute::TimeOfDay(_)
                | Attribute::DayOfWeek(_)
                | Attribute::Date(_) => {}
            },
        }
        spec
    }
}

impl From<&Generated> for GeneratedSpec {
    fn from(generated: &Generated) -> Self {
        Self {
            cookie: generated.cookie.clone(),
            path: Some(generated.path.clone()),
            max_age: Some(generated.max_age.to_string()),
            secure: generated.secure,
            http_only: generated.http_only,
            same_site: generated.same_site,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(attribute) => attribute.fmt(f),
            Self::Generated(generated) => write!(f, "generated cookie {}", generated.cookie),
            Self::Request => f.write_str("request"),
        }
    }
}
