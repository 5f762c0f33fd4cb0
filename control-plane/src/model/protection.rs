//! What keeps an endpoint that fails, or a cluster that is overrun, from hurting requests: health
//! checks, outlier detection and circuit breakers. How they become Envoy's is for `resources`.

use super::check;
use super::fault::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Times of checks, in milliseconds.
const MILLIS: RangeInclusive<u64> = 1..=86_400_000;
/// Numbers of connections, requests or failures.
const COUNT: RangeInclusive<u64> = 1..=1_000_000_000;

/// A health check as it is written: one of `path`, `grpc` and `tcp`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckSpec {
    /// An endpoint is healthy that answers `GET` of this path with 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// An endpoint is healthy that says so of this gRPC service (empty for the whole server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
    /// An endpoint is healthy that takes a connection; `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<bool>,
    /// The time between two checks, in milliseconds; 10000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// How long a check may take, in milliseconds; 2000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// After how many failures in a row an endpoint is unhealthy; 3 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_after: Option<u64>,
    /// After how many successes in a row it is healthy again; 2 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_after: Option<u64>,
}

/// A validated health check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// The time between two checks, in milliseconds.
    pub interval_ms: u32,
    /// How long a check may take, in milliseconds.
    pub timeout_ms: u32,
    /// After how many failures in a row an endpoint is unhealthy.
    pub unhealthy_after: u32,
    /// After how many successes in a row it is healthy again.
    pub healthy_after: u32,
}

/// What a health check asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Probe {
    /// `GET` of a path.
    Http(String),
    /// The gRPC health of a service.
    Grpc(String),
    /// A connection.
    Tcp,
}

/// Outlier detection as it is written: an endpoint that fails requests is left out for a while.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutlierDetectionSpec {
    /// After how many answers of 5xx in a row; 5 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_5xx: Option<u64>,
    /// How often endpoints are looked at again, in milliseconds; 10000 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// For how long the first time, in milliseconds; longer each further time. 30000 where not
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ejection_ms: Option<u64>,
    /// The most endpoints that are left out at once, in percent; 50 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ejection_percent: Option<u64>,
}

/// Validated outlier detection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutlierDetection {
    /// After how many answers of 5xx in a row.
    pub consecutive_5xx: u32,
    /// How often endpoints are looked at again, in milliseconds.
    pub interval_ms: u32,
    /// For how long the first time, in milliseconds.
    pub base_ejection_ms: u32,
    /// The most endpoints that are left out at once, in percent.
    pub max_ejection_percent: u32,
}

/// Circuit breakers as they are written: what is beyond them is answered with 503 at once. Envoy's
/// own bounds (1024, and 3 retries) hold where not given.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreakersSpec {
    /// The most connections of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// The most requests that wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<u64>,
    /// The most requests under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u64>,
    /// The most retries under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u64>,
}

/// Validated circuit breakers; Envoy's own bound where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CircuitBreakers {
    /// The most connections of a proxy.
    pub max_connections: Option<u32>,
    /// The most requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// The most requests under way.
    pub max_requests: Option<u32>,
    /// The most retries under way.
    pub max_retries: Option<u32>,
}

impl HealthCheckSpec {
    /// Validates below the JSON pointer `at`, for a cluster that speaks HTTP/2 or does not.
    pub(super) fn validate(
        &self,
        http2: bool,
        at: &str,
        faults: &mut Faults,
    ) -> Option<HealthCheck> {
        let mut number = |value: Option<u64>, default, bounds, field| {
            check::number(
                value.unwrap_or(default),
                bounds,
                &format!("{at}/{field}"),
                faults,
            )
        };
        let interval_ms = number(self.interval_ms, 10_000, &MILLIS, "interval_ms");
        let timeout_ms = number(self.timeout_ms, 2_000, &MILLIS, "timeout_ms");
        let unhealthy_after = number(self.unhealthy_after, 3, &(1..=1_000), "unhealthy_after");
        let healthy_after = number(self.healthy_after, 2, &(1..=1_000), "healthy_after");
        if self.grpc.is_some() && !http2 {
            let expected = "another check, or `http2: true` on the cluster";
            faults.add(format!("{at}/grpc"), "needs HTTP/2", expected);
        }
        Some(HealthCheck {
            probe: self.probe(at, faults)?,
            interval_ms: interval_ms?,
            timeout_ms: timeout_ms?,
            unhealthy_after: unhealthy_after?,
            healthy_after: healthy_after?,
        })
    }

