//! Services: a set of hosts and paths with a default cluster, and the listeners that take its
//! requests. The place where routing experiments attach.

use super::check;
use super::cluster::is_dns_name;
use super::fault::Faults;
use super::key::Key;
use super::retry::{Retries, RetriesSpec};
use super::routing_rule::{RoutingRule, RoutingRuleSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use watershed_engine::compile::limits;

/// The most hosts, path prefixes, listeners or fleets of a service.
pub const MAX_ENTRIES: usize = limits::PATTERNS;
/// The fleet of a service that names none.
pub const DEFAULT_FLEET: &str = "default";
/// How long a request and its answer may be silent where the service does not say, in milliseconds:
/// longer than a model thinks before its first token.
pub const DEFAULT_IDLE_TIMEOUT_MS: u64 = 300_000;

/// A service as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The fleets (Envoy's `node.cluster`) that serve it.
    #[serde(default = "default_fleets")]
    pub fleets: Vec<String>,
    /// Where its Envoys listen.
    #[serde(default = "default_listeners")]
    pub listeners: Vec<ListenerSpec>,
    /// `api.example.com`, `*.example.com` (any sub-domain) or `*` (any).
    #[serde(default = "default_hosts")]
    pub hosts: Vec<String>,
    /// Path prefixes at a segment's boundary; empty for any path.
    #[serde(default)]
    pub path_prefixes: Vec<String>,
    /// The cluster for requests that no experiment routes.
    pub default_cluster: String,
    /// Where requests go by attribute that no experiment routes; the first rule that holds counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_rules: Vec<RoutingRuleSpec>,
    /// How long a whole request may take, in milliseconds; 0 (and not given) for no limit, because
    /// a streamed answer has no known length.
    #[serde(default)]
    pub timeout_ms: u64,
    /// How long a request and its answer may be silent, in milliseconds; 300000 where not given, 0 for
    /// no limit. What bounds a streamed answer, in the place of a limit on the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// Which requests are tried again, on the same cluster; none where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Box<RetriesSpec>>,
    /// Answers whose `usage` is read, as LLM APIs write it: the outcomes `input_tokens`, `output_tokens` and
    /// `total_tokens`. None where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSpec>,
}

/// Which answers are read for their usage, as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageSpec {
    /// The largest answer that is read, in bytes, from 1 to 1048576; 65536 where not given.
    #[serde(default = "default_usage_bytes")]
    pub max_bytes: u64,
}

fn default_usage_bytes() -> u64 {
    65_536
}

/// A listener as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSpec {
    /// The IP address to bind.
    pub address: String,
    /// The TCP port to bind.
    pub port: u64,
}

fn default_fleets() -> Vec<String> {
    vec![DEFAULT_FLEET.to_owned()]
}

fn default_listeners() -> Vec<ListenerSpec> {
    vec![ListenerSpec {
        address: "0.0.0.0".to_owned(),
        port: 10_000,
    }]
}

fn default_hosts() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What a validated service is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceDesign {
    /// The fleets that serve it; never empty.
    pub fleets: Vec<Key>,
    /// Where its Envoys listen; never empty.
    pub listeners: Vec<Listener>,
    /// Host patterns in lower case; never empty.
    pub hosts: Vec<String>,
    /// Path prefixes, without a slash at the end but for `/` itself; empty for any path.
    pub path_prefixes: Vec<String>,
    /// The cluster for requests that no experiment routes.
    pub default_cluster: Key,
    /// Where requests go by attribute that no experiment routes.
    pub routing_rules: Vec<RoutingRule>,
    /// How long a whole request may take, in milliseconds; 0 for no limit.
    pub timeout_ms: u32,
    /// How long a request and its answer may be silent, in milliseconds; 0 for no limit.
    pub idle_timeout_ms: u32,
    /// Which requests are tried again.
    pub retries: Option<Retries>,
    /// The largest answer that is read for its usage, in bytes; none is where it is nothing.
    pub usage_bytes: Option<u32>,
}

/// An address that an Envoy binds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Listener {
    /// The IP address.
    pub address: IpAddr,
    /// The TCP port, never 0.
    pub port: u16,
}

impl ServiceDesign {
    /// The clusters that its requests may go to without an experiment.
    pub fn clusters(&self) -> impl Iterator<Item = &Key> {
        let ruled = self.routing_rules.iter().map(|rule| &rule.cluster);
        ruled.chain([&self.default_cluster])
    }
}

