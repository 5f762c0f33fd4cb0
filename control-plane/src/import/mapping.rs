//! Where a request has what another system's context has: by name, or as the command line says.

use crate::model::attribute::JwtClaim;
use crate::model::rule_spec::RuleSpec;
use crate::model::source::SourceSpec;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What a file does not say about the place that it comes to.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// The services whose requests are in the experiments; all where there is none.
    pub services: Vec<String>,
    /// What a unit is called.
    pub unit_type: String,
    /// Who answers for the experiments.
    pub owner: Option<String>,
    /// When they shall be decided.
    pub decision_date: Option<String>,
    /// Where a field of their context is read; the header of its name in lower case where not given, and
    /// the client's address for `remoteAddress`.
    pub read: BTreeMap<String, Read>,
}

/// Where one value is read from a request, as `header:x-user-id`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Read {
    /// A header.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// A claim of a provider's token.
    Claim(JwtClaim),
    /// A JSON pointer into the body.
    Body(String),
    /// The client's address.
    SourceAddress,
}

impl FromStr for Read {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected header:NAME, cookie:NAME, query:NAME, claim:PROVIDER/NAME, \
            body:/POINTER or source_address";
        if text == "source_address" {
            return Ok(Self::SourceAddress);
        }
        let (source, name) = text.split_once(':').ok_or(expected)?;
        if name.is_empty() {
            return Err(expected);
        }
        match source {
            "header" => Ok(Self::Header(name.to_ascii_lowercase())),
            "cookie" => Ok(Self::Cookie(name.to_owned())),
            "query" => Ok(Self::Query(name.to_owned())),
            "body" if name.starts_with('/') => Ok(Self::Body(name.to_owned())),
            "claim" => {
                let mut names = name.split('/').map(str::to_owned);
                let provider = names.next().unwrap_or_default();
                let path: Vec<String> = names.collect();
                let claim = JwtClaim { provider, path };
                (!claim.path.is_empty())
                    .then_some(Self::Claim(claim))
                    .ok_or(expected)
            }
            _ => Err(expected),
        }
    }
}

impl Mapping {
    fn read(&self, field: &str) -> Read {
        match self.read.get(field) {
            Some(read) => read.clone(),
            None if field == "remoteAddress" => Read::SourceAddress,
            None => Read::Header(field.to_ascii_lowercase()),
        }
    }

    /// The field as a source of a unit.
    pub(super) fn source(&self, field: &str) -> SourceSpec {
        let mut source = SourceSpec::default();
        match self.read(field) {
            Read::Header(name) => source.header = Some(name),
            Read::Cookie(name) => source.cookie = Some(name),
            Read::Query(name) => source.query = Some(name),
            Read::Claim(claim) => source.jwt_claim = Some(claim),
            Read::Body(pointer) => source.body = Some(pointer),
            Read::SourceAddress => source.source_address = Some(true),
        }
        source
    }

    /// The field as what a rule tests; the test is still to be said.
    pub(super) fn rule(&self, field: &str) -> RuleSpec {
        let source = self.source(field);
        RuleSpec {
            header: source.header,
            cookie: source.cookie,
            query: source.query,
            jwt_claim: source.jwt_claim,
            body: source.body,
            source_address: source.source_address,
            ..RuleSpec::default()
        }
    }
}

/// Nowhere: each request is a unit of its own.
pub(super) fn each_request() -> SourceSpec {
    SourceSpec {
        request: Some(true),
        ..SourceSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_where_the_command_line_says() {
        for (text, read) in [
            ("header:X-User", Read::Header("x-user".to_owned())),
            ("cookie:Uid", Read::Cookie("Uid".to_owned())),
            ("query:u", Read::Query("u".to_owned())),
            ("body:/a/b", Read::Body("/a/b".to_owned())),
            ("source_address", Read::SourceAddress),
        ] {
            assert_eq!(text.parse(), Ok(read), "{text}");
        }
        assert!(
            matches!("claim:idp/org/id".parse(), Ok(Read::Claim(it)) if it.path == ["org", "id"])
        );
        for bad in ["", "header", "header:", "body:a", "claim:idp", "env:A"] {
            assert!(bad.parse::<Read>().is_err(), "{bad}");
        }
    }
}
