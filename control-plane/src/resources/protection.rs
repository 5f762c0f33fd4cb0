//! Health checks, outlier detection and circuit breakers as parts of an Envoy cluster.

use super::wire::{millis, uint32};
use crate::model::protection as model;
use crate::model::protection::Probe;
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, OutlierDetection};
use envoy_types::pb::envoy::config::core::v3::HealthCheck;
use envoy_types::pb::envoy::config::core::v3::health_check::{
    GrpcHealthCheck, HealthChecker, HttpHealthCheck, TcpHealthCheck,
};
use envoy_types::pb::envoy::r#type::v3::CodecClientType;

/// The health check of a cluster that speaks that HTTP.
pub(super) fn health_check(check: &model::HealthCheck, http2: bool) -> HealthCheck {
    let codec = if http2 {
        CodecClientType::Http2
    } else {
        CodecClientType::Http1
    };
    let checker = match &check.probe {
        Probe::Http(path) => HealthChecker::HttpHealthCheck(HttpHealthCheck {
            path: path.clone(),
            codec_client_type: codec.into(),
            ..Default::default()
        }),
        Probe::Grpc(service) => HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
            service_name: service.clone(),
            ..Default::default()
        }),
        Probe::Tcp => HealthChecker::TcpHealthCheck(TcpHealthCheck::default()),
    };
    HealthCheck {
        interval: Some(millis(check.interval_ms)),
        timeout: Some(millis(check.timeout_ms)),
        // Envoy's own is a minute, for clusters without traffic: too long for one that is about to
        // get an experiment's.
        no_traffic_interval: Some(millis(check.interval_ms)),
        unhealthy_threshold: uint32(check.unhealthy_after),
        healthy_threshold: uint32(check.healthy_after),
        health_checker: Some(checker),
        ..Default::default()
    }
}

pub(super) fn outlier_detection(detection: &model::OutlierDetection) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: uint32(detection.consecutive_5xx),
        interval: Some(millis(detection.interval_ms)),
        base_ejection_time: Some(millis(detection.base_ejection_ms)),
        // Envoy refuses a longest time that is shorter than the first.
        max_ejection_time: Some(millis(detection.base_ejection_ms.max(300_000))),
        max_ejection_percent: uint32(detection.max_ejection_percent),
        ..Default::default()
    }
}

pub(super) fn circuit_breakers(breakers: &model::CircuitBreakers) -> CircuitBreakers {
    let bound = |value: Option<u32>| value.and_then(uint32);
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: bound(breakers.max_connections),
            max_pending_requests: bound(breakers.max_pending_requests),
            max_requests: bound(breakers.max_requests),
            max_retries: bound(breakers.max_retries),
            ..Default::default()
        }],
        ..Default::default()
    }
}