impl ServiceSpec {
    /// Validates, noting every fault. Whether the cluster exists is for the model.
    pub fn validate(&self, faults: &mut Faults) -> Option<ServiceDesign> {
        let bounds = 1..=MAX_ENTRIES;
        check::length(self.fleets.len(), &bounds, "/fleets", faults);
        let fleets = check::keys(&self.fleets, "/fleets", faults);
        check::length(self.listeners.len(), &bounds, "/listeners", faults);
        let listeners = self.listeners(faults);
        check::length(self.hosts.len(), &bounds, "/hosts", faults);
        let hosts = patterns(&self.hosts, "/hosts", faults, host_pattern, HOST_RULE);
        check::length(
            self.path_prefixes.len(),
            &(0..=MAX_ENTRIES),
            "/path_prefixes",
            faults,
        );
        let path_prefixes = patterns(
            &self.path_prefixes,
            "/path_prefixes",
            faults,
            path_prefix,
            PATH_RULE,
        );
        let default_cluster = check::key(&self.default_cluster, "/default_cluster", faults);
        let routing_rules = RoutingRuleSpec::list(&self.routing_rules, faults);
        let bounds = 0..=86_400_000;
        let timeout_ms = check::number(self.timeout_ms, &bounds, "/timeout_ms", faults);
        let idle = self.idle_timeout_ms.unwrap_or(DEFAULT_IDLE_TIMEOUT_MS);
        let idle_timeout_ms = check::number(idle, &bounds, "/idle_timeout_ms", faults);
        let retries = match &self.retries {
            Some(retries) => retries.validate("/retries", faults).map(Some),
            None => Some(None),
        };
        let usage_bytes = match &self.usage {
            Some(usage) => {
                let bounds = 1..=u64::from(limits::BODY_BYTES);
                check::number(usage.max_bytes, &bounds, "/usage/max_bytes", faults).map(Some)
            }
            None => Some(None),
        };
        Some(ServiceDesign {
            fleets: fleets?,
            listeners: listeners?,
            hosts: hosts?,
            path_prefixes: path_prefixes?,
            default_cluster: default_cluster?,
            routing_rules: routing_rules?,
            timeout_ms: timeout_ms?,
            idle_timeout_ms: idle_timeout_ms?,
            retries: retries?,
            usage_bytes: usage_bytes?,
        })
    }

    fn listeners(&self, faults: &mut Faults) -> Option<Vec<Listener>> {
        let read: Vec<Option<Listener>> = self
            .listeners
            .iter()
            .enumerate()
            .map(|(index, spec)| spec.validate(&format!("/listeners/{index}"), faults))
            .collect();
        let read: Vec<Listener> = read.into_iter().collect::<Option<_>>()?;
        check::unique(&read, "/listeners", faults)?;
        Some(read)
    }
}

impl ListenerSpec {
    fn validate(&self, at: &str, faults: &mut Faults) -> Option<Listener> {
        let address = self.address.parse().ok();
        if address.is_none() {
            faults.add(
                format!("{at}/address"),
                "is not an IP address",
                "an address as `0.0.0.0`, `127.0.0.1` or `::`",
            );
        }
        let port = check::port(self.port, &format!("{at}/port"), faults);
        Some(Listener {
            address: address?,
            port: port?,
        })
    }
}

const HOST_RULE: &str = "`*`, a host as `api.example.com` without port, or `*.example.com`";
const PATH_RULE: &str =
    "a path of printable ASCII that begins with `/`, without query, of at most 512 bytes";

/// Reads a list of patterns, each brought to its one spelling.
fn patterns(
    given: &[String],
    at: &str,
    faults: &mut Faults,
    read: fn(&str) -> Option<String>,
    rule: &str,
) -> Option<Vec<String>> {
    let all: Vec<Option<String>> = given
        .iter()
        .enumerate()
        .map(|(index, pattern)| {
            let found = read(pattern);
            if found.is_none() {
                let shown: String = pattern.escape_debug().take(64).collect();
                faults.add(
                    format!("{at}/{index}"),
                    format!("`{shown}` does not fit"),
                    rule,
                );
            }
            found
        })
        .collect();
    let all: Vec<String> = all.into_iter().collect::<Option<_>>()?;
    check::unique(&all, at, faults)?;
    Some(all)
}

/// An IPv6 address is written in brackets, as it is in a request.
fn host_pattern(host: &str) -> Option<String> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match (inner.unwrap_or(host).parse(), inner) {
        (Ok(IpAddr::V6(address)), _) => Some(format!("[{address}]")),
        (Ok(IpAddr::V4(address)), None) => Some(address.to_string()),
        _ => {
            let name = host.strip_prefix("*.").unwrap_or(host);
            (host == "*" || is_dns_name(name)).then(|| host.to_ascii_lowercase())
        }
    }
}

fn path_prefix(path: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if path.len() > 512 || !path.starts_with('/') || !path.bytes().all(plain) {
        return None;
    }
    let trimmed = path.trim_end_matches('/');
    Some(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

impl Listener {
    /// Whether one process could not bind both: one takes every address of the other's family.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self != other
            && self.port == other.port
            && self.address.is_ipv4() == other.address.is_ipv4()
            && (self.address.is_unspecified() || other.address.is_unspecified())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

impl From<&ServiceDesign> for ServiceSpec {
    fn from(design: &ServiceDesign) -> Self {
        let listener = |listener: &Listener| ListenerSpec {
            address: listener.address.to_string(),
            port: listener.port.into(),
        };
        Self {
            fleets: design.fleets.iter().map(Key::to_string).collect(),
            listeners: design.listeners.iter().map(listener).collect(),
            hosts: design.hosts.clone(),
            path_prefixes: design.path_prefixes.clone(),
            default_cluster: design.default_cluster.to_string(),
            routing_rules: design
                .routing_rules
                .iter()
                .map(RoutingRuleSpec::from)
                .collect(),
            timeout_ms: design.timeout_ms.into(),
            idle_timeout_ms: Some(u64::from(design.idle_timeout_ms))
                .filter(|idle| *idle != DEFAULT_IDLE_TIMEOUT_MS),
            retries: design.retries.as_ref().map(|it| Box::new(it.into())),
            usage: design.usage_bytes.map(|bytes| UsageSpec {
                max_bytes: bytes.into(),
            }),
        }
    }
}
