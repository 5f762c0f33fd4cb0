//! The metrics that every experiment has, because Envoy sees what they need of each request. A metric of
//! the model with the same key takes the place of one of these.

use super::duration::Seconds;
use super::key::Key;
use super::metric::{Direction, Measure, MetricDesign, Seen, Source};
use super::strategy::Real;

/// How long after a unit's first exposure a request counts: as long as any metric may.
const WINDOW: Seconds = Seconds::days(90);

/// The keys, in order.
pub const KEYS: [&str; 8] = [
    "error_rate",
    "latency_mean",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "requests",
    "ttfb_p50",
    "ttfb_p95",
];

/// The one of that key.
#[must_use]
pub fn named(key: &str) -> Option<MetricDesign> {
    let requests = || Source::Exposure(Seen::Requests);
    let per_request = |seen| Measure::Ratio {
        numerator: Source::Exposure(seen),
        denominator: requests(),
    };
    let quantile = |seen, at: f64| {
        let at = Real::try_from(at).ok()?;
        let value = Source::Exposure(seen);
        Some(Measure::Quantile { value, at })
    };
    let (measure, unit, description) = match key {
        "error_rate" => (
            per_request(Seen::Errors),
            None,
            "The share of requests that failed.",
        ),
        "latency_mean" => (
            per_request(Seen::LatencyMs),
            Some("ms"),
            "The mean latency of a request.",
        ),
        "latency_p50" => (
            quantile(Seen::LatencyMs, 0.5)?,
            Some("ms"),
            "The median latency of requests.",
        ),
        "latency_p95" => (
            quantile(Seen::LatencyMs, 0.95)?,
            Some("ms"),
            "The latency that 95% of requests keep within.",
        ),
        "latency_p99" => (
            quantile(Seen::LatencyMs, 0.99)?,
            Some("ms"),
            "The latency that 99% of requests keep within.",
        ),
        "requests" => (Measure::Mean(requests()), None, "Requests of a unit."),
        "ttfb_p50" => (
            quantile(Seen::TtfbMs, 0.5)?,
            Some("ms"),
            "The median time to the first byte.",
        ),
        "ttfb_p95" => (
            quantile(Seen::TtfbMs, 0.95)?,
            Some("ms"),
            "The time to the first byte that 95% of requests keep within.",
        ),
        _ => return None,
    };
    let direction = match key {
        "requests" => Direction::Increase,
        _ => Direction::Decrease,
    };
    Some(MetricDesign {
        measure,
        direction,
        window: WINDOW,
        cap: None,
        winsorize: None,
        minimum_effect: None,
        unit: unit.map(str::to_owned),
        description: Some(description.to_owned()),
    })
}

impl super::Model {
    /// The metric of that key: one that somebody has put, or one that every experiment has.
    #[must_use]
    pub fn metric(&self, key: &Key) -> Option<MetricDesign> {
        let put = self.metrics.get(key).map(|metric| metric.design.clone());
        put.or_else(|| named(key.as_str()))
    }
}
