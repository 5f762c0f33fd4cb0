//! Clusters: named groups of endpoints that serve requests. Here are the shape that people write
//! and its validated form; how it becomes an Envoy cluster is for `resources`.

use super::check;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The most endpoints of a cluster.
pub const MAX_ENDPOINTS: usize = 1_000;
/// How long a connection may take to be made where the cluster does not say, in milliseconds.
pub const DEFAULT_CONNECT_TIMEOUT_MS: u32 = 5_000;

/// A cluster as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    /// Who serves; at least one.
    pub endpoints: Vec<EndpointSpec>,
    /// How long a connection may take to be made, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u64>,
    /// Whether to speak HTTP/2 (without TLS: prior knowledge) to the endpoints.
    #[serde(default)]
    pub http2: bool,
}

/// An endpoint as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSpec {
    /// An IP address or a DNS name.
    pub address: String,
    /// The TCP port.
    pub port: u64,
    /// Its share of the cluster's requests, relative to the others; 1 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
}

/// What a validated cluster is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterDesign {
    /// Who serves; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How long a connection may take to be made, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Whether to speak HTTP/2 to the endpoints.
    pub http2: bool,
}

/// One process that serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Where it is.
    pub host: Host,
    /// The TCP port, never 0.
    pub port: u16,
    /// Its relative share, at least 1.
    pub weight: u32,
}

/// The host part of an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address that needs no resolver.
    Ip(IpAddr),
    /// A name that Envoy resolves, in lower case.
    Dns(String),
}

/// How Envoy learns a cluster's endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discovery {
    /// From us: every endpoint is an IP address.
    Eds,
    /// Envoy resolves the names and takes every answer.
    StrictDns,
}

impl ClusterDesign {
    /// EDS where every endpoint is an IP address, DNS as soon as one is a name.
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        let named = |endpoint: &Endpoint| matches!(endpoint.host, Host::Dns(_));
        if self.endpoints.iter().any(named) {
            Discovery::StrictDns
        } else {
            Discovery::Eds
        }
    }
}

impl ClusterSpec {
    /// Validates, noting every fault.
    pub fn validate(&self, faults: &mut Faults) -> Option<ClusterDesign> {
        check::length(
            self.endpoints.len(),
            &(1..=MAX_ENDPOINTS),
            "/endpoints",
            faults,
        );
        let endpoints: Vec<Option<Endpoint>> = self
            .endpoints
            .iter()
            .enumerate()
            .map(|(index, spec)| spec.validate(&format!("/endpoints/{index}"), faults))
            .collect();
        let timeout = self
            .connect_timeout_ms
            .unwrap_or(DEFAULT_CONNECT_TIMEOUT_MS.into());
        let connect_timeout_ms =
            check::number(timeout, &(1..=600_000), "/connect_timeout_ms", faults);
        let endpoints: Vec<Endpoint> = endpoints.into_iter().collect::<Option<_>>()?;
        let names: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
        check::unique(&names, "/endpoints", faults)?;
        Some(ClusterDesign {
            endpoints,
            connect_timeout_ms: connect_timeout_ms?,
            http2: self.http2,
        })
    }
}

impl EndpointSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Endpoint> {
        let host = Host::try_new(&self.address);
        if host.is_none() {
            faults.add(
                format!("{at}/address"),
                "is neither an IP address nor a DNS name",
                "an address as `10.0.0.7` or `2001:db8::7`, or a name as `models.internal`",
            );
        }
        let port = check::port(self.port, &format!("{at}/port"), faults);
        let weight = check::number(
            self.weight.unwrap_or(1),
            &(1..=65_535),
            &format!("{at}/weight"),
            faults,
        );
        Some(Endpoint {
            host: host?,
            port: port?,
            weight: weight?,
        })
    }
}

impl Host {
    /// Reads an IP address or a DNS name (RFC 1123 labels, and `_` for service names).
    #[must_use]
    pub fn try_new(address: &str) -> Option<Self> {
        if let Ok(ip) = address.parse() {
            return Some(Self::Ip(ip));
        }
        is_dns_name(address).then(|| Self::Dns(address.to_ascii_lowercase()))
    }
}

/// Whether `name` is a DNS name. One whose last label is all digits is a mistyped address.
pub(super) fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(digits)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl From<&ClusterDesign> for ClusterSpec {
    fn from(design: &ClusterDesign) -> Self {
        let endpoint = |endpoint: &Endpoint| EndpointSpec {
            address: endpoint.host.to_string(),
            port: endpoint.port.into(),
            weight: Some(endpoint.weight.into()),
        };
        Self {
            endpoints: design.endpoints.iter().map(endpoint).collect(),
            connect_timeout_ms: Some(design.connect_timeout_ms.into()),
            http2: design.http2,
        }
    }
}
