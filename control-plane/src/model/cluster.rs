//! Clusters: named groups of endpoints that serve requests. Here are the shape that people write
//! and its validated form; how it becomes an Envoy cluster is for `resources`.

use super::check;
use super::fault::Faults;
use super::protection::{
    CircuitBreakers, CircuitBreakersSpec, HealthCheck, HealthCheckSpec, OutlierDetection,
    OutlierDetectionSpec,
};
use super::upstream_tls::{Tls, TlsSpec};
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
    /// How proxies learn the endpoints: `eds` where all are IP addresses, else `dns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// TLS to the endpoints; plain text where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<TlsSpec>>,
    /// How proxies find out which endpoints are healthy; all are where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Box<HealthCheckSpec>>,
    /// Leaves out endpoints that fail requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetectionSpec>,
    /// How much a proxy asks of the cluster at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breakers: Option<CircuitBreakersSpec>,
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
    /// How proxies learn the endpoints.
    pub discovery: Discovery,
    /// TLS to the endpoints.
    pub tls: Option<Tls>,
    /// How proxies find out which endpoints are healthy.
    pub health_check: Option<HealthCheck>,
    /// Leaves out endpoints that fail requests.
    pub outlier_detection: Option<OutlierDetection>,
    /// How much a proxy asks of the cluster at once.
    pub circuit_breakers: Option<CircuitBreakers>,
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
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// From us, apart from the cluster: a change of endpoints leaves its connections alone. Every
    /// endpoint is an IP address.
    Eds,
    /// Envoy resolves the names again and again, and takes every answer.
    Dns,
    /// With the cluster. Every endpoint is an IP address.
    Static,
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
        let health_check = self.health_check.as_ref();
        let health_check = health_check.map(|it| it.validate(self.http2, "/health_check", faults));
        let outliers = self.outlier_detection.as_ref();
        let outliers = outliers.map(|it| it.validate("/outlier_detection", faults));
        let breakers = self.circuit_breakers.as_ref();
        let breakers = breakers.map(|it| it.validate("/circuit_breakers", faults));
        let endpoints: Vec<Endpoint> = endpoints.into_iter().collect::<Option<_>>()?;
        let discovery = self.discovery(&endpoints, faults);
        let tls = self.tls.as_ref();
        let tls = tls.map(|it| it.validate(&endpoints, "/tls", faults));
        let names: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
        check::unique(&names, "/endpoints", faults)?;
        Some(ClusterDesign {
            endpoints,
            connect_timeout_ms: connect_timeout_ms?,
            http2: self.http2,
            discovery: discovery?,
            tls: given(tls)?,
            health_check: given(health_check)?,
            outlier_detection: given(outliers)?,
            circuit_breakers: given(breakers)?,
        })
    }

    fn discovery(&self, endpoints: &[Endpoint], faults: &mut Faults) -> Option<Discovery> {
        let discovery = self.discovery.unwrap_or_else(|| usual(endpoints));
        let named = endpoints.iter().position(Endpoint::is_named);
        match named.filter(|_| discovery != Discovery::Dns) {
            None => Some(discovery),
            Some(index) => {
                let message = "is a name, which only `dns` resolves";
                let expected = "an IP address, or `discovery: dns`";
                faults.add(format!("/endpoints/{index}/address"), message, expected);
                None
            }
        }
    }
}

/// EDS where every endpoint is an IP address, DNS as soon as one is a name.
fn usual(endpoints: &[Endpoint]) -> Discovery {
    if endpoints.iter().any(Endpoint::is_named) {
        Discovery::Dns
    } else {
        Discovery::Eds
    }
}

/// Nothing where nothing was given, and no value where what was given is not valid.
#[expect(clippy::option_option, reason = "what was given may not be valid")]
fn given<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(valid) => valid.map(Some),
        None => Some(None),
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

impl Endpoint {
    fn is_named(&self) -> bool {
        matches!(self.host, Host::Dns(_))
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
            // What the endpoints say anyway is not said again.
            discovery: Some(design.discovery).filter(|it| *it != usual(&design.endpoints)),
            tls: design.tls.as_ref().map(|it| Box::new(it.into())),
            health_check: design.health_check.as_ref().map(|it| Box::new(it.into())),
            outlier_detection: design
                .outlier_detection
                .as_ref()
                .map(OutlierDetectionSpec::from),
            circuit_breakers: design
                .circuit_breakers
                .as_ref()
                .map(CircuitBreakersSpec::from),
        }
    }
}
