//! Which fleets a client certificate is good for: rules over its subject alternative names. Pure.

use crate::model::Key;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::str::FromStr;
use thiserror::Error;

const RULE: &str = "`uri:PATTERN` or `dns:PATTERN` with one segment `{fleet}`, or a pattern without it \
    and `=FLEET`; `*` stands for one segment";

/// A rule as `uri:spiffe://example.org/fleet/{fleet}`, `dns:*.{fleet}.proxies.example.org` or
/// `uri:spiffe://example.org/ns/edge/sa/envoy=edge`. A pattern is compared segment by segment, which
/// `/` separates in a URI and `.` in a DNS name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FleetRule {
    kind: NameKind,
    pattern: Vec<Segment>,
    /// The fleet, where the pattern has no segment for it.
    fleet: Option<Key>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NameKind {
    Uri,
    Dns,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Exactly(String),
    Any,
    Fleet,
}

/// A rule that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("`{shown}`: {fault} (expected {RULE})")]
pub struct BadFleetRule {
    shown: String,
    fault: String,
}

impl NameKind {
    const fn separator(self) -> char {
        match self {
            Self::Uri => '/',
            Self::Dns => '.',
        }
    }
}

impl FromStr for FleetRule {
    type Err = BadFleetRule;

    fn from_str(text: &str) -> Result<Self, BadFleetRule> {
        let bad = |fault: String| BadFleetRule {
            shown: text.escape_debug().take(200).collect(),
            fault,
        };
        let (kind, rest) = match text.split_once(':') {
            Some(("uri", rest)) => (NameKind::Uri, rest.to_owned()),
            Some(("dns", rest)) => (NameKind::Dns, rest.to_ascii_lowercase()),
            _ => return Err(bad("does not begin with `uri:` or `dns:`".to_owned())),
        };
        let (pattern, fleet) = match rest.rsplit_once('=') {
            Some((pattern, fleet)) => {
                let fleet = Key::try_new(fleet).map_err(|fault| bad(fault.to_string()))?;
                (pattern, Some(fleet))
            }
            None => (rest.as_str(), None),
        };
        let pattern: Vec<Segment> = pattern.split(kind.separator()).map(Segment::read).collect();
        let places = pattern.iter().filter(|it| **it == Segment::Fleet).count();
        match (places, &fleet) {
            (1, None) | (0, Some(_)) => {}
            (_, None) => return Err(bad(format!("names the fleet {places} times"))),
            (_, Some(_)) => return Err(bad("names the fleet twice".to_owned())),
        }
        if !pattern
            .iter()
            .any(|it| matches!(it, Segment::Exactly(text) if !text.is_empty()))
        {
            return Err(bad("would take any name".to_owned()));
        }
        Ok(Self {
            kind,
            pattern,
            fleet,
        })
    }
}

impl Segment {
    fn read(text: &str) -> Self {
        match text {
            "*" => Self::Any,
            "{fleet}" => Self::Fleet,
            text => Self::Exactly(text.to_owned()),
        }
    }
}

impl FleetRule {
    /// The fleet that a name of this kind says, if the rule fits it.
    fn fleet_of(&self, kind: NameKind, name: &str) -> Option<Key> {
        if kind != self.kind {
            return None;
        }
        let mut fleet = self.fleet.clone();
        let mut segments = name.split(kind.separator());
        for expected in &self.pattern {
            let segment = segments.next()?;
            match expected {
                Segment::Exactly(text) if text != segment => return None,
                Segment::Exactly(_) => {}
                Segment::Any if segment.is_empty() => return None,
                Segment::Any => {}
                Segment::Fleet => fleet = Some(Key::try_new(segment).ok()?),
            }
        }
        segments.next().is_none().then_some(fleet)?
    }
}

