//! Attributes, one by one.

use super::fault::{Fault, readable};
use super::{limits, text};
use crate::attribute::{Attribute, Generated, SameSite};
use crate::body::Pointer;
use crate::time::Offset;
use watershed_proto::filter::v1::{
    Attribute as AttributeSpec, Generated as GeneratedSpec, JwtClaim, Offset as OffsetSpec,
    SameSite as SameSiteSpec, attribute::Source,
};
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

/// A year.
const GENERATED_SECONDS: u32 = 365 * 24 * 60 * 60;

pub(super) fn parse(spec: &AttributeSpec) -> Result<Attribute, Fault> {
    Ok(match spec.source.as_ref().ok_or(Fault::Missing)? {
        Source::Header(name) => Attribute::Header(header(name)?),
        Source::Cookie(name) => {
            text::token(name)?;
            Attribute::Cookie(name.as_str().into())
        }
        Source::Query(name) => {
            text::name(name, limits::NAME_BYTES)?;
            Attribute::Query(name.as_str().into())
        }
        Source::Path(_) => Attribute::Path,
        Source::Method(_) => Attribute::Method,
        Source::Host(_) => Attribute::Host,
        Source::JwtClaim(claim) => jwt_claim(claim)?,
        Source::Body(pointer) => Attribute::Body(body(pointer)?),
        Source::SourceAddress(_) => Attribute::SourceAddress,
        Source::BodySize(_) => Attribute::BodySize,
        Source::TimeOfDay(at) => Attribute::TimeOfDay(offset(*at)?),
        Source::DayOfWeek(at) => Attribute::DayOfWeek(offset(*at)?),
        Source::Date(at) => Attribute::Date(offset(*at)?),
        Source::Generated(cookie) => Attribute::Generated(generated(cookie)?),
        Source::Request(_) => Attribute::Request,
    })
}

pub(super) fn header(written: &str) -> Result<Box<str>, Fault> {
    text::token(written)?;
    let name = written.to_ascii_lowercase();
    // What a client sends under these names is stripped; a rule that read it would trust it.
    if [EXPERIMENT_HEADER, VARIANT_HEADER, CLUSTER_HEADER].contains(&name.as_str()) {
        return Err(Fault::Reserved { name });
    }
    Ok(name.into())
}

fn jwt_claim(spec: &JwtClaim) -> Result<Attribute, Fault> {
    text::name(&spec.provider, limits::TEXT_BYTES)?;
    text::count(spec.path.len(), limits::CLAIM_DEPTH)?;
    if spec.path.is_empty() {
        return Err(Fault::Missing);
    }
    for name in &spec.path {
        text::name(name, limits::TEXT_BYTES)?;
    }
    Ok(Attribute::JwtClaim {
        provider: spec.provider.as_str().into(),
        path: spec.path.iter().map(|name| name.as_str().into()).collect(),
    })
}

fn body(written: &str) -> Result<Pointer, Fault> {
    text::length(written, limits::PATH_BYTES)?;
    Pointer::parse(written).map_err(|_| Fault::Illegal {
        value: readable(written),
        expected: "a JSON pointer (RFC 6901) of at most 16 names",
    })
}

fn offset(spec: OffsetSpec) -> Result<Offset, Fault> {
    Offset::from_minutes(spec.minutes).ok_or_else(|| Fault::Illegal {
        value: spec.minutes.to_string(),
        expected: "an offset from -1440 to 1440 minutes",
    })
}

fn generated(spec: &GeneratedSpec) -> Result<Generated, Fault> {
    text::token(&spec.cookie)?;
    let path = if spec.path.is_empty() {
        "/"
    } else {
        &spec.path
    };
    text::length(path, limits::PATH_BYTES)?;
    let is_legal = |byte: u8| byte.is_ascii_graphic() && byte != b';' && byte != b',';
    text::require(
        path.starts_with('/') && path.bytes().all(is_legal),
        path,
        "a path that starts with \"/\", without \";\" and \",\",",
    )?;
    let same_site = match SameSiteSpec::try_from(spec.same_site) {
        Ok(SameSiteSpec::Unspecified) => None,
        Ok(SameSiteSpec::Lax) => Some(SameSite::Lax),
        Ok(SameSiteSpec::Strict) => Some(SameSite::Strict),
        Ok(SameSiteSpec::None) => Some(SameSite::None),
        Err(_) => {
            return Err(Fault::UnknownValue {
                value: spec.same_site,
            });
        }
    };
    Ok(Generated {
        cookie: spec.cookie.as_str().into(),
        path: path.into(),
        max_age_seconds: seconds(spec.max_age_seconds, GENERATED_SECONDS)?,
        secure: !spec.insecure,
        http_only: !spec.script_readable,
        same_site,
    })
}

/// A cookie's life, `otherwise` where none is said.
pub(super) fn seconds(written: u32, otherwise: u32) -> Result<u32, Fault> {
    text::require(
        written <= limits::COOKIE_SECONDS,
        &written.to_string(),
        "at most 400 days in seconds",
    )?;
    Ok(if written == 0 { otherwise } else { written })
}