    fn probe(&self, at: &str, faults: &mut Faults) -> Option<Probe> {
        match (&self.path, &self.grpc, self.tcp) {
            (Some(path), None, None) => {
                let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
                if !path.starts_with('/') || !plain || path.len() > 1_024 {
                    let expected = "a path of printable ASCII that begins with `/`";
                    faults.add(format!("{at}/path"), "is not a path", expected);
                    return None;
                }
                Some(Probe::Http(path.clone()))
            }
            (None, Some(service), None) => {
                let plain = service.bytes().all(|byte| byte.is_ascii_graphic());
                if !plain || service.len() > 256 {
                    let expected = "a service as `inference.v1.Models`, or an empty text";
                    faults.add(format!("{at}/grpc"), "is not a service", expected);
                    return None;
                }
                Some(Probe::Grpc(service.clone()))
            }
            (None, None, Some(true)) => Some(Probe::Tcp),
            _ => {
                let message = "does not say what is asked";
                faults.add(at, message, "one of `path`, `grpc` and `tcp: true`");
                None
            }
        }
    }
}

impl OutlierDetectionSpec {
    /// Validates below the JSON pointer `at`, noting every fault.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<OutlierDetection> {
        let mut number = |value: Option<u64>, default, bounds, field| {
            check::number(
                value.unwrap_or(default),
                bounds,
                &format!("{at}/{field}"),
                faults,
            )
        };
        let consecutive_5xx = number(self.consecutive_5xx, 5, &(1..=10_000), "consecutive_5xx");
        let interval_ms = number(self.interval_ms, 10_000, &MILLIS, "interval_ms");
        let base = number(self.base_ejection_ms, 30_000, &MILLIS, "base_ejection_ms");
        let most = number(
            self.max_ejection_percent,
            50,
            &(1..=100),
            "max_ejection_percent",
        );
        Some(OutlierDetection {
            consecutive_5xx: consecutive_5xx?,
            interval_ms: interval_ms?,
            base_ejection_ms: base?,
            max_ejection_percent: most?,
        })
    }
}

impl CircuitBreakersSpec {
    /// Validates below the JSON pointer `at`, noting every fault.
    pub(super) fn validate(&self, at: &str, faults: &mut Faults) -> Option<CircuitBreakers> {
        let mut bound =
            |value, field| check::given(value, &COUNT, &format!("{at}/{field}"), faults);
        let connections = bound(self.max_connections, "max_connections");
        let pending = bound(self.max_pending_requests, "max_pending_requests");
        let requests = bound(self.max_requests, "max_requests");
        let retries = bound(self.max_retries, "max_retries");
        Some(CircuitBreakers {
            max_connections: connections?,
            max_pending_requests: pending?,
            max_requests: requests?,
            max_retries: retries?,
        })
    }
}

impl From<&HealthCheck> for HealthCheckSpec {
    fn from(check: &HealthCheck) -> Self {
        let mut spec = Self {
            interval_ms: Some(check.interval_ms.into()),
            timeout_ms: Some(check.timeout_ms.into()),
            unhealthy_after: Some(check.unhealthy_after.into()),
            healthy_after: Some(check.healthy_after.into()),
            ..Self::default()
        };
        match &check.probe {
            Probe::Http(path) => spec.path = Some(path.clone()),
            Probe::Grpc(service) => spec.grpc = Some(service.clone()),
            Probe::Tcp => spec.tcp = Some(true),
        }
        spec
    }
}

impl From<&OutlierDetection> for OutlierDetectionSpec {
    fn from(detection: &OutlierDetection) -> Self {
        Self {
            consecutive_5xx: Some(detection.consecutive_5xx.into()),
            interval_ms: Some(detection.interval_ms.into()),
            base_ejection_ms: Some(detection.base_ejection_ms.into()),
            max_ejection_percent: Some(detection.max_ejection_percent.into()),
        }
    }
}

impl From<&CircuitBreakers> for CircuitBreakersSpec {
    fn from(breakers: &CircuitBreakers) -> Self {
        Self {
            max_connections: breakers.max_connections.map(u64::from),
            max_pending_requests: breakers.max_pending_requests.map(u64::from),
            max_requests: breakers.max_requests.map(u64::from),
            max_retries: breakers.max_retries.map(u64::from),
        }
    }
}