/// The fleets that `rules` give the bearer of a certificate, whose chain was verified.
///
/// # Errors
/// The certificate is none that we understand.
pub(super) fn fleets_of(
    rules: &[FleetRule],
    certificate: &CertificateDer<'_>,
) -> Result<BTreeSet<Key>, webpki::Error> {
    let certificate = webpki::EndEntityCert::try_from(certificate)?;
    let uris = certificate.valid_uri_names();
    let uris = uris.map(|name| (NameKind::Uri, name.to_owned()));
    let names = certificate.valid_dns_names();
    let names = names.map(|name| (NameKind::Dns, name.to_ascii_lowercase()));
    Ok(uris
        .chain(names)
        .flat_map(|(kind, name)| {
            let fits = move |rule: &FleetRule| rule.fleet_of(kind, &name);
            rules.iter().filter_map(fits)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn rule(text: &str) -> FleetRule {
        text.parse().unwrap()
    }

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn fleets(rules: &[&str], names: Vec<SanType>) -> Vec<String> {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let fleets = fleets_of(&rules, &certificate(names)).unwrap();
        fleets.iter().map(Key::to_string).collect()
    }

    #[test]
    fn the_fleet_is_read_from_the_name_at_its_place() {
        let rules = ["uri:spiffe://example.org/fleet/{fleet}"];
        assert_eq!(
            fleets(&rules, vec![uri("spiffe://example.org/fleet/edge")]),
            ["edge"]
        );
        let rules = ["dns:*.{fleet}.proxies.example.org"];
        assert_eq!(
            fleets(&rules, vec![dns("p1.Edge.proxies.example.org")]),
            ["edge"]
        );
    }

    #[test]
    fn a_name_may_stand_for_a_fleet_without_naming_it() {
        let rules = ["uri:spiffe://example.org/ns/*/sa/envoy=edge"];
        let fits = vec![uri("spiffe://example.org/ns/gateway/sa/envoy")];
        assert_eq!(fleets(&rules, fits), ["edge"]);
    }

    #[test]
    fn a_certificate_may_be_good_for_several_fleets() {
        let rules = [
            "uri:spiffe://example.org/fleet/{fleet}",
            "dns:gateway.example.org=internal",
        ];
        let names = vec![
            uri("spiffe://example.org/fleet/edge"),
            dns("gateway.example.org"),
            uri("spiffe://example.org/fleet/mesh"),
        ];
        assert_eq!(fleets(&rules, names), ["edge", "internal", "mesh"]);
    }

    #[test]
    fn what_is_only_similar_is_good_for_nothing() {
        let rules = [
            "uri:spiffe://example.org/fleet/{fleet}",
            "dns:{fleet}.proxies.example.org",
        ];
        let similar = [
            uri("spiffe://example.org/fleet/edge/more"),
            uri("spiffe://example.org/fleet/"),
            uri("spiffe://example.org/fleet"),
            uri("spiffe://evil.org/fleet/edge"),
            uri("spiffe://example.org/fleet/No%20Key"),
            dns("edge.proxies.example.org.evil.org"),
            dns("a.edge.proxies.example.org"),
            dns("proxies.example.org"),
            // The name of a URI as DNS proves nothing.
            dns("example.org"),
        ];
        for name in similar {
            assert!(fleets(&rules, vec![name.clone()]).is_empty(), "{name:?}");
        }
        assert!(fleets(&rules, Vec::new()).is_empty());
    }

    #[test]
    fn garbage_is_no_certificate() {
        let garbage = CertificateDer::from(b"garbage".as_slice());
        assert!(fleets_of(&[rule("dns:a=b")], &garbage).is_err());
    }

    #[test]
    fn a_rule_that_says_no_fleet_or_two_is_refused_with_its_reason() {
        for (text, says) in [
            ("", "does not begin"),
            ("edge", "does not begin"),
            ("ip:10.0.0.1=edge", "does not begin"),
            ("uri:spiffe://example.org/fleet", "0 times"),
            ("uri:spiffe://{fleet}/{fleet}", "2 times"),
            ("uri:spiffe://example.org/{fleet}=edge", "twice"),
            ("dns:a.example.org=No Key", "is not a key"),
            ("dns:*.{fleet}", "any name"),
            ("dns:{fleet}", "any name"),
            ("uri:=edge", "any name"),
        ] {
            let fault = text.parse::<FleetRule>().unwrap_err().to_string();
            assert!(
                fault.contains(says) && fault.contains("expected"),
                "{text}: {fault}"
            );
        }
    }
}
